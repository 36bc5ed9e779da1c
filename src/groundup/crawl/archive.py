"""Archive files to captures, whatever their state: WARC, WET and ARC, compressed or not.

A reader stops at the first damaged byte. Here it goes on: after an error the next place that looks
like the beginning of a record is tried, and what lies between is reported as `Damage`. A file that
was cut short is noticed too; no reader does that by itself.
"""

import io
import mmap
import re
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from fastwarc.warc import ArchiveIterator, WarcRecordType

from groundup.crawl.arc import arc_records, is_arc
from groundup.crawl.tally import Damage

__all__ = ["Capture", "captures"]

_GZIP_MAGIC = b"\x1f\x8b\x08"
_GZIP_START = re.compile(re.escape(_GZIP_MAGIC))
_WARC_START = re.compile(rb"(?<=\n)WARC/\d")
_ARC_START = re.compile(rb"(?<=\n)(?=[a-z]+://[^ \n]+ [\d.:a-f]+ \d{14} )")
_HEAD = re.compile(
    rb"WARC/(?:.*\n)*?content-length:[ \t]*(\d+)[ \t]*\r?\n(?:.+\n)*?\r?\n|[^\n]* (\d+)\s*\n",
    re.IGNORECASE,
)
_HEAD_BYTES = 64 * 2**10
"""Head that an HTTP response may have beyond the page limit."""
_STEP_BYTES = 2**20

_KINDS = (
    (WarcRecordType.response, "response"),
    (WarcRecordType.revisit, "revisit"),
    (WarcRecordType.conversion, "conversion"),
    (WarcRecordType.resource, "resource"),
)


@dataclass(frozen=True, slots=True)
class Capture:
    """One record of interest.

    Attributes:
        kind: `response`, `revisit`, `conversion` or `resource`.
        record_id: As the archive has it, without angle brackets; empty when it has none.
        url: The page's address.
        offset: Of the record in the file, in (compressed) bytes; in an archive compressed as a
            whole, of the place that had been read up to.
        content_type: Of the block: `application/http` for responses.
        block: The record's content; None when it is larger than the limit.
        flaw: Why the block cannot be trusted although it was readable; empty otherwise.
    """

    kind: str
    record_id: str
    url: str
    offset: int
    content_type: str
    block: bytes | None
    flaw: str = ""


_CUT = "the file is cut short"
Attempt = Callable[[Path, int, int | None, int], Iterator[tuple[int, "Capture | str | None"]]]
"""Reads a file between offsets: (offset, capture) for each record; None for one of no interest, and
`_CUT` when the file ends within it. Raises OSError at damage."""


def captures(path: Path, *, source: str, max_page_bytes: int) -> Iterator[Capture | Damage]:
    """Yields everything of interest in an archive, and its damaged places, in order.

    Args:
        path: The file; its format is told by its first bytes.
        source: How damage names the file.
        max_page_bytes: Blocks that must hold a larger page are not read into memory.

    Raises:
        OSError: The file cannot be opened.
    """
    if path.stat().st_size > 0:
        yield from _Reader(path, source, max_page_bytes + _HEAD_BYTES).read()


class _Reader:
    """Reads on after damage; `lost_at` is where the place begins that cannot be read now."""

    def __init__(self, path: Path, source: str, max_block_bytes: int) -> None:
        self._path, self._source = path, source
        self._max_block_bytes = max_block_bytes
        self._size = path.stat().st_size
        with path.open("rb") as file:
            self._compressed = file.read(3) == _GZIP_MAGIC
        self._attempt: Attempt = _arc if is_arc(path) else _warc
        self._start = _ARC_START if self._attempt is _arc else _WARC_START
        if self._compressed:
            self._start = _GZIP_START
        self._n_read = 0
        self._last = 0
        self._lost_at: int | None = None
        self._reason = ""

    def read(self) -> Iterator[Capture | Damage]:
        """Yields what `captures` does."""
        position = 0
        while position < self._size:
            n_before = self._n_read
            try:
                yield from self._read_from(position, None)
                break
            except OSError as error:
                self._reason = str(error)
            read_any = self._n_read > n_before
            if self._compressed:
                after = _member_end(self._path, self._last) if read_any else position
                start = self._next_start(self._last + 1) if after is None else after
                position = yield from self._read_carefully(start)
                continue
            if self._lost_at is None:
                self._lost_at = self._end_of_last() if read_any else position
            position = self._next_start((self._last if read_any else position) + 1)
        if self._lost_at is None and self._n_read:
            self._lost_at, self._reason = self._cut_at(), _CUT
        if self._lost_at is not None:
            yield self._damage_until(self._size)

    def _cut_at(self) -> int | None:
        """Where the record begins that the file ends in the middle of, unnoticed so far."""
        if self._compressed:
            return _cut_member(self._path, self._last)
        end = self._end_of_last()
        with self._path.open("rb") as file:
            file.seek(end)
            return end if file.read(_HEAD_BYTES).strip() else None

    def _end_of_last(self) -> int:
        """Where the last whole record of an uncompressed file ends."""
        with self._path.open("rb") as file:
            file.seek(self._last)
            head = _HEAD.match(file.read(_HEAD_BYTES))
        # Two line ends follow the block of a WARC record, one that of an ARC record.
        return min(self._last + head.end() + int(head[1] or head[2]), self._size) if head else 0

    def _read_carefully(self, position: int) -> Generator[Capture | Damage, None, int]:
        """Reads member by member until one after the damage is whole; returns where that ends.

        A reader inflates ahead, so that its error comes before the last whole records.
        """
        while position < self._size:
            end = _member_end(self._path, position)
            passed = self._lost_at is not None
            try:
                if end is not None:
                    yield from self._read_from(position, end)
                    position = end
                    if passed:
                        return position
                    continue
            except OSError as error:
                self._reason = str(error)
            self._lost_at = position if self._lost_at is None else self._lost_at
            position = self._next_start(position + 1)
        return position

    def _read_from(self, position: int, end: int | None) -> Iterator[Capture | Damage]:
        for offset, capture in self._attempt(self._path, position, end, self._max_block_bytes):
            if self._lost_at is not None:
                yield self._damage_until(offset)
            if isinstance(capture, str):
                self._lost_at, self._reason = offset, capture
                return
            self._n_read += 1
            self._last = offset
            if isinstance(capture, Capture):
                yield capture

    def _damage_until(self, end: int) -> Damage:
        assert self._lost_at is not None
        damage = Damage(self._source, self._lost_at, end - self._lost_at, self._reason)
        self._lost_at = None
        return damage

    def _next_start(self, position: int) -> int:
        """Offset of the next thing that looks like the start of a record; the size if none."""
        following = _find(self._path, self._start, position)
        return self._size if following is None else following


