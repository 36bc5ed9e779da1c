import pytest

from groundup.evaluate.grade import exact_match, grade, token_f1


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        # By hand after SQuAD: bags of lower-case words, no articles, no punctuation.
        ("The cat sat.", "a cat sat", 1.0),
        ("cat", "the black cat", 2 * 1 * 0.5 / 1.5),  # precision 1, recall 1/2
        ("cat cat dog", "cat dog dog", 2 / 3),  # bag overlap 2 of 3 on both sides
        ("fish", "cat", 0.0),
        ("", "cat", 0.0),
        ("the", "a", 1.0),  # nothing left on either side: SQuAD 2.0 calls that equal
        ("Return-value", "returnvalue", 1.0),  # punctuation goes without leaving a space
    ],
)
def test_token_f1_equals_squad_by_hand(answer, reference, expected):
    assert token_f1(answer, reference) == pytest.approx(expected)


def test_token_f1_is_symmetric_in_its_value():
    assert token_f1("one two three", "two three four five") == token_f1(
        "two three four five", "one two three"
    )


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        ("x and y", " x  and\ny ", 1.0),
        ("a", "the", 0.0),  # an argument called `a` is a name, not an article
        ("_x", "x", 0.0),
        ("X", "x", 0.0),
        ('["x","y"]', '["x", "y"]', 1.0),
        ('["y", "x"]', '["x", "y"]', 0.0),
        ('["x"', '["x"]', 0.0),
        ("[x]", '["x"]', 0.0),
        ('["x"]', "x", 0.0),
        ("[" * 100_000, '["x"]', 0.0),  # deep nesting is no answer, and no crash
    ],
)
def test_exact_match_compares_names_to_the_letter_and_lists_as_lists(answer, reference, expected):
    assert exact_match(answer, reference) == expected


def test_reward_of_an_f1_task_is_f1_when_the_answer_ended():
    marks = grade("cat", "the black cat", grader="f1", stopped=True)
    assert marks.reward == marks.f1 == pytest.approx(2 / 3)
    assert marks.exact == 0.0


def test_reward_of_an_exact_task_is_the_mean_of_both_marks():
    assert grade("x", "x and y", grader="exact", stopped=True).reward == pytest.approx(
        (2 * (1 / 3) / (4 / 3)) / 2
    )
    assert grade("x and y", "x and y", grader="exact", stopped=True).reward == 1.0


def test_an_answer_that_did_not_end_earns_nothing():
    marks = grade("x", "x", grader="exact", stopped=False)
    assert (marks.exact, marks.reward) == (1.0, 0.0)


def test_an_unknown_grader_is_refused():
    with pytest.raises(ValueError, match="bleu"):
        grade("x", "x", grader="bleu", stopped=True)
