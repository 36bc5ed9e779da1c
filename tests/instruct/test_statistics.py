import pytest

from groundup.core.records import Example, Message
from groundup.instruct import statistics
from groundup.instruct.catalogue import Entry
from groundup.instruct.docstrings import read_docstring
from groundup.instruct.pydoc_pages import ApiObject
from groundup.instruct.questions import ask_must
from groundup.instruct.signatures import parse_signature


def example(about: str, answer: str, prompt: str = "?", group: str = "g") -> Example:
    return Example(about, about.partition("/")[0], (Message("user", prompt),), answer, group=group)


def test_the_best_constant_answer_and_its_score():
    found = statistics.best_constant(
        [example("dflt/a", "None"), example("dflt/b", "None"), example("dflt/c", "1")]
    )
    assert found == {"dflt": {"answer": "None", "exact": pytest.approx(2 / 3, abs=1e-4)}}


def test_first_names_score_by_hand():
    entries = {}
    for i, text in enumerate(["(a, b=1)", "(a, b, c=1)", "(a, b)", "(a=1)"]):
        parsed = parse_signature(text)
        assert parsed is not None
        item = ApiObject(f"m.f{i}", "m", "function", parsed[0], read_docstring("", "f"))
        entries[item.name] = Entry(item, item.name, "heldout", "")
    asked = [ask_must(entry, 1) for entry in entries.values()]
    assert statistics.first_names_scores(asked, entries, "must") == {
        "all": 0.25,  # (a, b)
        "first 0": 0.25,  # (a=1)
        "first 1": 0.25,  # (a, b=1)
        "first 2": 0.5,  # (a, b, c=1) and (a, b)
        "first 3": 0.25,  # (a, b), which has no third name
    }


def test_names_alone_are_judged_by_what_tuning_said_of_them():
    tuning = [example("has/f/x", "yes"), example("has/g/x", "yes"), example("has/h/y", "no")]
    heldout = [example("has/p/x", "yes"), example("has/q/y", "yes"), example("has/r/new", "no")]
    assert statistics.guess_by_name(tuning, heldout, "has") == pytest.approx(2 / 3, abs=1e-4)


def test_leaks_are_counted():
    tuning = [example("read/a", "One.", "p1", "g1"), example("read/b", "Two.", "p2", "g2")]
    heldout = [example("read/c", "One.", "p1", "g3"), example("read/d", "Three.", "p3", "g2")]
    assert statistics.leaks(tuning, heldout) == {
        "same_prompt": 1,
        "same_group": 1,
        "same_answer_fraction": {"read": 0.5},
    }
