"""How every chart of the project looks, and how it becomes files.

Files have a white ground. The colours of the data are of middle lightness and are legible on dark
pages too, where the report lets ink and ground take the page's colours. Series differ in shape or
dash as well as in colour.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import altair as alt

from groundup.core.publish import publish

__all__ = [
    "COLOURS",
    "DASHES",
    "GROUND",
    "INK",
    "PNG_SCALE",
    "SHAPES",
    "WIDTH",
    "Row",
    "cycle",
    "data",
    "save",
    "styled",
]

INK = "#1f2329"
GROUND = "#fefefe"
COLOURS = ("#3b7fc4", "#cf7a1e", "#3a9a68", "#9569c2", "#b8517a", "#7f8792")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
DASHES = ((1, 0), (6, 3), (2, 2), (8, 3, 2, 3), (4, 4), (1, 3))
WIDTH = 560
PNG_SCALE = 2
# vl-convert measures text with its own Liberation Sans, which is as wide as Arial.
FONT = "Arial, Liberation Sans, Helvetica, sans-serif"
Row = Mapping[str, Any]
T = TypeVar("T")


def data(rows: Sequence[Row]) -> Any:
    """Rows as inline data of a chart."""
    return alt.Data(values=[dict(row) for row in rows])


def cycle(values: Sequence[T], names: Sequence[str]) -> list[T]:
    """A value for each name, from the start again when there are more names."""
    return [values[number % len(values)] for number in range(len(names))]


def styled(chart: Any) -> Any:
    """The chart with the project's fonts, inks and grid."""
    text = {"labelColor": INK, "titleColor": INK, "labelFontSize": 11, "titleFontSize": 11}
    return (
        chart.properties(background=GROUND, padding=6)
        .configure(font=FONT)
        .configure_view(stroke=None)
        .configure_axis(
            **text,
            titleFontWeight="normal",
            gridColor=INK,
            gridOpacity=0.12,
            domainColor=INK,
            domainOpacity=0.4,
            tickColor=INK,
            tickOpacity=0.4,
            labelLimit=220,
            labelFlush=False,
        )
        .configure_legend(**text, orient="top", title=None, symbolSize=90, labelLimit=260)
        .configure_title(color=INK, fontSize=12, anchor="start", frame="group", fontWeight="bold")
        .configure_header(**text, labelFontWeight="bold", title=None)
    )


def save(chart: Any, folder: Path, name: str) -> list[Path]:
    """Writes `NAME.svg` and `NAME.png` in the project's style; returns their paths."""
    drawn = styled(chart)
    written = []
    for kind in ("svg", "png"):
        path = folder / f"{name}.{kind}"
        with publish(path) as partial:
            if kind == "png":
                drawn.save(partial, format="png", scale_factor=PNG_SCALE)
            else:
                drawn.save(partial, format="svg")
        written.append(path)
    return written
