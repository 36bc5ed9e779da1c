import pytest

from groundup.tokens.tokenizer_json import merges_of, to_json

BYTES = [bytes([value]) for value in range(256)]


def test_merges_are_recovered_from_the_vocabulary_alone(reference):
    texts = ["the theory of aaa aaaa baa bab abab the other"]
    learned = reference.train(texts, 25, "gpt2")
    tokens = reference.token_bytes(learned)
    assert merges_of(tokens) == [(tokens[a], tokens[b]) for a, b in learned]


def test_a_token_that_no_merge_makes_is_refused():
    with pytest.raises(ValueError, match="not a merge"):
        merges_of([*BYTES, b"abc"])


def test_bytes_are_written_as_gpt2_wrote_them():
    # openai/gpt-2 encoder.json: space is Ġ, line break is Ċ, and é is two characters
    value = to_json([*BYTES, b" t", "é".encode(), b"\n\n"], {"<|end|>": 259}, "gpt2")
    assert list(value["model"]["vocab"])[256:] == ["Ġt", "Ã©", "ĊĊ"]
    assert value["model"]["merges"] == [["Ġ", "t"], ["Ã", "©"], ["Ċ", "Ċ"]]
