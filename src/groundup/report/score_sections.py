"""Sections on how good the models are: scores with intervals, and their answers side by side."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from groundup.core.artifact import Artifact
from groundup.report.blocks import (
    Answers,
    Block,
    Section,
    Table,
    Text,
    clipped,
    count_text,
    percent_text,
    score_text,
)
from groundup.report.data_sections import read_json
from groundup.report.figures import Studio, intervals

__all__ = ["answers_section", "headline", "scores_section"]

ROLES = {"foundation": "foundation model", "sft": "fine-tuned", "rl": "after RL"}
POOLED = "all plain tasks"
CONSTANT = "one constant answer"
CUT = "fine-tuned, cut by hand"
Scores = Mapping[str, Any]


def _role(name: str) -> str:
    return ROLES.get(name, name)


def headline(artifact: Artifact) -> dict[str, str]:
    """Mean reward of each model, for the top of the page."""
    pooled = (read_json(artifact, "scores.json") or {}).get("pooled") or {}
    models: Mapping[str, Any] = pooled.get("models", {})
    return {f"Reward, {_role(name)}": f"{m['reward']['mean']:.3f}" for name, m in models.items()}


def scores_section(artifact: Artifact, studio: Studio) -> Section:
    """Every model on every task, beside what no learning at all would score."""
    scores = read_json(artifact, "scores.json") or {}
    blocks: list[Block] = [Text(line) for line in _verdicts(scores)]
    rows = list(_points(scores))
    if rows:
        blocks.append(_scores_figure(artifact, studio, rows))
    table = list(_score_rows(scores))
    if table:
        blocks.append(Table("Scores, with 95% intervals", _COLUMNS, table, _MEASURES, brief=True))
    differences = list(_difference_rows(scores))
    if differences:
        blocks.append(Table("Differences", _COMPARED, differences, _PAIRED, brief=True))
    bits: Mapping[str, float] = scores.get("bits_per_byte") or {}
    if bits:
        values = [(_role(name), f"{value:.3f}") for name, value in bits.items()]
        columns = ("model", "bits per byte")
        blocks.append(Table("Plain text after tuning", columns, values, _FORGOTTEN, brief=True))
    lead = (
        "All models get the same held-out questions, about things that no tuning saw. A score says "
        "something only above what one and the same answer to every question would earn, and a "
        "difference only when its interval leaves out zero."
    )
    return Section(f"scores-{artifact.key}", "How good the models are", lead, blocks)


_COLUMNS = ("task", "answered by", "ends by itself", "F1", "exact", "reward")
_COMPARED = ("task", "compared", "difference in reward", "verdict")
_MEASURES = (
    "Ends by itself: share of answers that stop instead of being cut off. F1: overlap of words "
    "with the right answer. Exact: share right to the letter. Reward: what reinforcement learning "
    "pays, zero for an answer that does not end. The constant answer is the best one in hindsight."
)
_PAIRED = (
    "Taken question by question, then resampled by groups of related questions. An interval that "
    "contains zero means that the two cannot be told apart with this many questions."
)
_FORGOTTEN = "Lower is better. Tuning on answers as a rule costs a little of the plain text."


def _verdicts(scores: Scores) -> list[str]:
    found: Sequence[str] = scores.get("verdicts") or []
    return [f"{line}." for line in found]


def _groups(scores: Scores) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name and content of each task, and of all plain tasks together when there are several."""
    tasks: Mapping[str, Any] = scores.get("tasks") or {}
    yield from tasks.items()
    pooled = scores.get("pooled") or {}
    if len(pooled.get("tasks", ())) > 1:
        yield POOLED, pooled


def _cut_of(scores: Scores, task: str) -> Mapping[str, Any] | None:
    rule = scores.get("rule") or {}
    cut: Mapping[str, Any] | None = rule.get("cut") if rule.get("task") == task else None
    return cut


def _points(scores: Scores) -> Iterator[dict[str, Any]]:
    for task, found in _groups(scores):
        for name, model in found["models"].items():
            reward = {key: model["reward"][key] for key in ("mean", "low", "high")}
            yield {"task": task, "model": _role(name), **reward}
        cut = _cut_of(scores, task)
        if cut is not None:
            reward = {key: cut["reward"][key] for key in ("mean", "low", "high")}
            yield {"task": task, "model": CUT, **reward}
        constant = found.get("constant", {}).get("best")
        if constant:
            yield {
                "task": task,
                "model": CONSTANT,
                "mean": constant["reward"],
                "low": None,
                "high": None,
            }


