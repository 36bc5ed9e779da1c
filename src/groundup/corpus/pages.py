"""Numbered pages: every page of a crawl has one number, whatever machine looks at it.

A page's number is `shard * 2**32 + row`: unique, in crawl order, and an integer, which is what
joins and group-bys want. "The first document" always means the one with the smallest number.
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from groundup.core.errors import DataError
from groundup.core.records import PAGE_COLUMNS

__all__ = ["RowWriter", "Shard", "list_shards", "page_slice", "read_rows", "row_writer", "whole"]

ROW_BITS = 32
ROWS_PER_GROUP = 1_000  # of what we write: fixed, so that equal rows give equal bytes
ROWS_PER_READ = 64  # pages of up to some megabytes each


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of the crawl."""

    number: int
    path: str
    rows: int

    @property
    def name(self) -> str:
        """Its number, as in file names."""
        return f"{self.number:05d}"

    @property
    def first_page(self) -> int:
        """Number of its first page."""
        return self.number << ROW_BITS


def list_shards(files: list[Path], *, source: Path) -> list[Shard]:
    """Numbers the files of a crawl in order of name.

    Raises:
        DataError: No file, or one that is not a file of pages.
    """
    if not files:
        raise DataError(f"{source} has no pages", hint="build the crawl again", source=str(source))
    shards = []
    for number, path in enumerate(files):
        try:
            file = pq.ParquetFile(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise DataError(
                f"{path} cannot be read as Parquet: {error}",
                hint=f"delete {source} and run its recipe again",
                source=str(path),
            ) from error
        missing = set(PAGE_COLUMNS) - set(file.schema_arrow.names)
        if missing:
            raise DataError(
                f"{path} has no column {sorted(missing)[0]}",
                hint="corpus reads the run of a crawl",
                source=str(path),
            )
        shards.append(Shard(number, str(path), file.metadata.num_rows))
    return shards


def read_rows(path: Path | str, columns: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows of a Parquet file with their number in it, a few in memory at a time."""
    number = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=ROWS_PER_READ, columns=columns):
            for row in batch.to_pylist():
                yield number, row
                number += 1


def page_slice(folder: Path, shard: Shard, columns: list[str]) -> list[dict[str, Any]]:
    """Rows of a folder of Parquet files whose `page` lies in a shard."""
    end = (shard.number + 1) << ROW_BITS
    inside = [("page", ">=", shard.first_page), ("page", "<", end)]
    table = pq.read_table(folder, columns=columns, filters=inside)
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yields a partial path of a unique name; renames it to `path` when written whole.

    Workers of a killed run may still be writing the same file, hence the unique name. The folder
    must exist: such a worker must not bring back a folder that has been removed.
    """
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
    try:
        yield partial
        if partial.exists():
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


class RowWriter:
    """Writes rows to one Parquet file in groups of a fixed size; no file for no rows."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path, self._schema = path, schema
        self._rows: list[dict[str, Any]] = []
        self._writer: pq.ParquetWriter | None = None
        self.n_rows = 0

    def add(self, row: dict[str, Any]) -> None:
        """Appends one row; keys that are not columns are left out."""
        self._rows.append(row)
        self.n_rows += 1
        if len(self._rows) == ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, self._schema, compression="zstd")
        self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows.clear()

    def close(self, *, keep_empty: bool) -> None:
        """Writes what is left; with `keep_empty` there is a file even without rows."""
        if self._rows or (keep_empty and self._writer is None):
            self._flush()
        if self._writer is not None:
            self._writer.close()


@contextmanager
def row_writer(path: Path, schema: pa.Schema, *, keep_empty: bool = True) -> Iterator[RowWriter]:
    """A `RowWriter` whose file appears at `path` when all is written."""
    with whole(path) as partial:
        writer = RowWriter(partial, schema)
        yield writer
        writer.close(keep_empty=keep_empty)
