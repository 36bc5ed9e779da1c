import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from groundup.core.errors import ConfigError
from groundup.tokens.bpe import MAX_SAMPLE_BYTES, train
from groundup.tokens.config import TokensConfig
from groundup.tokens.split import MAX_RUN
from groundup.tokens.tokenizer import Tokenizer

N_SPECIAL = 4
# few letters, so that ties and overlapping pairs such as `aaa` are common
REPETITIVE = st.lists(st.text(alphabet="ab é\n1'!", max_size=30), min_size=1, max_size=5)


@pytest.mark.parametrize("pattern", ["gpt2", "cl100k", "qwen2"])
@settings(max_examples=60, deadline=None)
@given(texts=REPETITIVE)
@example(texts=["11\n "])  # tiktoken's own cl100k cuts this differently from the published one
def test_vocabulary_and_ids_equal_the_slow_reference(reference, pattern, texts):
    merges = reference.train(texts, 30, pattern)
    tokens = train(iter(texts), vocab_size=256 + len(merges) + N_SPECIAL, pattern=pattern)
    assert tokens == reference.token_bytes(merges)
    tokenizer = Tokenizer(tokens, pattern=pattern)
    for text in texts:
        assert tokenizer.encode(text) == reference.encode(text, merges, pattern)


@pytest.mark.parametrize("pattern", ["gpt2", "cl100k", "qwen2"])
def test_real_text_in_many_scripts_gives_the_reference_vocabulary(reference, declarations, pattern):
    texts = [text[:300] for text in declarations[::30]]
    merges = reference.train(texts, 60, pattern)
    tokens = train(iter(texts), vocab_size=256 + 60 + N_SPECIAL, pattern=pattern)
    assert tokens == reference.token_bytes(merges)
    tokenizer = Tokenizer(tokens, pattern=pattern)
    assert [tokenizer.encode(text) for text in texts] == [
        reference.encode(text, merges, pattern) for text in texts
    ]


def test_ties_go_to_the_lowest_ids():
    # each pair of neighbours occurs twice; (a, b) has lower ids than (c, d) and (y, z)
    tokens = train(iter(["yz", "yz", "cd", "cd", "ab", "ab"]), vocab_size=263, pattern="gpt2")
    assert tokens[256:] == [b"ab", b"cd", b"yz"]


def test_a_vocabulary_larger_than_the_corpus_allows_says_the_largest_possible():
    texts = ["hello", "hello"]  # he, hel, hell, hello: four merges and no pair is left
    with pytest.raises(ConfigError, match="4 merges") as caught:
        train(iter(texts), vocab_size=300, pattern="gpt2")
    assert "264" in caught.value.hint
    assert len(train(iter(texts), vocab_size=264, pattern="gpt2")) == 260


def test_the_smallest_vocabulary_is_the_bytes():
    tokens = train(iter(["hello"]), vocab_size=260, pattern="gpt2")
    assert tokens == [bytes([value]) for value in range(256)]


def test_a_million_spaces_are_learned_from_without_a_crash():
    text = "x" + " " * (10 * MAX_RUN) + "x"
    assert train(iter([text]), vocab_size=262, pattern="gpt2")[256:] == [b"  ", b"    "]


def test_the_recipe_cannot_ask_for_a_sample_whose_counts_overflow():
    with pytest.raises(ValueError, match="less than or equal"):
        TokensConfig(corpus="corpus.toml", sample_bytes=MAX_SAMPLE_BYTES + 1)
    assert TokensConfig(corpus="corpus.toml", sample_bytes=MAX_SAMPLE_BYTES).sample_bytes > 0
