import json

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.core.errors import ArtifactError, ConfigError, DataError
from groundup.tokens.bpe import train
from groundup.tokens.split import MAX_RUN
from groundup.tokens.tokenizer import SPECIAL, Tokenizer

BYTES = [bytes([value]) for value in range(256)]
UNICODE = st.text(st.characters(exclude_categories=["Cs"]))


@given(UNICODE)
def test_any_text_comes_back_whole(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("pattern", ["gpt2", "cl100k", "qwen2"])
def test_every_declaration_in_every_script_comes_back_whole(declarations, pattern):
    texts = [text[:200] for text in declarations[::20]]
    tokenizer = Tokenizer(train(texts, vocab_size=600, pattern=pattern), pattern=pattern)
    assert len(declarations) == 523
    for text in declarations:
        assert tokenizer.decode(tokenizer.encode(text)) == text


@given(UNICODE)
def test_token_bytes_join_to_the_text(tokenizer, text):
    ids = tokenizer.encode(text)
    assert b"".join(map(tokenizer.token_bytes, ids)) == text.encode()
    assert sum(tokenizer.n_bytes_by_id[id] for id in ids) == len(text.encode())


@given(st.lists(st.sampled_from([*SPECIAL, "<|", "end", "|>", "<|end", " "])).map("".join))
def test_no_text_ever_yields_a_special_id(tokenizer, text):
    ids = tokenizer.encode(text)
    assert not set(ids) & set(tokenizer.special.values())
    assert tokenizer.decode(ids, skip_special=True) == text


def test_special_ids_follow_the_text_ids(tokenizer):
    assert list(tokenizer.special) == ["<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    assert list(tokenizer.special.values()) == [316, 317, 318, 319]
    assert (tokenizer.vocab_size, tokenizer.end_id) == (320, 316)


def test_decode_shows_or_skips_special_tokens(tokenizer):
    ids = [*tokenizer.encode("hi"), tokenizer.end_id]
    assert tokenizer.decode(ids) == "hi<|end|>"
    assert tokenizer.decode(ids, skip_special=True) == "hi"
    assert tokenizer.token_bytes(tokenizer.end_id) == b"<|end|>"
    assert tokenizer.n_bytes_by_id[tokenizer.end_id] == 0


def test_half_a_character_decodes_to_the_replacement_character():
    tokenizer = Tokenizer(BYTES)
    assert tokenizer.decode(tokenizer.encode("é")[:1]) == "\ufffd"


def test_lone_surrogates_become_the_replacement_character(tokenizer):
    assert tokenizer.decode(tokenizer.encode("a\ud800b")) == "a\ufffdb"


def test_batches_equal_single_texts(tokenizer):
    texts = ["", "The theory", "Всё течёт", "<|end|>"] * 20
    assert tokenizer.encode_batch(texts, workers=2) == [tokenizer.encode(text) for text in texts]


@pytest.mark.parametrize("id", [-1, 320, 10**9])
def test_an_id_outside_the_vocabulary_is_an_error(tokenizer, id):
    with pytest.raises(DataError, match="outside the vocabulary of 320"):
        tokenizer.decode([id])


def test_ids_from_numpy_decode(tokenizer):
    assert tokenizer.decode(np.asarray(tokenizer.encode("thing"), dtype=np.uint16)) == "thing"


def test_a_million_spaces_are_encoded_without_a_crash(tokenizer):
    text = "x" + " " * (20 * MAX_RUN) + "x"
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_save_and_load_give_an_equal_tokenizer_and_equal_bytes(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "a.json")
    loaded = Tokenizer.load(tmp_path / "a.json")
    loaded.save(tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert loaded.encode("The theory of 世界") == tokenizer.encode("The theory of 世界")
    assert (loaded.special, loaded.pattern) == (tokenizer.special, tokenizer.pattern)


@pytest.mark.parametrize("pattern", ["gpt2", "cl100k", "qwen2"])
def test_hugging_face_loads_the_file_and_gives_the_same_ids(declarations, tmp_path, pattern):
    texts = [text[:1500] for text in declarations[::4]]
    ours = Tokenizer(train(texts, vocab_size=2048, pattern=pattern), pattern=pattern)
    ours.save(tmp_path / "tokenizer.json")
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in texts:
        ids = ours.encode(text)
        assert theirs.encode(text).ids == ids
        assert theirs.decode(ids) == text


@settings(max_examples=200)
@given(text=UNICODE)
def test_hugging_face_gives_the_same_ids_for_any_text(tokenizer, hugging_face, text):
    assert hugging_face.encode(text).ids == tokenizer.encode(text)


def test_hugging_face_knows_the_same_special_tokens(tokenizer, hugging_face):
    assert hugging_face.get_vocab_size() == tokenizer.vocab_size
    for text, id in tokenizer.special.items():
        assert hugging_face.token_to_id(text) == id
        assert hugging_face.encode(f"hi{text}").ids == [*tokenizer.encode("hi"), id]
        assert hugging_face.decode([*tokenizer.encode("hi"), id]) == "hi"


def test_hugging_face_agrees_on_special_text_that_is_ordinary(tokenizer, hugging_face):
    hugging_face.encode_special_tokens = True
    assert hugging_face.encode("a<|end|>b").ids == tokenizer.encode("a<|end|>b")


@pytest.fixture(scope="module")
def hugging_face(tokenizer, tmp_path_factory):
    path = tmp_path_factory.mktemp("hf") / "tokenizer.json"
    tokenizer.save(path)
    return tokenizers.Tokenizer.from_file(str(path))


def test_a_missing_file_is_an_artifact_error(tmp_path):
    with pytest.raises(ArtifactError, match="there is no tokenizer"):
        Tokenizer.load(tmp_path / "tokenizer.json")


@pytest.mark.parametrize(
    "damage",
    [
        lambda value: value["model"]["vocab"].popitem(),
        lambda value: value.pop("model"),
        lambda value: value["pre_tokenizer"].update(add_prefix_space=True),
        lambda value: value["model"]["vocab"].update({"日": 5000}),
    ],
)
def test_another_kind_of_tokenizer_is_refused(tokenizer, tmp_path, damage):
    path = tmp_path / "tokenizer.json"
    tokenizer.save(path)
    value = json.loads(path.read_bytes())
    damage(value)
    path.write_text(json.dumps(value))
    with pytest.raises(ArtifactError) as caught:
        Tokenizer.load(path)
    assert caught.value.hint


def test_a_file_that_is_not_json_is_refused(tmp_path):
    (tmp_path / "tokenizer.json").write_bytes(b"{\xff")
    with pytest.raises(ArtifactError, match="not a tokenizer"):
        Tokenizer.load(tmp_path / "tokenizer.json")


@pytest.mark.parametrize("tokens", [BYTES[1:], [*BYTES, b"ab", b"ab"], BYTES[::-1]])
def test_a_vocabulary_that_is_not_bytes_then_merges_is_refused(tokens):
    with pytest.raises(ConfigError):
        Tokenizer(tokens)
