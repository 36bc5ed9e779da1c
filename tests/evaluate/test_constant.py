import pytest

from groundup.core.records import Example, Message
from groundup.evaluate.constant import best_constant, most_frequent


def questions(*answers):
    return [
        Example(f"{i}", "t", (Message("user", "?"),), answer, grader="exact")
        for i, answer in enumerate(answers)
    ]


def test_most_frequent_answer_is_marked_on_the_questions():
    found = most_frequent(["no", "no", "yes"], questions("yes", "yes", "no", "yes"))
    assert found is not None
    assert found.answer == "no"
    assert found.train_fraction == pytest.approx(2 / 3)
    assert found.reward == 0.25


def test_best_constant_is_chosen_in_hindsight():
    found = best_constant(["no", "no", "yes"], questions("yes", "yes", "no", "yes"))
    assert found is not None
    assert (found.answer, found.reward) == ("yes", 0.75)


def test_ties_between_common_answers_are_settled_by_the_alphabet():
    found = most_frequent(["b", "a"], questions("a"))
    assert found is not None
    assert found.answer == "a"


def test_without_training_answers_there_is_no_constant():
    assert most_frequent([], questions("x")) is None
    assert best_constant([], questions("x")) is None
