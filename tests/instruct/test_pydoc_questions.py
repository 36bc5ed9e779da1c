import inspect
import json
import re
from collections import Counter

import pytest

from groundup.core.records import read_examples

TASKS = {"read", "args", "json", "dflt", "has", "recall", "must"}


def examples(out, split):
    return list(read_examples(out.path / f"{split}.jsonl"))


def test_every_task_is_asked_in_tuning_and_held_out(built):
    for split in ("train", "heldout"):
        assert {example.task for example in examples(built, split)} == TASKS
    assert built.summary["train"] == len(examples(built, "train")) > 1000
    assert built.summary["objects"] > 500


def test_nothing_held_out_is_seen_in_tuning(built):
    tuning = examples(built, "train") + examples(built, "validation")
    heldout = examples(built, "heldout")
    assert not {e.messages for e in tuning} & {e.messages for e in heldout}
    assert not {e.group for e in tuning} & {e.group for e in heldout}
    shown = "\n".join(e.messages[0].content for e in tuning)
    summaries = {e.answer for e in heldout if e.task in {"read", "recall"}}
    answers = {e.answer for e in tuning}
    assert summaries
    assert not summaries & answers
    # A summary is shown with its own object only, or beside another of its split.
    assert not [text for text in summaries if f"\n{text}\n" in shown]


def test_ids_are_unique_and_lengths_kept(built):
    for split in ("train", "validation", "heldout"):
        found = examples(built, split)
        assert len({e.id for e in found}) == len(found)
        assert all(len(e.messages[0].content) <= 440 for e in found)
        assert all(0 < len(e.answer) <= 160 for e in found)


def test_no_answer_without_understanding_scores_high(built):
    described = json.loads((built.path / "statistics.json").read_text("utf-8"))
    constant = described["heldout_best_constant"]
    assert constant["dflt"]["exact"] <= 0.25
    assert constant["has"]["exact"] == pytest.approx(0.5, abs=0.02)
    assert constant["args"]["exact"] <= 0.1
    assert max(described["heldout_must_by_first_names"].values()) < 0.6
    assert described["read"]["train"]["more_than_the_answer_fraction"] > 0.5
    assert described["heldout_in_tuning"]["same_prompt"] == 0


def test_questions_on_must_are_mostly_mixed(built):
    kinds = Counter(
        "none" if e.answer == "none" else "some"
        for e in examples(built, "train")
        if e.task == "must"
    )
    assert 0.05 < kinds["none"] / kinds.total() < 0.2


def test_every_answer_is_what_the_shown_signature_says(built):
    for example in examples(built, "heldout"):
        if example.task not in {"args", "must"}:
            continue
        text = example.messages[0].content
        shown = re.search(r"[\w.]+(\(.*\))", text)
        assert shown is not None
        if "<" in shown[1]:
            continue
        scope: dict[str, object] = {}
        plain = re.sub(r"(?<=[\w\]]): [^=,()]+(?=[=,)])", "", shown[1])
        try:
            exec(f"def f{plain}: ...", {"__builtins__": __builtins__}, scope)
        except (SyntaxError, NameError, AttributeError):
            continue
        names = [
            p.name
            for i, p in enumerate(inspect.signature(scope["f"]).parameters.values())
            if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
            and not (i == 0 and p.name in {"self", "cls"})
            and (example.task == "args" or p.default is p.empty)
        ]
        expected = re.split(", | and ", example.answer) if example.answer != "none" else []
        assert names == expected
