"""Finished shards of a run: `shards.jsonl` says which, so that a rerun skips them."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from groundup.core.lines import drop_cut_line, read_rows

__all__ = ["Shards"]


class Shards:
    """The append-only list of finished shards in one run directory.

    A line is `{"shard": "pages-0003", "path": "pages/0003.parquet", "rows": 812, "size_bytes": ...,
    "sha256": ..., "stats": {...}}`. A line whose file is gone or has another size does not count,
    nor does a last line cut short by a crash.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self._file = run / "shards.jsonl"
        self._rows: dict[str, dict[str, Any]] = {}
        drop_cut_line(self._file)
        for row in read_rows(self._file):
            if self._is_there(row):
                self._rows[row["shard"]] = row

    def _is_there(self, row: dict[str, Any]) -> bool:
        path = self._run / row["path"]
        return path.is_file() and bool(path.stat().st_size == row["size_bytes"])

    def __contains__(self, shard: str) -> bool:
        return shard in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self) -> list[dict[str, Any]]:
        """Finished shards, ordered by name."""
        return [self._rows[name] for name in sorted(self._rows)]

    def add(self, shard: str, path: Path, *, rows: int, **stats: Any) -> None:
        """Notes a shard whose file has been published whole."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        row = {
            "shard": shard,
            "path": path.relative_to(self._run).as_posix(),
            "rows": rows,
            "size_bytes": path.stat().st_size,
            "sha256": digest,
            "stats": stats,
        }
        with self._file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(row) + "\n")
            lines.flush()
            os.fsync(lines.fileno())
        self._rows[shard] = row
