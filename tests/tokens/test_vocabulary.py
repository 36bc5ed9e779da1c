"""Foreign vocabularies: Hugging Face `tokenizers` trains or loads them, and is the oracle."""

import json
from itertools import product

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, trainers

from groundup.core.errors import DataError
from groundup.core.records import Message
from groundup.tokens.chat import prompt_ids
from groundup.tokens.split import PUBLISHED
from groundup.tokens.tokenizer import Tokenizer
from groundup.tokens.tokenizer_json import UnknownFormat, to_json
from groundup.tokens.vocabulary import from_json

BYTES = [bytes([value]) for value in range(256)]
TEXT = st.text(
    st.characters(exclude_categories=["Cs"], max_codepoint=0x24F) | st.sampled_from("世界е́́")
)
FAMILIES = ["gpt2", "llama3", "qwen3"]


def pre_tokenizer(pattern):
    if pattern == "gpt2":
        return pre_tokenizers.ByteLevel(add_prefix_space=False)
    split = pre_tokenizers.Split(tokenizers.Regex(PUBLISHED[pattern]), "isolated")
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([split, level])


def train_theirs(texts, pattern, *, specials_first):
    """A vocabulary that Hugging Face learns; its byte ids are in GPT-2's order."""
    theirs = tokenizers.Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizer(pattern)
    theirs.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=900,
        special_tokens=["<|endoftext|>", "<|im_end|>"] if specials_first else [],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    theirs.train_from_iterator(texts, trainer)
    return theirs


def with_every_split(value):
    """As Llama 3 was converted: every pair that makes a token merges, and whole pieces go first."""
    vocab = value["model"]["vocab"]
    merges = []
    for token in sorted(vocab, key=vocab.get):
        splits = [(token[:i], token[i:]) for i in range(1, len(token))]
        merges += [[a, b] for a, b in splits if a in vocab and b in vocab]
    value["model"].update(merges=merges, ignore_merges=True)
    return value


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, declarations, tmp_path_factory):
    """Name, file, and Hugging Face's tokenizer of a small vocabulary in the shape of a family's."""
    texts = [text[:800] for text in declarations[::9]]
    path = tmp_path_factory.mktemp(request.param) / "tokenizer.json"
    if request.param == "gpt2":
        theirs = train_theirs(texts, "gpt2", specials_first=True)
        theirs.save(str(path))
        value = json.loads(path.read_bytes())
        value["model"]["merges"] = [" ".join(pair) for pair in value["model"]["merges"]]
    elif request.param == "llama3":
        theirs = train_theirs(texts, "cl100k", specials_first=False)
        theirs.add_special_tokens(["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"])
        theirs.save(str(path))
        value = with_every_split(json.loads(path.read_bytes()))
    else:
        theirs = train_theirs(texts, "qwen2", specials_first=False)
        theirs.normalizer = normalizers.NFC()
        theirs.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
        theirs.add_tokens([AddedToken("<think>", normalized=False, special=False)])
        theirs.save(str(path))
        value = json.loads(path.read_bytes())
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return request.param, path, tokenizers.Tokenizer.from_file(str(path))


def test_ids_of_many_scripts_equal_hugging_faces(family, declarations):
    _, path, theirs = family
    ours = Tokenizer.load(path)
    for text in declarations[::7]:
        ids = ours.encode(text)
        assert ids == theirs.encode(text, add_special_tokens=False).ids
        assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=False)


def test_ids_of_any_text_equal_hugging_faces(family):
    _, path, theirs = family
    ours = Tokenizer.load(path)

    @settings(max_examples=200)
    @given(TEXT)
    def compare(text):
        assert ours.encode(text) == theirs.encode(text, add_special_tokens=False).ids

    compare()


def test_every_id_has_hugging_faces_text_and_the_file_is_kept(family, tmp_path):
    _, path, theirs = family
    ours = Tokenizer.load(path)
    assert ours.vocab_size == theirs.get_vocab_size()
    for id in range(ours.vocab_size):
        assert ours.decode([id]) == theirs.decode([id], skip_special_tokens=False)
    ours.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


def test_ends_and_markers_of_a_family(family):
    name, path, theirs = family
    ours = Tokenizer.load(path)
    ends = {
        "gpt2": ["<|endoftext|>", "<|im_end|>"],
        "llama3": ["<|end_of_text|>", "<|eot_id|>"],
        "qwen3": ["<|endoftext|>", "<|im_end|>"],
    }[name]
    ids = [theirs.token_to_id(text) for text in ends]
    assert (ours.end_id, ours.stop_ids) == (ids[0], frozenset(ids))
    assert ours.special[ends[1]] == ids[1]
    assert not ours.has_markers
    with pytest.raises(DataError, match=r"no special token <\|user\|>") as caught:
        prompt_ids(ours, [Message("user", "hi")])
    assert caught.value.hint


