"""Append-only files of one JSON object a line, of which a crash may cut the last."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["drop_cut_line", "read_rows"]


def drop_cut_line(path: Path) -> None:
    """Removes a last line without its end, so that the next one does not run on from it."""
    if not path.exists():
        return
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The objects in order, without lines that a crash has damaged; none when there is no file."""
    if not path.exists():
        return
    for line in path.read_bytes().split(b"\n"):
        try:
            row = json.loads(line)
        except ValueError:  # not JSON, or not UTF-8
            continue
        if isinstance(row, dict):
            yield row
