"""Captures to pages: the rules by which a record becomes a page, and the Parquet shard."""

import hashlib
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from groundup.core.artifact import publish
from groundup.core.errors import DataError
from groundup.core.records import PAGE_COLUMNS, Page
from groundup.crawl.archive import Capture, captures
from groundup.crawl.message import media_type_of, parse_response, undo_encodings
from groundup.crawl.tally import Damage, Tally

__all__ = ["PageWriter", "archive_to_shard", "page_id", "page_of", "write_shard"]

log = logging.getLogger(__name__)

_GROUP_BYTES = 16 * 2**20
"""Payload of a Parquet row group: what a reader must hold in memory at once."""
_SCHEMA = pa.schema([(name, getattr(pa, kind)()) for name, kind in PAGE_COLUMNS.items()])


class PageWriter:
    """Writes pages to one Parquet file, zstd-compressed."""

    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(path, _SCHEMA, compression="zstd")
        self._rows: list[Page] = []
        self._held_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._flush()
        self._writer.close()

    def add(self, page: Page) -> None:
        """Appends a page."""
        self._rows.append(page)
        self._held_bytes += len(page.payload)
        if self._held_bytes >= _GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            columns = {name: [getattr(row, name) for row in self._rows] for name in PAGE_COLUMNS}
            self._writer.write_table(pa.table(columns, schema=_SCHEMA))
        self._rows, self._held_bytes = [], 0


def page_id(source: str, offset: int) -> str:
    """The id of a page whose record has none."""
    return "sha256:" + hashlib.sha256(f"{source}\n{offset}".encode()).hexdigest()


def page_of(capture: Capture, *, source: str, max_page_bytes: int) -> Page | str:
    """The page in a capture, or the reason why there is none."""
    if capture.kind == "revisit":
        return "revisit of an earlier capture"
    if capture.block is None:
        return "larger than max_page_bytes"
    if capture.flaw:
        return capture.flaw
    declared, payload = capture.content_type, capture.block
    if capture.kind == "response" and declared.startswith("application/http"):
        answer = _open_response(capture.block, max_page_bytes)
        if isinstance(answer, str):
            return answer
        declared, payload = answer
    media_type, charset = media_type_of(declared, payload)
    if not media_type:
        return "neither HTML nor plain text"
    if not payload.strip():
        return "empty"
    if len(payload) > max_page_bytes:
        return "larger than max_page_bytes"
    return Page(
        id=capture.record_id or page_id(source, capture.offset),
        url=capture.url,
        source=source,
        offset=capture.offset,
        media_type=media_type,
        charset=charset or ("utf-8" if capture.kind == "conversion" else ""),
        payload=payload,
    )


def _open_response(block: bytes, max_page_bytes: int) -> tuple[str, bytes] | str:
    """Declared media type and payload of a successful response, or why it is no page."""
    try:
        response = parse_response(block)
    except DataError:
        return "unreadable HTTP"
    if response.status != 200:
        return "status not 200"
    declared = response.headers.get("content-type", "")
    if declared and not media_type_of(declared, b"")[0]:
        return "neither HTML nor plain text"
    try:
        body = undo_encodings(response, max_bytes=max_page_bytes)
    except DataError:
        return "undecodable body"
    return (declared, body.payload) if body.whole else "larger than max_page_bytes"


def write_shard(target: Path, items: Iterable[Page | str | Damage]) -> Tally:
    """Writes the pages among `items` to a Parquet file, whole or not at all, and counts the rest.

    Args:
        target: The file.
        items: Pages, reasons why something is no page, and damaged places.
    """
    tally = Tally()
    with publish(target) as partial, PageWriter(partial) as writer:
        for item in items:
            if isinstance(item, Page):
                writer.add(item)
                tally.pages += 1
                tally.size_bytes += len(item.payload)
            elif isinstance(item, Damage):
                tally.damage.append(item)
            else:
                tally.dropped[item] += 1
    return tally


def archive_to_shard(path: Path, source: str, target: Path, max_page_bytes: int) -> dict[str, Any]:
    """Reads an archive into a Parquet file; returns its tally as JSON, for the other process.

    Raises:
        DataError: There is not one record in the file.
    """
    tally = write_shard(target, _items(path, source, max_page_bytes))
    if tally.read == 0 and not tally.damage:
        log.warning("%s holds no response, conversion or resource record", source)
    return tally.to_json()


def _items(path: Path, source: str, max_page_bytes: int) -> Iterator[Page | str | Damage]:
    for item in captures(path, source=source, max_page_bytes=max_page_bytes):
        if isinstance(item, Damage):
            yield item
        else:
            yield page_of(item, source=source, max_page_bytes=max_page_bytes)