def _scores_figure(artifact: Artifact, studio: Studio, rows: Sequence[Mapping[str, Any]]) -> Block:
    said = "; ".join(f"{row['task']}, {row['model']}: {row['mean']:.2f}" for row in rows)
    return studio.draw(
        f"scores-{artifact.key}",
        intervals(rows, x_title="mean reward"),
        title="Reward by task and model",
        alt_text=f"Mean reward by task and model. {said}.",
        shows=(
            "For each task, the mean reward of every model's answers, with its 95% interval, and "
            "what the best constant answer earns."
        ),
        reading=(
            "Further right is better. The line through a point is how far chance could have moved "
            "it. A model whose line reaches down to the constant answer has not been shown to have "
            "learned the task."
        ),
    )


def _score_rows(scores: Scores) -> Iterator[tuple[str, ...]]:
    for task, found in _groups(scores):
        for name, model in found["models"].items():
            measures = (_interval(model[measure]) for measure in ("f1", "exact", "reward"))
            yield (task, _role(name), percent_text(model["stopped"]["mean"]), *measures)
        cut = _cut_of(scores, task)
        if cut is not None:
            by = f"{CUT} after {cut['k']}"
            yield (task, by, "", "", _interval(cut["exact"]), _interval(cut["reward"]))
        constant = found.get("constant", {}).get("best")
        if constant:
            by = f"always {clipped(constant['answer'], 40)!r}"
            yield (task, by, "", *(f"{constant[key]:.3f}" for key in ("f1", "exact", "reward")))


def _interval(value: Mapping[str, Any]) -> str:
    return score_text(value["mean"], value["low"], value["high"])


def _difference_rows(scores: Scores) -> Iterator[tuple[str, ...]]:
    rule = scores.get("rule") or {}
    for task, found in _groups(scores):
        pairs = rule["differences"] if rule.get("task") == task else found["differences"]
        for pair, value in pairs.items():
            later, _, earlier = pair.partition("-")
            compared = f"{_role(later)} minus {CUT if earlier == 'cut' else _role(earlier)}"
            yield (task, compared, _signed(value), _verdict(value))


def _signed(value: Mapping[str, Any]) -> str:
    if value["low"] is None:
        return f"{value['mean']:+.3f}"
    return f"{value['mean']:+.3f} [{value['low']:+.3f}, {value['high']:+.3f}]"


def _verdict(value: Mapping[str, Any]) -> str:
    if value["low"] is None or value["low"] <= 0 <= value["high"]:
        return "not told apart"
    return "better" if value["low"] > 0 else "worse"


def answers_section(artifact: Artifact, *, questions_per_task: int) -> Section:
    """The same questions to every model, evenly picked, with the right answers."""
    scores = read_json(artifact, "scores.json") or {}
    order = {role: rank for rank, role in enumerate(scores.get("roles", ROLES))}
    tasks: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for row in _answer_rows(artifact):
        tasks.setdefault(row["task"], {}).setdefault(row["id"], []).append(row)
    blocks: list[Block] = []
    for task, questions in tasks.items():
        for number in _evenly(len(questions), questions_per_task):
            rows = sorted(list(questions.values())[number], key=lambda row: order[row["model"]])
            about = f"{task}, question {number + 1} of {count_text(len(questions))}"
            blocks.append(_answers(about, rows))
    lead = (
        "A few questions of every task, picked evenly by position and not by how they look, and "
        "what each model answered, always with the likeliest next token. The markers in the "
        "question are the chat template: they tell the model who speaks."
    )
    return Section(f"answers-{artifact.key}", "Answers side by side", lead, blocks)


def _answer_rows(artifact: Artifact) -> list[dict[str, Any]]:
    if not artifact.has("answers.jsonl"):
        return []
    lines = artifact.file("answers.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _evenly(total: int, wanted: int) -> list[int]:
    """Up to `wanted` positions out of `total`, spread evenly."""
    count = min(total, wanted)
    return [number * total // count for number in range(count)]


def _answers(about: str, rows: Sequence[Mapping[str, Any]]) -> Answers:
    said = [
        (_role(row["model"]), clipped(row["answer"]) or "(nothing)", _mark(row)) for row in rows
    ]
    return Answers(about, rows[0]["prompt"], rows[0]["reference"], said)


def _mark(row: Mapping[str, Any]) -> str:
    ended = "" if row["stopped"] else ", cut off"
    exact = "right to the letter" if row["exact"] else f"F1 {row['f1']:.2f}"
    return f"{exact}, reward {row['reward']:.2f}{ended}"
