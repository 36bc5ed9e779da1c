"""Lists of merges that no training made; Hugging Face `tokenizers` says what they give."""

from itertools import product

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers

from groundup.tokens.merges import not_by_rank
from groundup.tokens.tokenizer import Tokenizer

TEXTS = ["".join(letters) for n in range(1, 7) for letters in product("abc", repeat=n)]


@st.composite
def merge_lists(draw):
    """Pairs of tokens in any order, each token with one or several of its pairs."""
    known, merges = ["a", "b", "c"], []
    for _ in range(draw(st.integers(1, 6))):
        pair = (draw(st.sampled_from(known)), draw(st.sampled_from(known)))
        made = "".join(pair)
        if len(made) <= 5 and pair not in merges and made not in known[:-1]:
            merges.append(pair)
            known += [made] if made not in known else []
    return merges


def both(merges, whole_first):
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    written = [*alphabet, *dict.fromkeys(left + right for left, right in merges)]
    vocab = {token: id for id, token in enumerate(written)}
    model = models.BPE(vocab=vocab, merges=merges, ignore_merges=whole_first)
    theirs = tokenizers.Tokenizer(model)
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    ids = [(vocab[left], vocab[right], vocab[left + right]) for left, right in merges]
    return theirs, ids, vocab


@pytest.mark.parametrize("whole_first", [False, True])
@settings(max_examples=150)
@given(merges=merge_lists())
def test_what_is_accepted_gives_hugging_faces_ids(tmp_path_factory, whole_first, merges):
    theirs, ids, vocab = both(merges, whole_first)
    if not_by_rank(ids, letters(vocab), whole_first=whole_first) is not None:
        return
    path = tmp_path_factory.mktemp("merges") / "tokenizer.json"
    theirs.save(str(path))
    ours = Tokenizer.load(path)
    for text in TEXTS:
        assert ours.encode(text) == theirs.encode(text).ids, text


def letters(vocab):
    return {token.encode(): id for token, id in vocab.items() if set(token) <= set("abc")}


@settings(max_examples=150)
@given(merges=merge_lists())
def test_one_pair_for_each_token_is_refused_only_for_a_reason(merges):
    theirs, ids, vocab = both(merges, whole_first=False)
    odd = not_by_rank(ids, letters(vocab), whole_first=False)
    if odd is not None and len({result for _, _, result in ids}) == len(ids):
        token = next(token for token, id in vocab.items() if id == odd)
        assert theirs.encode(token).ids != [odd]  # its own bytes do not merge to it


def test_a_merge_that_an_earlier_one_prevents_is_found():
    # `ab` comes first, so the bytes of `abc` never become `a` and `bc`
    _, ids, vocab = both([("a", "b"), ("b", "c"), ("a", "bc")], whole_first=False)
    assert not_by_rank(ids, letters(vocab), whole_first=False) == vocab["abc"]
    _, ids, vocab = both([("a", "b"), ("b", "c"), ("ab", "c")], whole_first=False)
    assert not_by_rank(ids, letters(vocab), whole_first=False) is None


def test_of_equal_merges_the_leftmost_comes_first():
    # three a become aa and a, not a and aa
    for pair, is_good in ((("aa", "a"), True), (("a", "aa"), False)):
        _, ids, vocab = both([("a", "a"), pair], whole_first=False)
        assert (not_by_rank(ids, letters(vocab), whole_first=False) is None) is is_good


def test_whole_pieces_first_takes_every_pair_of_a_token():
    every = [("a", "b"), ("b", "c"), ("ab", "c"), ("a", "bc")]
    _, ids, vocab = both(every, whole_first=True)
    assert not_by_rank(ids, letters(vocab), whole_first=True) is None
    assert not_by_rank(ids, letters(vocab), whole_first=False) == vocab["abc"]
