"""The only module that draws: progress bars, tables, log lines, errors.

On a terminal a bar, and below it a curve; elsewhere one plain line every `LINE_EVERY_S` seconds.
Progress and log go to standard error, results to standard output.
"""

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, RenderableType
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from groundup.core.curve import Curve
from groundup.core.errors import GroundupError

__all__ = [
    "Bar",
    "duration",
    "error",
    "install_logging",
    "log_to_file",
    "progress",
    "say",
    "silence",
    "table",
]

LINE_EVERY_S = 15.0
WIDE_TERMINAL = 76  # columns from which a bar is shown in full
CURVE_WIDTH, LEAST_CURVE_WIDTH = 48, 8
WIDTH_ELSEWHERE = 140  # columns of tables in files and pipes, where there is no terminal to ask

_err = Console(stderr=True, highlight=False, soft_wrap=True)
_out = Console(
    highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else WIDTH_ELSEWHERE
)


def duration(seconds: float) -> str:
    """Seconds for people: `8.2 s`, `3 min 20 s`, `2 h 5 min`."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


class _TwoLines(Progress):
    """The bar, and below it what `Bar.second_line` says."""

    def __init__(self, bar: "Bar", unit: str) -> None:
        self._said_by = bar
        wide = _err.width >= WIDE_TERMINAL
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(bar_width=40 if wide else 10),
            MofNCompleteColumn(),
            *([TextColumn(unit), TextColumn("eta")] if wide else []),
            TimeRemainingColumn(compact=True),
            console=_err,
            transient=True,
        )

    def get_renderables(self) -> Iterator[RenderableType]:
        """Drawn about ten times a second."""
        yield from super().get_renderables()
        yield Text(self._said_by.second_line(_err.width), no_wrap=True, overflow="ellipsis")


class Bar:
    """A running progress display; `update` is cheap enough for every item."""

    def __init__(self, label: str, total: int, unit: str) -> None:
        self._label, self._total, self._unit = label, total, unit
        self._done = 0
        self._resumed = 0
        self._info = ""
        self._start = time.monotonic()
        self._next_line = self._start + LINE_EVERY_S
        self._curve = Curve()
        self._bar: Progress | None = None
        if _err.is_terminal:
            self._bar = _TwoLines(self, unit)
            self._task = self._bar.add_task(label, total=total)
            self._bar.start()

    def second_line(self, width: int) -> str:
        """What is shown below the bar: the curve so far, then the last info."""
        room = width - len(self._info) - 1
        curve = self._curve.drawn(min(room, CURVE_WIDTH)) if room >= LEAST_CURVE_WIDTH else ""
        return f"{curve} {self._info}" if curve else self._info

    def resume_at(self, done: int) -> None:
        """Says that `done` items were finished by an earlier process; they do not count as rate."""
        self._done = self._resumed = done
        if self._bar is not None:
            self._bar.update(self._task, completed=done)

    def go_back_to(self, done: int) -> None:
        """Says that items after `done` have to be finished again."""
        self._done = done
        self._resumed = min(self._resumed, done)
        if self._bar is not None:
            self._bar.update(self._task, completed=done)

    def update(self, advance: int = 1, info: str = "", value: float | None = None) -> None:
        """Counts finished items.

        Args:
            advance: How many.
            info: Shown beside the bar, such as a loss; the last one stays.
            value: What the curve on a terminal follows, such as the loss as a number.
        """
        self._done += advance
        self._info = info or self._info
        if value is not None:
            self._curve.add(value)
        if self._bar is not None:
            self._bar.update(self._task, advance=advance)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + LINE_EVERY_S
            _err.print(self._line(), markup=False)

    def _line(self) -> str:
        seconds = time.monotonic() - self._start
        rate = (self._done - self._resumed) / max(seconds, 1e-9)
        left = (self._total - self._done) / rate if rate > 0 else float("inf")
        eta = f", {duration(left)} left" if 0 < left < float("inf") else ""
        info = f", {self._info}" if self._info else ""
        return f"  {self._label}: {self._done:,} of {self._total:,} {self._unit}{eta}{info}"

    def close(self) -> None:
        """Removes the bar."""
        if self._bar is not None:
            self._bar.stop()


@contextmanager
def progress(label: str, total: int, unit: str) -> Iterator[Bar]:
    """Shows how far a loop is; yields the bar to update."""
    bar = Bar(label, total, unit)
    try:
        yield bar
    finally:
        bar.close()


def say(text: str = "") -> None:
    """Prints a result line to standard output."""
    _out.print(text, markup=False)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints a table to standard output; columns of numbers are right-aligned, words left."""
    drawn = Table(title=title, title_justify="left", title_style="bold")
    for index, name in enumerate(columns):
        numbers = all(_is_number(str(row[index])) for row in rows)
        drawn.add_column(name, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(str(cell)) for cell in row))  # Text: brackets are no markup
    _out.print(drawn)


def _is_number(cell: str) -> bool:
    """Whether a cell is a number, perhaps with a unit or an interval; an empty one may be."""
    return not cell or cell.lstrip("+-")[:1].isdigit()


def silence() -> None:
    """From here on only `error` is seen: for processes whose work another one reports."""
    _out.quiet = _err.quiet = True
    logging.getLogger("groundup").setLevel(logging.CRITICAL)


def error(problem: GroundupError) -> None:
    """Prints an error and its hint to standard error."""
    _err.quiet = False
    _err.print(f"error: {problem.message}", style="bold red", markup=False)
    if problem.hint:
        _err.print(f" hint: {problem.hint}", markup=False)


def install_logging(*, debug: bool = False) -> None:
    """Routes the log to the console; called by the command line, never on import."""
    handler: logging.Handler
    if _err.is_terminal:
        handler = RichHandler(console=_err, show_time=False, show_path=False, show_level=False)
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("groundup")
    logger.handlers = [handler]
    logger.setLevel(logging.DEBUG if debug else logging.INFO)
    logger.propagate = False


@contextmanager
def log_to_file(path: Path) -> Iterator[None]:
    """While inside, the log also goes to a file, without colour."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("groundup")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
