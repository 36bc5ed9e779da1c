"""Scores for people: verdicts in plain words, and the tables on the console."""

from collections.abc import Mapping, Sequence
from typing import Any

from groundup.core import console

__all__ = ["show", "verdicts"]

Scores = Mapping[str, Any]


def _signed(interval: Mapping[str, Any]) -> str:
    """`+0.620 [+0.600, +0.642]`, without the bracket when no interval could be had."""
    if interval["low"] is None:
        return f"{interval['mean']:+.3f} (one group: no interval)"
    return f"{interval['mean']:+.3f} [{interval['low']:+.3f}, {interval['high']:+.3f}]"


def _plain(interval: Mapping[str, Any]) -> str:
    """`0.620 [0.600, 0.642]`."""
    if interval["low"] is None:
        return f"{interval['mean']:.3f}"
    return f"{interval['mean']:.3f} [{interval['low']:.3f}, {interval['high']:.3f}]"


def _judged(interval: Mapping[str, Any]) -> str:
    """Better, worse, or not to be told apart."""
    low, high = interval["low"], interval["high"]
    if low is None or high is None or low <= 0.0 <= high:
        return "not to be told apart"
    return "better" if low > 0 else "worse"


def verdicts(scores: Scores) -> list[str]:
    """What the numbers say, a sentence each."""
    lines = []
    for pair, interval in scores["pooled"].get("differences", {}).items():
        later, earlier = pair.split("-")
        lines.append(
            f"{later} against {earlier} on the plain tasks: {_judged(interval)}, "
            f"reward {_signed(interval)}"
        )
    rule = scores["rule"]
    if rule:
        lines += [
            f"{pair.replace('-', ' against ')} on the rule ({rule['task']}): {_judged(interval)}, "
            f"reward {_signed(interval)}"
            for pair, interval in rule["differences"].items()
        ]
    if rule and "cut" in rule:
        lines.append(
            f"cut is sft's answer cut by hand after {rule['cut']['k']} names, the best number in "
            f"hindsight: reward {_plain(rule['cut']['reward'])}"
        )
    for task, found in scores["tasks"].items():
        for role, interval in found["over_constant"].items():
            if role != "foundation" and _judged(interval) != "better":
                lines.append(
                    f"{role} on {task} is not above the best constant answer "
                    f"({found['constant']['best']['answer']!r}): {_signed(interval)}"
                )
    return lines


def show(scores: Scores) -> None:
    """Prints the tables and the verdicts."""
    console.table("Answers by task (reward with its 95% interval)", _COLUMNS, list(_rows(scores)))
    if scores["bits_per_byte"]:
        console.table(
            "Validation text",
            ("model", "bits per byte"),
            [(role, f"{bits:.3f}") for role, bits in scores["bits_per_byte"].items()],
        )
    for line in scores["verdicts"]:
        console.say(line)


_COLUMNS = ("task", "answered by", "ends", "F1", "exact", "reward")


def _rows(scores: Scores) -> Sequence[Sequence[object]]:
    rows: list[Sequence[object]] = []
    tasks = {**scores["tasks"], "all plain tasks": {**scores["pooled"], "constant": {}}}
    for task, found in tasks.items():
        if "models" not in found:
            continue
        for role, model in found["models"].items():
            means = [f"{model[name]['mean']:.3f}" for name in ("f1", "exact")]
            ends = f"{model['stopped']['mean']:.0%}"
            rows.append((task, role, ends, *means, _plain(model["reward"])))
        constant = found["constant"].get("best")
        if constant:
            cells = [f"{constant[name]:.3f}" for name in ("f1", "exact", "reward")]
            rows.append((task, f"always {constant['answer'][:16]!r}", "", *cells))
    return rows
