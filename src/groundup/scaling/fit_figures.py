"""Charts of a fit: loss against N, D and C with curves and bands, valleys of budgets, residuals."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np

from groundup.core.charts import COLOURS, INK, WIDTH, data, save
from groundup.scaling.analysis import Analysis
from groundup.scaling.fit import errors
from groundup.scaling.laws import Law

__all__ = ["draw_fit"]

CURVE_POINTS = 60
BAND_DRAWS = 200
LEVELS = (0.05, 0.35, 0.65, 0.95)  # quantiles of the other variable that get a curve
OPERATIONS = "training operations C"
_TAILS = (2.5, 97.5)


def draw_fit(analysis: Analysis, folder: Path) -> list[Path]:
    """Draws every chart that the analysis has something for; returns the files."""
    charts = {
        "loss_against_params": _slices(analysis, "n", "parameters N", "tokens D"),
        "loss_against_tokens": _slices(analysis, "d", "training tokens D", "parameters N"),
        "loss_against_compute": _frontier(analysis),
        "residuals": _residuals(analysis),
    }
    if analysis.budgets:
        charts["isoflop"] = _valleys(analysis)
    return [path for name, chart in charts.items() for path in save(chart, folder, name)]


def _log(title: str) -> Any:
    """A logarithmic x axis: 100M and 1B for counts, powers of ten for operations."""
    counted = "replace(format(datum.value, '~s'), 'G', 'B')"
    label = "format(datum.value, '.0e')" if title == OPERATIONS else counted
    axis = alt.Axis(labelExpr=label, tickCount=6)
    return alt.X("x:Q", title=title, scale=alt.Scale(type="log", nice=False), axis=axis)


def _loss(field: str = "loss") -> Any:
    scale = alt.Scale(type="log", zero=False, nice=False)
    return alt.Y(f"{field}:Q", title="loss, nats per token", scale=scale)


def _steps(values: np.ndarray) -> np.ndarray:
    return np.geomspace(values.min(), values.max(), CURVE_POINTS)


def _curve(
    analysis: Analysis, x: np.ndarray, at: Callable[[Law, float], float], series: str
) -> list[dict[str, Any]]:
    """The law along x, with the middle 95% over its resamples."""
    draws = analysis.draws[:BAND_DRAWS]
    rows = []
    for value in x:
        row = {"x": float(value), "loss": at(analysis.law, float(value)), "series": series}
        if draws:
            low, high = np.percentile([at(law, float(value)) for law in draws], _TAILS)
            row |= {"low": float(low), "high": float(high)}
        rows.append(row)
    return rows


def _layers(
    points: Sequence[dict[str, Any]], curves: Sequence[dict[str, Any]], x_title: str, colour: Any
) -> Any:
    line_colour = alt.Color("series:N", scale=alt.Scale(range=list(COLOURS)), sort=None)
    line = (
        alt.Chart(data(curves))
        .mark_line(strokeWidth=2)
        .encode(x=_log(x_title), y=_loss(), color=line_colour)
    )
    dots = (
        alt.Chart(data(points))
        .mark_point(filled=True, size=22, opacity=0.55, color=INK)
        .encode(x=_log(x_title), y=_loss(), **colour)
    )
    shown = line
    if "low" in curves[0]:
        band = (
            alt.Chart(data(curves))
            .mark_area(opacity=0.18)
            .encode(x=_log(x_title), y=_loss("low"), y2="high:Q", color=line_colour)
        )
        shown = band + line
    return (dots + shown).properties(width=WIDTH - 70, height=300)


def _slices(analysis: Analysis, along: str, x_title: str, other_title: str) -> Any:
    """Loss along one variable, at four values of the other."""
    points = analysis.points
    x = getattr(points, along)
    other = points.d if along == "n" else points.n
    curves = []
    for level in np.unique(np.quantile(other, LEVELS, method="nearest")):
        near = np.abs(np.log(other / level)) < 1.5  # the runs that the curve speaks for

        def at(law: Law, value: float, level: float = float(level)) -> float:
            return law.loss(value, level) if along == "n" else law.loss(level, value)

        curves += _curve(analysis, _steps(x[near]), at, f"{other_title} = {level:.2g}")
    rows = [{"x": float(v), "loss": float(loss)} for v, loss in zip(x, points.loss, strict=True)]
    return _layers(rows, curves, x_title, {})


def _frontier(analysis: Analysis) -> Any:
    """Loss along C, with the least loss that the law gives for each budget, and ten times on."""
    points = analysis.points
    x = np.geomspace(points.c.min(), 10.0 * points.c.max(), CURVE_POINTS)
    curves = _curve(
        analysis, x, lambda law, c: law.loss(*law.optimum(c)), "least loss of a budget (C = 6 N D)"
    )
    rows = [
        {"x": float(c), "loss": float(loss)} for c, loss in zip(points.c, points.loss, strict=True)
    ]
    return _layers(rows, curves, OPERATIONS, {})


def _residuals(analysis: Analysis) -> Any:
    points = analysis.points
    off = 100.0 * errors(analysis.law, points)
    rows = [
        {"x": float(c), "off": float(error), "n": float(n)}
        for c, error, n in zip(points.c, off, points.n, strict=True)
    ]
    shade = alt.Scale(type="log", scheme="viridis")
    dots = (
        alt.Chart(data(rows))
        .mark_point(filled=True, size=30, opacity=0.8)
        .encode(
            x=_log(OPERATIONS),
            y=alt.Y("off:Q", title="forecast over observed loss, %"),
            color=alt.Color("n:Q", scale=shade, legend=alt.Legend(title="N", format="~s")),
        )
    )
    zero = alt.Chart(data([{"off": 0.0}])).mark_rule(color=INK, opacity=0.6).encode(y="off:Q")
    return (zero + dots).properties(width=WIDTH - 70, height=240)


def _valleys(analysis: Analysis) -> Any:
    """Loss against N in every budget, its parabola, and the two minima."""
    dots, curves, lowest = [], [], []
    for budget in analysis.budgets:
        series = f"{budget.flops:.2g}"
        dots += [
            {"x": float(n), "loss": float(loss), "series": series}
            for n, loss in zip(budget.n, budget.loss, strict=True)
        ]
        x = _steps(budget.n)
        fitted = np.polyval(budget.parabola, np.log(x))
        curves += [
            {"x": float(n), "loss": float(loss), "series": series}
            for n, loss in zip(x, fitted, strict=True)
        ]
        if budget.n_parabola is not None:
            loss = float(np.polyval(budget.parabola, np.log(budget.n_parabola)))
            lowest.append({"x": budget.n_parabola, "loss": loss, "series": series})
    order = [f"{budget.flops:.2g}" for budget in analysis.budgets]
    colour = alt.Color(
        "series:N",
        sort=order,
        scale=alt.Scale(scheme="viridis"),
        legend=alt.Legend(title="C", columns=6),
    )
    encoding = {"x": _log("parameters N"), "y": _loss(), "color": colour}
    shown = alt.Chart(data(curves)).mark_line(strokeWidth=1.5).encode(**encoding)
    shown += alt.Chart(data(dots)).mark_point(filled=True, size=22).encode(**encoding)
    if lowest:
        shown += (
            alt.Chart(data(lowest))
            .mark_point(shape="cross", size=90, color=INK)
            .encode(x=_log("parameters N"), y=_loss())
        )
    return shown.properties(width=WIDTH - 70, height=320)
