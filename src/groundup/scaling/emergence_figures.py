"""Charts of emergence: accuracy beside the continuous metric, and accuracy over the own loss."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np

from groundup.core.charts import INK, WIDTH, data, save
from groundup.scaling.emergence import Curve
from groundup.scaling.results import Results

__all__ = ["draw_task"]

_TITLES = {"tokens": "training tokens", "compute": "operations 6 N D", "params": "parameters"}


def draw_task(
    task: str, curves: Sequence[Curve], results: Results, along: str, chance: float, folder: Path
) -> list[Path]:
    """Draws a task's charts; returns the files."""
    drawn = save(_beside(curves, along, chance), folder, f"{task}_over_{along}")
    if results.loss and along != "params":
        drawn += save(_over_loss(task, results, chance), folder, f"{task}_over_loss")
    return drawn


def _beside(curves: Sequence[Curve], along: str, chance: float) -> Any:
    """The same checkpoints twice: what accuracy says above, what the probabilities say below."""
    rows = [
        {
            "x": 10.0 ** float(x),
            "accuracy": float(accuracy),
            "continuous": float(curve.continuous[i]) if curve.continuous is not None else None,
            "series": curve.series,
        }
        for curve in curves
        for i, (x, accuracy) in enumerate(zip(curve.x, curve.accuracy, strict=True))
    ]
    order = [curve.series for curve in curves]
    colour = alt.Color("series:N", sort=order, scale=alt.Scale(scheme="viridis"))
    axis = alt.Axis(labelExpr="format(datum.value, '.0e')", tickCount=6)
    x = alt.X("x:Q", title=_TITLES[along], scale=alt.Scale(type="log", nice=False), axis=axis)
    base = alt.Chart(data(rows)).mark_line(point={"size": 18}, strokeWidth=1.5)
    top = base.encode(x=x, y=alt.Y("accuracy:Q", title="accuracy"), color=colour)
    guess = alt.Chart(data([{"y": chance}])).mark_rule(color=INK, strokeDash=[5, 4])
    charts = [(guess.encode(y="y:Q") + top).properties(width=WIDTH - 70, height=200)]
    if all(curve.continuous is not None for curve in curves):
        low = base.encode(
            x=x, y=alt.Y("continuous:Q", title="continuous metric, higher is better"), color=colour
        )
        charts.append(low.properties(width=WIDTH - 70, height=200))
    return alt.vconcat(*charts, spacing=14)


def _over_loss(task: str, results: Results, chance: float) -> Any:
    rows = [
        {
            "loss": results.loss[row.series, row.tokens],
            "accuracy": row.accuracy,
            "series": row.series,
        }
        for row in results.by_task[task]
        if (row.series, row.tokens) in results.loss
    ]
    order = list(dict.fromkeys(row["series"] for row in rows))
    least = float(np.min([row["loss"] for row in rows]))
    most = float(np.max([row["loss"] for row in rows]))
    x = alt.X("loss:Q", title=results.loss_is, scale=alt.Scale(domain=[most, least]))
    dots = (
        alt.Chart(data(rows))
        .mark_point(filled=True, size=26)
        .encode(
            x=x,
            y=alt.Y("accuracy:Q", title=f"accuracy, {task}"),
            color=alt.Color("series:N", sort=order, scale=alt.Scale(scheme="viridis")),
        )
    )
    guess = alt.Chart(data([{"y": chance}])).mark_rule(color=INK, strokeDash=[5, 4])
    return (guess.encode(y="y:Q") + dots).properties(width=WIDTH - 70, height=260)