def _find(path: Path, pattern: re.Pattern[bytes], start: int) -> int | None:
    """Offset of the first match at or after `start`."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found = pattern.search(data, start)
        return found.start() if found else None


def _member_end(path: Path, start: int) -> int | None:
    """Where the gzip member that begins at an offset ends; None when it is damaged or cut."""
    with path.open("rb") as file:
        file.seek(start)
        inflater = zlib.decompressobj(31)
        while not inflater.eof:
            data = file.read(_STEP_BYTES)
            if not data:
                return None
            try:
                inflater.decompress(data)
            except zlib.error:
                return None
        return file.tell() - len(inflater.unused_data)


def _cut_member(path: Path, start: int) -> int | None:
    """Offset of the gzip member that the file ends in the middle of, or None.

    Args:
        path: The file.
        start: Offset of the last record read; an archive that is one member is read as a whole.
    """
    with path.open("rb") as file:
        file.seek(start)
        position: int | None = start if file.read(3) == _GZIP_MAGIC else 0
    size, member = path.stat().st_size, 0
    while position is not None and position < size:
        member, position = position, _member_end(path, position)
    return member if position is None else None


def _warc(
    path: Path, start: int, end: int | None, max_block_bytes: int
) -> Iterator[tuple[int, Capture | str | None]]:
    """FastWARC from an offset on; raises OSError at damage."""
    with path.open("rb") as opened:
        opened.seek(start)
        file = opened if end is None else io.BytesIO(opened.read(end - start))
        records = ArchiveIterator(file, record_types=WarcRecordType.any_type, parse_http=False)
        for record in records:
            # Of an open file FastWARC knows the position, of bytes in memory it begins at 0.
            offset = record.stream_pos + (0 if end is None else start)
            kind = next((name for flag, name in _KINDS if record.record_type == flag), "")
            # A head without this is one that the file ends in.
            length = _length(record.headers.get("Content-Length"))
            wanted = kind and length <= max_block_bytes
            block = record.reader.read() if wanted else None
            got = len(block) if block is not None else record.reader.consume()
            if got is not None and got < length:
                yield offset, _CUT
                return
            if not kind:
                yield offset, None
                continue
            flaw = ""
            if record.headers.get("WARC-Truncated"):
                flaw = "cut by the crawler"
            elif block is not None and (record.headers.get("WARC-Block-Digest") or "").startswith(
                "sha1:"
            ):
                record.set_bytes_content(block)
                flaw = "" if record.verify_block_digest() else "block digest differs"
            yield (
                offset,
                Capture(
                    kind,
                    (record.headers.get("WARC-Record-ID") or "").strip("<> "),
                    (record.headers.get("WARC-Target-URI") or "").strip("<> "),
                    offset,
                    record.headers.get("Content-Type") or "",
                    block,
                    flaw,
                ),
            )


def _length(value: str | None) -> int:
    if value is None or not value.strip().isdigit():
        raise OSError("a record has no Content-Length")
    return int(value)


def _arc(
    path: Path, start: int, end: int | None, max_block_bytes: int
) -> Iterator[tuple[int, Capture | str | None]]:
    for record in arc_records(path, start, max_block_bytes, end=end):
        if record.cut:
            yield record.offset, _CUT
            return
        http = record.url.startswith(("http://", "https://"))
        kind = "application/http" if http else record.media_type
        capture = Capture("response", "", record.url, record.offset, kind, record.block)
        yield record.offset, None if record.url.startswith("filedesc:") else capture
