"""Repetition rules: hand-worked fractions, and a slow reading of the paper as oracle."""

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.corpus.config import RULES, RepetitionLimits
from groundup.corpus.quality import repetition
from groundup.corpus.quality.repetition import repeated_ngrams_fraction, top_ngram_fraction
from groundup.corpus.verdict import TextView, first_failure

MEASURES = {rule.name: rule.measure for rule in repetition.RULES}
PAPER = {  # Rae et al. 2021, arXiv 2112.11446, table A1
    "max_lines_fraction": 0.30,
    "max_paragraphs_fraction": 0.30,
    "max_line_chars_fraction": 0.20,
    "max_paragraph_chars_fraction": 0.20,
    "max_top_2gram_fraction": 0.20,
    "max_top_3gram_fraction": 0.18,
    "max_top_4gram_fraction": 0.16,
    "max_repeated_5grams_fraction": 0.15,
    "max_repeated_6grams_fraction": 0.14,
    "max_repeated_7grams_fraction": 0.13,
    "max_repeated_8grams_fraction": 0.12,
    "max_repeated_9grams_fraction": 0.11,
    "max_repeated_10grams_fraction": 0.10,
}


def test_limits_are_those_of_the_paper_and_each_has_its_rule():
    assert RepetitionLimits().model_dump() == PAPER
    assert [rule.limit for rule in repetition.RULES] == list(PAPER)
    names = [rule.name for rule in repetition.RULES]
    assert names == [name for name in RULES if name.startswith("repetition.")]


@pytest.mark.parametrize(
    ("rule", "text", "fraction"),
    [
        ("repetition.lines", "a\nb\na\nc\na", 2 / 5),
        ("repetition.line_chars", "aaaa\nbb\naaaa", 4 / 10),
        ("repetition.paragraphs", "a b\nc\n\nd\n\na b\nc", 1 / 3),
        ("repetition.paragraph_chars", "aaaa\n\nbb\n\naaaa", 4 / 10),
        # "to be" twice: 2 x 4 of the 15 letters of `to be or not to be`, less the blanks
        ("repetition.top_2gram", "to be or not to be", 8 / 13),
        ("repetition.top_3gram", "aa bb cc x aa bb cc", 12 / 13),
        ("repetition.top_4gram", "a b c d x a b c d", 8 / 9),
        ("repetition.repeated_5grams", "a b c d e x a b c d e", 5 / 11),
        ("repetition.repeated_6grams", "a b c d e x a b c d e", 0.0),
        ("repetition.repeated_10grams", " ".join("abcdefghij" * 2), 10 / 20),
    ],
)
def test_fractions_by_hand(rule, text, fraction):
    assert MEASURES[rule](TextView(text)) == pytest.approx(fraction)


def test_a_text_without_repeats_passes_and_the_first_failing_rule_is_named():
    limits = RepetitionLimits()
    clean = " ".join(map(str, range(200)))
    assert first_failure(repetition.RULES, TextView(clean), limits, lambda rule: True) is None
    verdict = first_failure(repetition.RULES, TextView("a\nb\na\na"), limits, lambda rule: True)
    assert (verdict.rule, verdict.value, verdict.limit) == ("repetition.lines", 0.5, 0.30)


def slow_repeated(words, length):
    """Marks every word of every n-gram that occurred before, then counts letters."""
    marked = [False] * len(words)
    for start in range(len(words) - length + 1):
        gram = words[start : start + length]
        if any(words[early : early + length] == gram for early in range(start)):
            marked[start : start + length] = [True] * length
    repeated = sum(len(word) for word, mark in zip(words, marked, strict=True) if mark)
    return repeated / sum(map(len, words))


@given(st.lists(st.sampled_from(["a", "bb", "ccc"]), min_size=1, max_size=40), st.integers(2, 6))
def test_repeated_ngrams_equal_the_slow_reading(words, length):
    got = repeated_ngrams_fraction(TextView(" ".join(words)), length)
    assert got == pytest.approx(slow_repeated(words, length))


def test_top_ngram_equals_counting_by_hand_on_random_text():
    words = random.Random(3).choices(["x", "yy", "zzz"], k=60)
    counts = Counter(pairwise(words))
    most = max(counts.values())
    chars = max(sum(map(len, gram)) for gram, n in counts.items() if n == most)
    expected = most * chars / sum(map(len, words))
    assert top_ngram_fraction(TextView(" ".join(words)), 2) == pytest.approx(expected)
