"""Rules of C4, each by a hand-made case: Raffel et al. 2020, arXiv 1910.10683v4, section 2.2."""

import pytest

from groundup.corpus.config import LINE_RULES, C4Limits
from groundup.corpus.quality import c4

LIMITS = C4Limits(blocked_words=("Darn",))


def only(*names):
    return lambda rule: rule in names


@pytest.mark.parametrize(
    ("rule", "kept", "dropped", "value"),
    [
        ("c4.curly_bracket", "f(x) [y]", "if (x) { y; }", 1),
        ("c4.lorem_ipsum", "lorem and ipsum", "Lorem Ipsum dolor", 1),
        ("c4.blocked_words", "darning socks", "well, DARN it", "darn"),
    ],
)
def test_pages_with_marks_of_no_prose_go(rule, kept, dropped, value):
    assert c4.drop_reason(kept, LIMITS, only(rule)) is None
    verdict = c4.drop_reason(dropped, LIMITS, only(rule))
    assert (verdict.rule, verdict.value) == (rule, value)
    assert c4.drop_reason(dropped, LIMITS, only()) is None


@pytest.mark.parametrize(
    ("rule", "line", "left"),
    [
        ("c4.line_terminal_mark", "Menu of the day", ""),
        ("c4.line_terminal_mark", "It was good and so on...", ""),
        ("c4.line_terminal_mark", 'He said "yes"', 'He said "yes"'),
        ("c4.line_terminal_mark", "It was good!", "It was good!"),
        ("c4.line_words", "only four words here", ""),
        ("c4.line_words", "these are five good words", "these are five good words"),
        ("c4.line_javascript", "Please enable JavaScript to go on.", ""),
        ("c4.line_policy", "Read our Privacy Policy now.", ""),
        ("c4.line_policy", "This site uses cookies.", ""),
        ("c4.citations", "It is so.[12] Sure[citation needed].[edit]", "It is so. Sure."),
    ],
)
def test_lines_and_marks_are_taken_out(rule, line, left):
    assert rule in LINE_RULES
    assert c4.clean_lines(line, LIMITS, only(rule)) == left
    assert c4.clean_lines(line, LIMITS, only()) == line


def test_lines_taken_out_leave_paragraphs_apart():
    text = "One good line stays here.\n\nmenu\n\nAnother good line stays here."
    left = c4.clean_lines(text, LIMITS, only("c4.line_words"))
    assert left == "One good line stays here.\n\nAnother good line stays here."


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One. Two! Three?", 3),
        ('He said "no." Then left.', 2),
        ("Version 3.11 is out", 0),
        ("これは本です。読みます。", 2),
        ("Wait... what?", 2),
    ],
)
def test_sentences_are_counted_by_their_ends(text, count):
    assert c4.count_sentences(text) == count


def test_three_sentences_are_enough():
    rule = only("c4.sentences")
    assert c4.too_few_sentences("A b. C d. E f.", LIMITS, rule) is None
    verdict = c4.too_few_sentences("A b. C d.", LIMITS, rule)
    assert (verdict.rule, verdict.value, verdict.limit) == ("c4.sentences", 2, 3)


def test_a_million_dots_are_counted_in_linear_time():
    assert c4.count_sentences("." * 1_000_000 + "x") == 0
    assert c4.count_sentences("Wait" + "." * 1_000_000) == 1
