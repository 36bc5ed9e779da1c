import pytest

from groundup.evaluate.answers import Answer
from groundup.evaluate.cut import best_cut, cut_names


def answer(number, text, reference, *, stopped=True):
    return Answer(
        id=str(number),
        task="must",
        group=str(number),
        grader="exact",
        model="sft",
        prompt="",
        reference=reference,
        answer=text,
        tokens=1,
        stopped=stopped,
        f1=0.0,
        exact=float(text == reference),
        reward=0.0,
    )


@pytest.mark.parametrize(
    ("text", "k", "expected"),
    [
        ("a, b, c and d", 0, "none"),
        ("a, b, c and d", 1, "a"),
        ("a, b, c and d", 2, "a and b"),
        ("a, b, c and d", 3, "a, b and c"),
        ("a, b, c and d", 4, "a, b, c and d"),
        ("a, b, c and d", 9, "a, b, c and d"),
        ("a", 1, "a"),
        ("", 1, ""),
        ("standard and random", 1, "standard"),  # `and` inside a name is no border
    ],
)
def test_cut_keeps_the_first_names_in_the_same_form(text, k, expected):
    assert cut_names(text, k) == expected


def test_best_cut_is_the_one_that_earns_most_in_hindsight():
    answers = [
        answer(0, "a, b and c", "a and b"),
        answer(1, "d, e, f and g", "d and e"),
        answer(2, "h and i", "h"),
    ]
    cut = best_cut(answers)
    assert cut.k == 2
    assert [a.exact for a in cut.answers] == [1.0, 1.0, 0.0]
    assert cut.reward_by_k[2] == max(cut.reward_by_k.values())
    assert set(cut.reward_by_k) == {0, 1, 2, 3, 4}


def test_best_cut_never_earns_less_than_the_answers_uncut():
    answers = [answer(0, "a, b and c", "a, b and c"), answer(1, "d and e", "d and e")]
    assert best_cut(answers).reward_by_k[best_cut(answers).k] == 1.0


def test_a_cut_counts_as_an_end_but_an_uncut_answer_keeps_its_own():
    cut = best_cut([answer(0, "a, b, b, b, b", "a", stopped=False)])
    assert (cut.k, cut.answers[0].stopped, cut.answers[0].reward) == (1, True, 1.0)
    uncut = best_cut([answer(0, "a", "a", stopped=False)])
    assert (uncut.answers[0].stopped, uncut.answers[0].reward) == (False, 0.0)


def test_cutting_everything_is_tried_too():
    cut = best_cut([answer(0, "a and b", "none"), answer(1, "c and d", "none")])
    assert (cut.k, [a.exact for a in cut.answers]) == (0, [1.0, 1.0])
