import pytest

from groundup.core.records import Example, Message
from groundup.evaluate.answers import Answer, choose, fits, read_answers, write_answers
from groundup.tokens.tokenizer import Tokenizer


def questions(task, count):
    return [Example(f"{task}-{i}", task, (Message("user", "?"),), "x") for i in range(count)]


def test_the_choice_of_questions_depends_on_neither_order_nor_other_tasks():
    a, b = questions("a", 30), questions("b", 30)
    alone = {q.id for q in choose(a, task="a", count=10, seed=1)}
    mixed = {q.id for q in choose([*b, *reversed(a)], task="a", count=10, seed=1)}
    assert alone == mixed
    assert len(alone) == 10
    assert {q.id for q in choose(a, task="a", count=10, seed=2)} != alone


def test_a_larger_choice_holds_the_smaller_one():
    asked = questions("a", 30)
    small = {q.id for q in choose(asked, task="a", count=5, seed=1)}
    assert small < {q.id for q in choose(asked, task="a", count=12, seed=1)}
    assert len(choose(asked, task="a", count=99, seed=1)) == 30


@pytest.mark.parametrize(("context", "expected"), [(13, True), (12, False)])
def test_a_question_fits_when_its_answer_does(context, expected):
    tokenizer = Tokenizer([bytes([value]) for value in range(256)])
    asked = Example("1", "a", (Message("user", "?"),), "x")
    # marker, one byte, marker: 3 tokens of prompt
    assert fits(tokenizer, asked, 10, context) is expected


def test_answers_survive_the_disk(tmp_path):
    answer = Answer("1", "a", "g", "f1", "sft", "<|user|>é", "x", "y\nz", 3, True, 0.5, 0.0, 0.5)
    path = tmp_path / "answers.jsonl"
    assert read_answers(path) == []
    write_answers(path, [answer, answer])
    assert read_answers(path) == [answer, answer]
