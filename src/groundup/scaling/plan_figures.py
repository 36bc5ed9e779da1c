"""Charts of a plan: tokens against parameters among known models, and size against task."""

from pathlib import Path
from typing import Any

import altair as alt
import numpy as np

from groundup.core.charts import COLOURS, INK, SHAPES, WIDTH, data, save
from groundup.scaling.families import FAMILIES, GPT3
from groundup.scaling.laws import Law
from groundup.scaling.plan import Plan

__all__ = ["draw_plan"]

NAMED = (  # those whose names do not cover others
    "GPT-3 175B",
    "Chinchilla",
    "PaLM",
    "Llama 2 7B",
    "Llama 3 8B",
    "Llama 3 70B",
    "Llama 3 405B",
    "Pythia 70M",
)
_LABEL = "replace(replace(format(datum.value, '~s'), 'G', 'B'), 'k', 'K')"


def draw_plan(plan: Plan, folder: Path) -> list[Path]:
    """Draws both charts; returns the files."""
    return [
        *save(_tokens_against_params(plan.fit.law, plan), folder, "tokens_against_params"),
        *save(_size_against_task(), folder, "size_against_task"),
    ]


def _axis(channel: Any, field: str, title: str) -> Any:
    axis = alt.Axis(labelExpr=_LABEL, values=[10.0**power for power in range(3, 16)])
    return channel(f"{field}:Q", title=title, scale=alt.Scale(type="log", nice=False), axis=axis)


def _tokens_against_params(law: Law, plan: Plan) -> Any:
    """Known models, the law's best pairs, 20 tokens a parameter, and the plan."""
    x = _axis(alt.X, "n", "parameters N")
    y = _axis(alt.Y, "d", "training tokens D")
    known = [
        {"n": m.n_params, "d": m.tokens, "family": m.family, "name": m.name}
        for m in FAMILIES
        if m.n_params is not None and m.tokens is not None
    ]
    families = list(dict.fromkeys(row["family"] for row in known))
    named = [row for row in known if row["name"] in NAMED]
    lines = []
    for flops in np.geomspace(min(1e17, plan.flops / 10), 1e26, 40):
        n, d = law.optimum(float(flops))
        lines.append({"n": n, "d": d, "line": f"least loss of a budget ({law.name})"})
    lines += [{"n": n, "d": 20 * n, "line": "20 tokens a parameter"} for n in (1e7, 1e12)]
    here = [{"n": plan.shape.n_total, "d": plan.tokens, "name": "this plan"}]
    dash = alt.StrokeDash("line:N", legend=alt.Legend(columns=1, orient="bottom"))
    drawn = (
        alt.Chart(data(lines)).mark_line(color=INK, opacity=0.7).encode(x=x, y=y, strokeDash=dash)
    )
    points = (
        alt.Chart(data(known))
        .mark_point(filled=True, size=60, opacity=0.9)
        .encode(
            x=x,
            y=y,
            color=alt.Color("family:N", sort=families, scale=alt.Scale(range=list(COLOURS))),
            shape=alt.Shape("family:N", sort=families, scale=alt.Scale(range=list(SHAPES))),
        )
    )
    names = alt.Chart(data(named)).mark_text(align="left", dx=6, dy=-4, fontSize=9, color=INK)
    names = names.encode(x=x, y=y, text="name:N")
    mark = alt.Chart(data(here)).mark_point(shape="cross", size=160, color=INK, filled=True)
    note = alt.Chart(data(here)).mark_text(align="left", dx=9, dy=9, fontWeight="bold", color=INK)
    shown = drawn + points + names + mark.encode(x=x, y=y)
    return (shown + note.encode(x=x, y=y, text="name:N")).properties(width=WIDTH, height=380)


def _size_against_task() -> Any:
    """GPT-3's accuracy without examples at its eight sizes."""
    rows = [
        {"n": model.n_params, "accuracy": value, "task": task}
        for model in GPT3
        for task, value in (("HellaSwag", model.hellaswag), ("LAMBADA", model.lambada))
    ]
    colour = alt.Color("task:N", scale=alt.Scale(range=list(COLOURS)))
    return (
        alt.Chart(data(rows))
        .mark_line(point={"size": 50}, strokeWidth=2)
        .encode(
            x=_axis(alt.X, "n", "parameters N (GPT-3, 300 billion tokens each)"),
            y=alt.Y("accuracy:Q", title="accuracy, no examples", scale=alt.Scale(domain=[0, 1])),
            color=colour,
            strokeDash=alt.StrokeDash("task:N"),
        )
        .properties(width=WIDTH - 70, height=260)
    )
