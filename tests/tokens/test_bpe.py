from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from groundup.core.errors import ConfigError
from groundup.tokens.bpe import train
from groundup.tokens.split import MAX_RUN
from groundup.tokens.tokenizer import Tokenizer

N_SPECIAL = 4
# few letters, so that ties and overlapping pairs such as `aaa` are common
REPETITIVE = st.lists(st.text(alphabet="ab é\n1'!", max_size=30), min_size=1, max_size=5)


@pytest.mark.parametrize("pattern", ["gpt2", "cl100k", "qwen2"])
@settings(max_examples=60)
@given(texts=REPETITIVE)
@example(texts=["11\n "])  # tiktoken's own cl100k cuts this differently from the published one
def test_vocabulary_and_ids_equal_the_slow_reference(reference, pattern, texts):
    merges = reference.train(texts, 30, pattern)
    tokens = train(texts, vocab_size=256 + len(merges) + N_SPECIAL, pattern=pattern)
    assert tokens == reference.token_bytes(merges)
    tokenizer = Tokenizer(tokens, pattern=pattern)
    for text in texts:
        assert tokenizer.encode(text) == reference.encode(text, merges, pattern)


@pytest.mark.parametrize("pattern", ["gpt2", "cl100k", "qwen2"])
def test_real_text_in_many_scripts_gives_the_reference_vocabulary(reference, declarations, pattern):
    texts = [text[:300] for text in declarations[::30]]
    merges = reference.train(texts, 60, pattern)
    tokens = train(texts, vocab_size=256 + 60 + N_SPECIAL, pattern=pattern)
    assert tokens == reference.token_bytes(merges)
    tokenizer = Tokenizer(tokens, pattern=pattern)
    assert [tokenizer.encode(text) for text in texts] == [
        reference.encode(text, merges, pattern) for text in texts
    ]


def test_ties_go_to_the_lowest_ids():
    # each pair of neighbours occurs twice; (a, b) has lower ids than (c, d) and (y, z)
    tokens = train(["yz", "yz", "cd", "cd", "ab", "ab"], vocab_size=263, pattern="gpt2")
    assert tokens[256:] == [b"ab", b"cd", b"yz"]


def test_a_vocabulary_larger_than_the_corpus_allows_says_the_largest_possible():
    texts = ["hello", "hello"]  # he, hel, hell, hello: four merges and no pair is left
    with pytest.raises(ConfigError, match="4 merges") as caught:
        train(texts, vocab_size=300, pattern="gpt2")
    assert "264" in caught.value.hint
    assert len(train(texts, vocab_size=264, pattern="gpt2")) == 260


def test_the_smallest_vocabulary_is_the_bytes():
    tokens = train(["hello"], vocab_size=260, pattern="gpt2")
    assert tokens == [bytes([value]) for value in range(256)]


def test_a_million_spaces_are_learned_from_without_a_crash():
    text = "x" + " " * (10 * MAX_RUN) + "x"
    assert train([text], vocab_size=262, pattern="gpt2")[256:] == [b"  ", b"    "]


def test_an_iterator_is_refused_for_it_could_not_be_read_twice():
    with pytest.raises(TypeError, match="twice"):
        train(iter(["hello"]), vocab_size=260, pattern="gpt2")


def test_more_text_than_32_bits_can_count_is_learned_from_divided_counts():
    # 64 times the same text: divided by any power of two up to 64 the counts are as in the text
    once = "the theory of the thing is that the other thing is thin\n"
    learned = train([once] * 64, vocab_size=275, pattern="gpt2", max_text_bytes=2 * len(once))
    assert learned == train([once], vocab_size=275, pattern="gpt2")


def test_more_pieces_than_fit_change_the_vocabulary_little(caplog):
    random = Random(1)
    words = [f" {stem}{end}" for stem in ("think", "walk", "talk") for end in ("ing", "ed", "er")]
    noise = ("".join(random.choices("bcdfghjklmnpqrstvwxz", k=8)) for _ in range(30_000))
    texts = ["".join((*random.choices(words, k=4), " ", rare)) for rare in noise]
    exact = train(texts, vocab_size=300, pattern="gpt2")
    with caplog.at_level("INFO"):
        bounded = train(texts, vocab_size=300, pattern="gpt2", max_pieces_bytes=30_000)
    assert "are sampled" in caplog.text
    assert len(set(exact) & set(bounded)) >= 295
    assert bounded == train(texts, vocab_size=300, pattern="gpt2", max_pieces_bytes=30_000)
