"""A folder of files to pages: HTML, text, Markdown, JSON lines and Parquet.

A text file is one page; a line of JSON or a row of Parquet is one page of plain text. Every row is
either a page or counted with the reason why it is none.
"""

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from groundup.core.config import expand_paths
from groundup.core.errors import DataError
from groundup.core.records import Page
from groundup.crawl.pages import page_id, write_shard
from groundup.crawl.tally import Damage

__all__ = ["ENDINGS", "file_to_shard", "folder_files"]

_MEDIA_TYPES = {
    ".html": "text/html",
    ".htm": "text/html",
    ".xhtml": "text/html",
    ".txt": "text/plain",
    ".md": "text/plain",
    ".markdown": "text/plain",
    ".rst": "text/plain",
}
_COMPRESSED = (".gz", ".zst")
_ROWS = (".jsonl", ".ndjson", ".parquet")
ENDINGS = (*_MEDIA_TYPES, *_ROWS)
"""Endings of files that are read; all but Parquet also with .gz or .zst behind."""
_BATCH_ROWS = 1024


def _ending(path: Path) -> str:
    """A file's ending without that of its compression."""
    name = Path(path.stem) if path.suffix.lower() in _COMPRESSED else path
    return name.suffix.lower()


def folder_files(patterns: tuple[str, ...]) -> list[Path]:
    """Files to read, in order: those named, and in folders all with a known ending, at any depth.

    Hidden files and folders are left out.

    Raises:
        DataError: There are none.
    """
    found: dict[Path, None] = {}
    for path in expand_paths(patterns):
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in inside:
            hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
            if file.is_file() and not hidden and _ending(file) in ENDINGS:
                found[file] = None
    if not found:
        raise DataError(
            f"there is nothing to read in {', '.join(patterns)}",
            hint=f"files must end in {' '.join(ENDINGS)}; JSON lines and text may be compressed",
            source=patterns[0],
        )
    return list(found)


def file_to_shard(
    paths: list[Path], target: Path, text_field: str, max_page_bytes: int
) -> dict[str, Any]:
    """Reads files into one Parquet file; returns the tally as JSON, for the other process."""

    def items() -> Iterator[Page | str | Damage]:
        for path in paths:
            yield from _items(path, text_field, max_page_bytes)

    return write_shard(target, items()).to_json()


def _items(path: Path, text_field: str, max_page_bytes: int) -> Iterator[Page | str]:
    rows = _rows(path, text_field, max_page_bytes)
    number = -1
    while True:
        number += 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except (OSError, EOFError, zlib.error, pa.ArrowException):
            yield "unreadable file"
            return
        if isinstance(row, str):
            yield row
        elif not row.strip():
            yield "empty"
        elif len(row) > max_page_bytes:
            yield "larger than max_page_bytes"
        else:
            yield _page(path, number, row)


def _page(path: Path, number: int, payload: bytes) -> Page:
    source = path.as_posix()
    whole = _ending(path) in _MEDIA_TYPES
    # Rows are UTF-8 by definition; of a file nothing is declared.
    return Page(
        id=page_id(source, number),
        url=path.resolve().as_uri() + ("" if whole else f"#{number}"),
        source=source,
        offset=number,
        media_type=_MEDIA_TYPES.get(_ending(path), "text/plain"),
        charset="" if whole else "utf-8",
        payload=payload,
    )


def _rows(path: Path, text_field: str, max_page_bytes: int) -> Iterator[bytes | str]:
    """Text of each row, or why it has none."""
    ending = _ending(path)
    if ending == ".parquet":
        yield from _parquet_rows(path, text_field)
        return
    with _open(path) as stream:
        if ending in _MEDIA_TYPES:
            yield stream.read(max_page_bytes + 1)
            return
        for line in stream:
            if line.strip():
                yield _json_text(line, text_field)


def _open(path: Path) -> BinaryIO:
    """Opens a file, decompressing by its ending."""
    ending = path.suffix.lower()
    if ending == ".gz":
        return io.BufferedReader(gzip.open(path, "rb"))
    if ending == ".zst":
        return io.BufferedReader(pa.CompressedInputStream(path.open("rb"), "zstd"))
    return path.open("rb")


def _json_text(line: bytes, text_field: str) -> bytes | str:
    try:
        row = json.loads(line)
    except ValueError:  # also UnicodeDecodeError
        return "line is not JSON"
    text = row.get(text_field) if isinstance(row, dict) else None
    if not isinstance(text, str):
        return f"row has no text in {text_field!r}"
    # A lone surrogate, which JSON can spell, is no text.
    return text.encode("utf-8", "replace")


def _parquet_rows(path: Path, text_field: str) -> Iterator[bytes | str]:
    with pq.ParquetFile(path) as file:
        if text_field not in file.schema_arrow.names:
            raise DataError(
                f"{path} has no column {text_field!r}",
                hint=f"set text_field to one of: {', '.join(file.schema_arrow.names)}",
                source=str(path),
            )
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=[text_field]):
            for value in batch.column(0).to_pylist():
                if isinstance(value, str):
                    yield value.encode()
                else:
                    yield (
                        value if isinstance(value, bytes) else f"row has no text in {text_field!r}"
                    )
