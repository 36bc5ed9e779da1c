from collections import Counter

import pytest

from groundup.instruct.catalogue import Entry
from groundup.instruct.docstrings import read_docstring
from groundup.instruct.pydoc_pages import ApiObject
from groundup.instruct.reading import ask_read, neighbours
from groundup.instruct.signatures import parse_signature

RICH = "Return the {i}th name. It is short.\n\nNames are kept in a list.\n\nNote that {i} is large."
POOR = "Return the {i}th name."


def entries(doc: str, count: int = 200) -> list[Entry]:
    parsed = parse_signature("(self, index, default=None)")
    assert parsed is not None
    found = []
    for i in range(count):
        name = f"m.C{i // 10}.name{i}"
        item = ApiObject(
            name, "m", "method", parsed[0], read_docstring(doc.format(i=i), f"name{i}")
        )
        found.append(Entry(item, name, "train", f"Class of group {i // 10} with names."))
    return found


def ask_all(doc: str, max_chars: int = 440):
    asked = entries(doc)
    near = neighbours(asked)
    return [ask_read(entry, near, 1, max_chars=max_chars) for entry in asked]


@pytest.mark.parametrize("doc", [RICH, POOR])
@pytest.mark.parametrize("max_chars", [140, 440])
def test_the_answer_is_in_the_prompt_and_the_prompt_is_short(doc, max_chars):
    for reading in ask_all(doc, max_chars):
        prompt = reading.example.messages[0].content
        assert reading.example.answer in prompt
        assert len(prompt) <= max_chars


def test_most_contexts_have_something_to_leave_out():
    for doc, least in ((RICH, 200), (POOR, 150)):
        readings = ask_all(doc)
        assert sum(reading.extra_chars >= 20 for reading in readings) >= least


def test_the_summary_is_not_always_the_first_thing_after_the_signature():
    shares = Counter(reading.answer_first for reading in ask_all(RICH))
    assert 0.25 < shares[False] / 200 < 0.55  # the share asked for is 0.4


def test_the_question_stands_before_and_after_the_text():
    firsts = Counter(
        reading.example.messages[0].content.startswith(("What", "In one"))
        for reading in ask_all(POOR)
    )
    assert set(firsts) == {True, False}


def test_what_does_not_fit_is_not_asked():
    assert all(reading is None for reading in ask_all(POOR, max_chars=30))


def test_neighbours_are_of_the_same_class_and_split():
    asked = entries(POOR, 40)
    asked = [
        Entry(e.object, e.group, "heldout" if i % 3 == 0 else "train", "")
        for i, e in enumerate(asked)
    ]
    splits = {entry.object.name: entry.split for entry in asked}
    near = neighbours(asked)
    assert len(near) == 40
    for name, other in near.items():
        assert other.object.name != name
        assert other.object.parent == name.rpartition(".")[0]
        assert other.split == splits[name]
