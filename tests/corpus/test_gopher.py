"""Each rule at its threshold in the paper: Rae et al. 2021, arXiv 2112.11446, appendix A.1.1."""

import pytest

from groundup.corpus.config import RULES, GopherLimits
from groundup.corpus.quality import gopher
from groundup.corpus.verdict import TextView, first_failure

PROSE = "the man and the dog went to town "  # 8 words, 2 or more stop words


def judge(text, language="en", **limits):
    limits = GopherLimits(**limits)
    return first_failure(gopher.RULES, TextView(text, language), limits, lambda rule: True)


def text_of(n_words, word="town"):
    return "the and " + " ".join([word] * (n_words - 2))


def test_rules_come_in_the_order_of_the_funnel():
    names = [rule.name for rule in gopher.RULES]
    assert names == [name for name in RULES if name.startswith("gopher.")]


@pytest.mark.parametrize(
    ("rule", "kept", "dropped", "value"),
    [
        ("gopher.min_words", text_of(50), text_of(49), 49),
        ("gopher.max_words", text_of(100_000), text_of(100_001), 100_001),
        # 60 words of 3 letters keep; of 2 letters and two stop words of 3: (58*2 + 6) / 60
        (
            "gopher.min_mean_word_length",
            "the and " + "cat " * 58,
            "the and " + "ca " * 58,
            round(122 / 60, 4),
        ),
        # two of 3 letters and 98 of 10 stay below 10; 98 of 11 give (6 + 1078) / 100
        (
            "gopher.max_mean_word_length",
            "the and " + "a123456789 " * 98,
            "the and " + "a1234567890 " * 98,
            10.84,
        ),
        # 100 words: 10 hash signs are 0.1 each word, 11 are too many
        (
            "gopher.symbols",
            "the and " + "c# " * 10 + "town " * 88,
            "the and " + "c# " * 11 + "town " * 87,
            0.11,
        ),
        # 10 lines: 9 bullets are 90 %, 10 are too many
        (
            "gopher.bullet_lines",
            ("• the people and the animals went to town\n" * 9) + "the other man and the other dog",
            "• the people and the animals went to town\n" * 10,
            1.0,
        ),
        # 10 lines: 3 end in an ellipsis, then 4
        (
            "gopher.ellipsis_lines",
            (PROSE + "...\n") * 3 + (PROSE + "\n") * 7,
            (PROSE + "…\n") * 4 + (PROSE + "\n") * 6,
            0.4,
        ),
        # 100 words: 80 with a letter, then 79
        (
            "gopher.alphabetic_words",
            text_of(80) + " 1234" * 20,
            text_of(79) + " 1234" * 21,
            0.79,
        ),
        ("gopher.stop_words", "the and " + "town " * 58, "the the " + "town " * 58, 1),
    ],
)
def test_a_text_at_the_limit_stays_and_one_beyond_goes(rule, kept, dropped, value):
    assert judge(kept) is None
    verdict = judge(dropped)
    assert (verdict.rule, verdict.value) == (rule, value)


def test_stop_words_are_asked_of_english_only():
    german = "Der Hund und die Katze gehen heute in die Stadt zurück " * 6
    assert judge(german, "de") is None
    assert judge(german, "en").rule == "gopher.stop_words"


def test_stop_words_count_with_capitals_and_punctuation():
    assert judge("The end, (and) " + "town " * 58) is None


def test_a_rule_that_is_off_says_nothing():
    limits = GopherLimits()
    assert first_failure(gopher.RULES, TextView("x"), limits, lambda rule: False) is None


def test_limits_come_from_the_config():
    assert judge(text_of(49), min_words=49) is None
