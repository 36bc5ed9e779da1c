"""Measurements of a run: `metrics.jsonl`, one object a line, append only."""

import json
import math
import time
from collections.abc import Iterator
from pathlib import Path

from groundup.core.lines import drop_cut_line, read_rows

__all__ = ["Metrics", "read_metrics"]


class Metrics:
    """Appends lines such as `{"step": 100, "time_s": 12.3, "train/loss_nats": 4.21}`.

    `time_s` counts the seconds that this run was really worked on: after a resume it goes on from
    the last line.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        drop_cut_line(path)
        last = 0.0
        for row in read_metrics(path):
            last = max(last, float(row.get("time_s", 0.0)))
        self._start = time.monotonic() - last

    @property
    def elapsed_s(self) -> float:
        """Seconds of work on this run so far."""
        return time.monotonic() - self._start

    def log(self, step: int, **values: float | int | str) -> None:
        """Appends one line; a name like `train__loss_nats` is written `train/loss_nats`."""
        row: dict[str, object] = {"step": step, "time_s": round(self.elapsed_s, 3)}
        for name, value in values.items():
            finite = not isinstance(value, float) or math.isfinite(value)
            row[name.replace("__", "/")] = value if finite else str(value)
        with self._path.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(row) + "\n")


def read_metrics(path: Path) -> Iterator[dict[str, float]]:
    """All lines of a metrics file in order; a last line cut short by a crash is left out.

    After a resume a step may occur twice, with equal values; the later line is the valid one.
    """
    yield from read_rows(path)
