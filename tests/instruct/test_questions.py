import json

import pytest

from groundup.instruct import questions
from groundup.instruct.catalogue import Entry
from groundup.instruct.docstrings import read_docstring
from groundup.instruct.pydoc_pages import ApiObject
from groundup.instruct.signatures import parse_signature


def entry(signature: str = "(self, a, b, c=None, *rest, d='x', e, **others)") -> Entry:
    parsed = parse_signature(signature)
    assert parsed is not None
    doc = read_docstring("Do the thing well.", "run")
    return Entry(ApiObject("m.C.run", "m", "method", parsed[0], doc), "m.C.run", "train", "")


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], "none"),
        (["a"], "a"),
        (["a", "b"], "a and b"),
        (["a", "b", "c"], "a, b and c"),
    ],
)
def test_names_are_joined_as_a_person_would(names, text):
    assert questions.join_names(names) == text


def test_the_three_listings_of_one_signature():
    assert questions.ask_args(entry(), 1).answer == "a, b, c, d and e"
    assert json.loads(questions.ask_json(entry(), 1).answer) == ["a", "b", "c", "d", "e"]
    assert questions.ask_must(entry(), 1).answer == "a, b and e"
    assert questions.ask_must(entry("(self, a=1)"), 1).answer == "none"


def test_every_prompt_shows_name_and_signature_but_recall():
    shown = "C.run(self, a, b, c=None, *rest, d='x', e, **others)"
    for ask in (questions.ask_args, questions.ask_json, questions.ask_must):
        example = ask(entry(), 1)
        assert shown in example.messages[0].content
        assert example.grader == "exact"
    recall = questions.ask_recall(entry(), 1)
    assert "m.C.run" in recall.messages[0].content
    assert "(" not in recall.messages[0].content
    assert (recall.answer, recall.grader) == ("Do the thing well.", "f1")


def test_defaults_and_presence():
    item = entry()
    signature = item.object.signature
    assert signature is not None
    d = next(p for p in signature.parameters if p.name == "d")
    assert questions.ask_default(item, d, 1).answer == "'x'"
    assert questions.ask_has(item, "c", 1).answer == "yes"
    assert questions.ask_has(item, "self", 1).answer == "no"
    assert questions.ask_has(item, "rest", 1).answer == "no"


def test_wordings_vary_with_the_object_and_must_has_its_own():
    prompts = {}
    for task, ask in (("args", questions.ask_args), ("must", questions.ask_must)):
        prompts[task] = set()
        for i in range(50):
            item = entry()
            named = ApiObject(f"m.f{i}", "m", "function", item.object.signature, item.object.doc)
            text = ask(Entry(named, "g", "train", ""), 1).messages[0].content
            prompts[task].add(text.replace(f"f{i}(", "f("))
    assert len(prompts["args"]) == 3
    assert len(prompts["must"]) == 1
    assert not prompts["args"] & prompts["must"]
