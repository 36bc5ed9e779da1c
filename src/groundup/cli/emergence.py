"""`groundup scale emergence`: prints when abilities appear, and whether they only seem to."""

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from groundup.cli.quantities import short
from groundup.core import console
from groundup.core.errors import ConfigError

if TYPE_CHECKING:
    from groundup.scaling.emergence import LossView, TaskVerdict, Verdict
    from groundup.scaling.results import Results

__all__ = ["emergence"]

MEANINGS = {
    "absent": "no checkpoint is clearly above chance",
    "smooth": "it appears, and accuracy rises without a jump",
    "metric-sharp": "accuracy jumps, the continuous metric does not: the jump is the metric's",
    "sharp": "accuracy and the continuous metric jump together",
    "undecided": "without a continuous metric a jump of accuracy proves nothing",
}


def emergence(known: argparse.Namespace) -> None:
    """Judges the tasks of a table of results.

    Raises:
        ConfigError: No task is left to judge.
    """
    from groundup.scaling.emergence import judge_task, loss_view
    from groundup.scaling.results import CHANCE, read_results

    results = read_results(known.table, where=known.where)
    tasks = known.task or results.with_continuous
    if not tasks:
        raise ConfigError(
            "no task of the table has a continuous metric (log_prob, ppl or brier)",
            hint=f"name tasks all the same: --task {next(iter(results.by_task))}",
        )
    found = []
    for task in tasks:
        chance = known.chance if known.chance is not None else CHANCE.get(task)
        if chance is None:
            raise ConfigError(
                f"the accuracy of guessing in {task!r} is not known",
                hint="--chance 0.25 for four choices, 0 for free answers",
            )
        curves = results.curves(task, known.along)
        verdict = judge_task(task, curves, chance, replicates=known.bootstrap, seed=known.seed)
        view = None
        if results.loss and known.along != "params":
            view = loss_view(*results.aligned(task))
        found.append((verdict, view))
        if known.to is not None:
            from groundup.scaling.emergence_figures import draw_task

            draw_task(task, curves, results, known.along, chance, known.to / "figures")
    document = [_as_json(verdict, view, results) for verdict, view in found]
    if known.to is not None:
        from groundup.core.publish import publish

        with publish(known.to / "emergence.json") as partial:
            partial.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if known.json:
        console.say(json.dumps(document, indent=1))
        return
    for verdict, view in found:
        _show(verdict, view, results, known.along)
    left = [task for task in results.by_task if task not in tasks]
    if left:
        shown = ", ".join(left[:6])
        console.say(f"{len(left)} other tasks, judged with --task NAME: {shown}, ...")


def _as_json(verdict: "TaskVerdict", view: "LossView | None", results: "Results") -> dict[str, Any]:
    return {
        "task": verdict.task,
        "chance": verdict.chance,
        "verdict": verdict.verdict,
        "means": MEANINGS[verdict.verdict],
        "shares": dict(verdict.shares),
        "threshold": _threshold_json(verdict),
        "width_decades": verdict.width.as_json() if verdict.width else None,
        "each": {name: _verdict_json(one) for name, one in verdict.each.items()},
        "loss_view": None
        if view is None
        else {
            "loss": results.loss_is,
            "residual": dict(view.residual),
            "collapses": view.collapses,
        },
        "warnings": list(verdict.warnings),
    }


def _threshold_json(verdict: "TaskVerdict") -> dict[str, float] | None:
    ends = verdict.threshold
    return None if ends is None else {"low": 10.0**ends.low, "high": 10.0**ends.high}


def _verdict_json(one: "Verdict") -> dict[str, Any]:
    return {
        "verdict": one.verdict,
        "appears_between": [10.0**x for x in one.appears] if one.appears else None,
        "threshold": 10.0**one.logistic.middle if one.logistic else None,
        "width_decades": one.logistic.width if one.logistic else None,
        "accuracy_after": one.logistic.high if one.logistic else None,
        "accuracy_jump_share": one.accuracy_jump.share,
        "accuracy_jump_decades": one.accuracy_jump.decades,
        "continuous_jump_share": one.continuous_jump.share if one.continuous_jump else None,
        "continuous_jump_decades": one.continuous_jump.decades if one.continuous_jump else None,
        "continuous_before": one.continuous_before,
        "continuous_knee": 10.0 ** one.knee[0] if one.knee else None,
        "continuous_knee_bic_gain": one.knee[1] if one.knee else None,
    }


def _show(verdict: "TaskVerdict", view: "LossView | None", results: "Results", along: str) -> None:
    rows = [_line(name, one) for name, one in verdict.each.items()]
    columns = (
        "",
        "verdict",
        "appears between",
        "threshold",
        "width, decades",
        "after",
        "jump of accuracy",
        "of continuous",
        "continuous change before",
    )
    console.table(f"{verdict.task} over {along}, chance {verdict.chance:g}", columns, rows)
    share = verdict.shares.get(verdict.verdict, 0.0)
    console.say(
        f"verdict: {verdict.verdict} ({MEANINGS[verdict.verdict]}), in {share:.0%} of "
        "resamples of curves and answers"
    )
    if verdict.threshold and verdict.width:
        low, high = 10.0**verdict.threshold.low, 10.0**verdict.threshold.high
        console.say(
            f"median threshold {short(low)} to {short(high)} {along}, width "
            f"{verdict.width.low:.2f} to {verdict.width.high:.2f} decades (95%)"
        )
    if view is not None:
        residual = ", ".join(f"{name} {value:.4f}" for name, value in view.residual.items())
        one = "sizes fall on one curve" if view.collapses else "no collapse"
        console.say(f"spread about a smooth curve over {residual} ({results.loss_is}): {one}")
    for warning in verdict.warnings:
        console.say(f"warning: {warning}")
    console.say()


def _line(name: str, one: "Verdict") -> Sequence[str]:
    logistic, continuous = one.logistic, one.continuous_jump
    between = " and ".join(short(10.0**x) for x in one.appears) if one.appears else ""
    return (
        name,
        one.verdict,
        between,
        short(10.0**logistic.middle) if logistic else "",
        f"{logistic.width:.2f}" if logistic else "",
        f"{logistic.high:.3f}" if logistic else "",
        f"{one.accuracy_jump.share:.0%} in {one.accuracy_jump.decades:.2f}",
        f"{continuous.share:.0%} in {continuous.decades:.2f}" if continuous else "",
        f"{one.continuous_before:.0%}" if one.continuous_before is not None else "",
    )
