"""Levels of n-grams: edges by hand; the oracles are in test_repetition."""

import pytest

from groundup.corpus.ngrams import Ngrams


def test_no_words_have_no_fraction():
    assert Ngrams([]).repeated_fraction(5) is None
    assert Ngrams([]).top_fraction(2) is None


def test_fewer_words_than_the_length_repeat_nothing():
    few = Ngrams(["a", "a"])
    assert few.repeated_fraction(10) == 0.0
    assert few.top_fraction(4) == 0.0


def test_one_word_over_and_over_is_all_repeats_but_the_first():
    assert Ngrams(["ab"] * 10).repeated_fraction(1) == pytest.approx(0.9)
    assert Ngrams(["ab"] * 10).top_fraction(2) == 1.0  # 9 overlapping pairs, held at 1


def test_levels_may_be_asked_in_any_order():
    words = list("abcabcabd")
    up, down = Ngrams(words), Ngrams(words)
    rising = [up.repeated_fraction(length) for length in range(1, 6)]
    falling = [down.repeated_fraction(length) for length in range(5, 0, -1)]
    assert rising == falling[::-1]
