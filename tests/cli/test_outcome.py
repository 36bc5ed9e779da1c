from groundup.cli.outcome import _print_answers
from groundup.evaluate.answers import Answer


def answer(model, text):
    return Answer(
        id="q1", task="args", group="g", grader="exact", model=model, prompt="List f(a).",
        reference="a", answer=text, tokens=2, stopped=True, f1=1.0, exact=1.0, reward=1.0,
    )  # fmt: skip


def test_answers_of_all_models_stand_beside_the_right_one(capsys):
    _print_answers([answer("foundation", "The [b] list"), answer("sft", "a")])
    shown = capsys.readouterr().out
    assert "List f(a)." in shown
    assert "The [b] list" in shown
    assert "right answer" in shown
