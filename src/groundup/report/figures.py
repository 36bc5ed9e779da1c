"""Charts, drawn by Altair: files for use elsewhere, and inline in the page.

Files have a white ground. Inline, ink and ground take the page's colours, light or dark. How a
chart looks is decided in `core.charts`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
from markupsafe import Markup, escape

from groundup.core.artifact import RunDir
from groundup.core.charts import (
    COLOURS,
    DASHES,
    GROUND,
    INK,
    PNG_SCALE,
    SHAPES,
    WIDTH,
    Row,
    cycle,
    data,
    styled,
)
from groundup.report.blocks import Figure

__all__ = ["Panel", "Studio", "intervals", "line_panels", "remaining"]

MAX_POINTS = 400
FEW_POINTS = 20


@dataclass(frozen=True, slots=True)
class Panel:
    """One line chart.

    Attributes:
        heading: What it is about.
        y_title: Quantity and unit.
        rows: Points with `step`, `value` and `series`, at least one.
        rules: Names and values of horizontal lines to compare with.
        y_domain: Ends of the y axis; None fits it to the points.
    """

    heading: str
    y_title: str
    rows: Sequence[Row]
    rules: Sequence[tuple[str, float]] = ()
    y_domain: tuple[float, float] | None = None


class Studio:
    """Saves charts among a run's files and hands them back for the page."""

    def __init__(self, out: RunDir) -> None:
        self._out = out

    def draw(
        self, name: str, chart: Any, *, title: str, alt_text: str, shows: str, reading: str
    ) -> Figure:
        """Publishes `figures/NAME.svg` and `.png`; returns the block for the page.

        Args:
            name: Name of the files; unique in the report.
            chart: An Altair chart.
            title: Heading.
            alt_text: What the chart says, for those who cannot see it.
            shows: What it shows, in plain words.
            reading: How to read it.
        """
        drawn = styled(chart)
        with self._out.publish(f"figures/{name}.png") as partial:
            drawn.save(partial, format="png", scale_factor=PNG_SCALE)
        with self._out.publish(f"figures/{name}.svg") as partial:
            drawn.save(partial, format="svg")
            svg = partial.read_text(encoding="utf-8")
        return Figure(name, title, _inline(svg, name, alt_text), shows, reading)


def _inline(svg: str, name: str, alt_text: str) -> Markup:
    """An SVG for the inside of a page: the page's colours, ids of its own, one text for readers."""
    svg = svg.replace(f'"{INK}"', '"currentColor"').replace(f'"{GROUND}"', '"none"')
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r' role="[^"]*"| aria-[a-z]+="[^"]*"', "", svg)
    return Markup(svg.replace("<svg ", f'<svg role="img" aria-label="{escape(alt_text)}" ', 1))


_COUNTS = alt.Axis(format=",d", tickMinStep=1, tickCount=7)


def remaining(rows: Sequence[Row]) -> Any:
    """How many are left after each rule, and how many it dropped.

    Args:
        rows: In order, each with `rule`, `left` and `dropped`.
    """
    order = [row["rule"] for row in rows]
    parts = [
        {"rule": row["rule"], "part": part, "count": row[key], "rank": rank}
        for row in rows
        for rank, (part, key) in enumerate((("left", "left"), ("dropped here", "dropped")))
    ]
    y = alt.Y("rule:N", sort=order, title=None)
    scale = alt.Scale(domain=["left", "dropped here"], range=[COLOURS[0], COLOURS[1]])
    shown = (
        alt.Chart(data(parts))
        .mark_bar()
        .encode(
            y=y,
            x=alt.X("count:Q", title="pages", axis=_COUNTS),
            color=alt.Color("part:N", scale=scale),
            order="rank:Q",
        )
    )
    labels = [
        {"rule": row["rule"], "end": row["left"] + row["dropped"], "label": f"−{row['dropped']:,}"}
        for row in rows
        if row["dropped"]
    ]
    notes = (
        alt.Chart(data(labels))
        .mark_text(align="left", dx=4, color=INK, fontSize=10)
        .encode(y=y, x="end:Q", text="label:N")
    )
    return (shown + notes).properties(width=WIDTH - 180, height=alt.Step(18))


def line_panels(panels: Sequence[Panel]) -> Any:
    """Line charts below one another; x is the step."""
    charts = [_panel(panel) for panel in panels]
    stacked = alt.vconcat(*charts, spacing=18)
    return stacked.resolve_scale(color="independent", strokeDash="independent")