def test_a_further_token_is_read_from_text_but_a_special_one_is_not(family):
    name, path, theirs = family
    ours = Tokenizer.load(path)
    if name == "qwen3":
        assert ours.encode("a<think>b") == theirs.encode("a<think>b").ids
        assert theirs.token_to_id("<think>") in ours.encode("a<think>b")
        assert ours.n_bytes_by_id[theirs.token_to_id("<think>")] == len("<think>")
    for text, id in ours.special.items():
        assert id not in ours.encode(f"a{text}b")
        assert ours.decode(ours.encode(f"a{text}b")) == f"a{text}b"


def test_our_own_markers_are_there():
    ours = Tokenizer(BYTES)
    assert ours.has_markers
    assert ours.stop_ids == frozenset(ours.special.values())
    assert ours.special_id("<|user|>") == 258


def test_more_special_tokens_take_the_last_ids(tmp_path):
    texts = ("<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>")
    Tokenizer(BYTES, special=texts).save(tmp_path / "tokenizer.json")
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    assert loaded.special == {text: 256 + index for index, text in enumerate(texts)}


def test_a_tokenizer_without_a_known_end_says_so(tmp_path):
    Tokenizer(BYTES, special=["<|stop|>"]).save(tmp_path / "tokenizer.json")
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    with pytest.raises(DataError, match=r"<\|stop\|>") as caught:
        _ = loaded.end_id
    assert "<|endoftext|>" in caught.value.hint


def test_a_gap_in_the_ids_stands_for_no_text(tmp_path):
    value = own()
    value["added_tokens"][0]["id"] = 300
    (tmp_path / "tokenizer.json").write_text(json.dumps(value))
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    assert (loaded.vocab_size, loaded.token_bytes(299), loaded.n_bytes_by_id[299]) == (301, b"", 0)


def own():
    return to_json([*BYTES, b"ab", b"abc"], {"<|end|>": 258}, "cl100k")


DAMAGES = {
    "not BPE": lambda value: value["model"].update(type="Unigram"),
    "sets byte_fallback": lambda value: value["model"].update(byte_fallback=True),
    "no token for the byte 0x41": lambda value: value["model"]["vocab"].pop("A"),
    "not written in byte characters": lambda value: value["model"]["vocab"].update({"日": 400}),
    "have the same id": lambda value: value["model"]["vocab"].update(ab=65),
    "not a whole number": lambda value: value["model"]["vocab"].update(ab=-1),
    "is not one of tokens": lambda value: value["model"]["merges"].append(["a", "x"]),
    "not in the order of their ids": lambda value: value["model"]["merges"].reverse(),
    "its normalizer is": lambda value: value.update(normalizer={"type": "NFKC"}),
    "its pre_tokenizer is none": lambda value: value["pre_tokenizer"]["pretokenizers"].pop(0),
    "cuts by none of": lambda value: value["pre_tokenizer"]["pretokenizers"][0].update(invert=True),
    "takes the space beside it": lambda value: value["added_tokens"][0].update(
        special=False, lstrip=True
    ),
    "KeyError": lambda value: value.pop("model"),
}


@pytest.mark.parametrize("says", DAMAGES)
def test_what_would_give_other_ids_is_refused(says):
    value = own()
    DAMAGES[says](value)
    with pytest.raises(UnknownFormat, match=says):
        from_json(value)


@pytest.mark.parametrize("value", [None, {}, [], {"model": {"vocab": {"€€": 0}}}])
def test_other_json_is_refused(value):
    with pytest.raises(UnknownFormat):
        from_json(value)


@pytest.mark.parametrize("pattern", PUBLISHED)
def test_what_is_written_is_read_back(pattern):
    tokens, special = [*BYTES, b"ab", b" a"], {"<|end|>": 258}
    read = from_json(json.loads(json.dumps(to_json(tokens, special, pattern))))
    assert read.tokens == [*tokens, b"<|end|>"]
    assert (read.special, read.pattern) == (special, pattern)
    assert list(read.ranks.items()) == [(token, id) for id, token in enumerate(tokens)]


def test_a_token_that_no_merge_makes_is_only_decoded(tmp_path):
    value = own()
    value["model"]["merges"].pop()
    (tmp_path / "tokenizer.json").write_text(json.dumps(value))
    ours = Tokenizer.load(tmp_path / "tokenizer.json")
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for letters in product("abc", repeat=4):
        text = "".join(letters)
        assert ours.encode(text) == theirs.encode(text).ids
    assert ours.decode([257]) == "abc"