def _panel(panel: Panel) -> Any:
    names = list(dict.fromkeys(str(row["series"]) for row in panel.rows))
    colours = alt.Scale(domain=names, range=cycle(COLOURS, names))
    dashes = alt.Scale(domain=names, range=[list(dash) for dash in cycle(DASHES, names)])
    legend = alt.Legend() if len(names) > 1 else None
    y_scale = alt.Scale(zero=False)
    if panel.y_domain is not None:
        y_scale = alt.Scale(domain=list(panel.y_domain))
    few = len(panel.rows) <= FEW_POINTS * len(names)
    chart = (
        alt.Chart(data(_thinned(panel.rows)))
        .mark_line(strokeWidth=2, point={"size": 24} if few else False)
        .encode(
            x=alt.X("step:Q", title="step", scale=alt.Scale(zero=True, nice=False), axis=_COUNTS),
            y=alt.Y("value:Q", title=panel.y_title, scale=y_scale),
            color=alt.Color("series:N", scale=colours, legend=legend),
            strokeDash=alt.StrokeDash("series:N", scale=dashes, legend=legend),
        )
    )
    layered = chart + _rules(panel.rows, panel.rules) if panel.rules else chart
    return layered.properties(width=WIDTH - 70, height=170, title=panel.heading)


def _rules(rows: Sequence[Row], rules: Sequence[tuple[str, float]]) -> Any:
    """Horizontal lines, named at their right end."""
    end = max(row["step"] for row in rows)
    values = [
        {"value": value, "label": f"{name} {value:.3f}", "step": end} for name, value in rules
    ]
    base = alt.Chart(data(values))
    line = base.mark_rule(color=INK, strokeDash=[5, 4], opacity=0.7).encode(y="value:Q")
    name = base.mark_text(color=INK, align="right", dy=-6, fontSize=10).encode(
        y="value:Q", x="step:Q", text="label:N"
    )
    return line + name


def _thinned(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """At most `MAX_POINTS` points a series, each the mean of those it stands for."""
    found: list[dict[str, Any]] = []
    for name in dict.fromkeys(str(row["series"]) for row in rows):
        series = [row for row in rows if row["series"] == name]
        width = -(-len(series) // MAX_POINTS)
        for start in range(0, len(series), width):
            part = series[start : start + width]
            mean = sum(row["value"] for row in part) / len(part)
            found.append({"step": part[-1]["step"], "value": mean, "series": name})
    return found


def intervals(rows: Sequence[Row], *, x_title: str) -> Any:
    """Scores as points with their intervals as lines, a band for each task.

    Args:
        rows: Each with `task`, `model`, `mean`, and `low` and `high` or None for both.
        x_title: What a score is.
    """
    models = list(dict.fromkeys(row["model"] for row in rows))
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    bands = []
    for task in tasks:
        found = [row for row in rows if row["task"] == task]
        bands.append(_band(task, found, models, x_title if task == tasks[-1] else None))
    return alt.vconcat(*bands, spacing=8)


def _band(task: str, rows: Sequence[Row], models: Sequence[str], x_title: str | None) -> Any:
    """One task; only the last band, which has an `x_title`, writes the numbers of the axis."""
    axis = alt.Axis(labels=x_title is not None, ticks=x_title is not None, tickCount=10)
    x = alt.X("mean:Q", title=x_title, scale=alt.Scale(domain=[0, 1]), axis=axis)
    y = alt.Y("model:N", sort=list(models), title=None)
    colours = alt.Scale(domain=list(models), range=cycle(COLOURS, models))
    shapes = alt.Scale(domain=list(models), range=cycle(SHAPES, models))
    colour = alt.Color("model:N", legend=None, scale=colours)
    known = [row for row in rows if row["low"] is not None]
    point = (
        alt.Chart(data(rows))
        .mark_point(filled=True, size=70, opacity=1)
        .encode(x=x, y=y, color=colour, shape=alt.Shape("model:N", legend=None, scale=shapes))
    )
    line = (
        alt.Chart(data(known))
        .mark_rule(strokeWidth=2.5)
        .encode(x=alt.X("low:Q", title=x_title, axis=axis), x2="high:Q", y=y, color=colour)
    )
    return (line + point).properties(width=WIDTH - 150, height=alt.Step(17), title=task)
