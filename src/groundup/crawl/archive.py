"""Archive files to captures, whatever their state: WARC, WET and ARC, compressed or not.

A reader stops at the first damaged byte. Here it goes on: after an error the next place that looks
like the beginning of a record is tried, and what lies between is reported as `Damage`. A file that
was cut short is noticed too; no reader does that by itself.
"""

import mmap
import re
import zlib
from collections.abc import Callable, Iterator
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


Attempt = Callable[[Path, int, int], Iterator[tuple[int, "Capture | Damage | None"]]]
"""Reads a file from an offset: (offset, capture or None when of no interest) for each record."""


def captures(path: Path, *, source: str, max_page_bytes: int) -> Iterator[Capture | Damage]:
    """Yields everything of interest in an archive, and its damaged places, in order.

    Args:
        path: The file; its format is told by its first bytes.
        source: How damage names the file.
        max_page_bytes: Blocks that must hold a larger page are not read into memory.

    Raises:
        OSError: The file cannot be opened.
    """
    size = path.stat().st_size
    if size == 0:
        return
    with path.open("rb") as file:
        compressed = file.read(3) == _GZIP_MAGIC
    attempt, start_pattern = (_arc, _ARC_START) if is_arc(path) else (_warc, _WARC_START)
    if compressed:
        start_pattern = _GZIP_START
    position, last, lost_at, reason = 0, None, None, ""
    while position < size:
        read_any = False
        try:
            for offset, capture in attempt(path, position, max_page_bytes + _HEAD_BYTES):
                if lost_at is not None:
                    yield Damage(source, lost_at, offset - lost_at, reason)
                    lost_at = None
                read_any, last = True, offset
                if isinstance(capture, Damage):
                    yield Damage(source, capture.offset, size - capture.offset, capture.reason)
                    return
                if capture is not None:
                    yield capture
            break
        except OSError as error:
            reason = str(error)
        following = _find(path, start_pattern, (last or 0) + 1 if read_any else position + 1)
        if lost_at is None:
            lost_at = following if read_any and following is not None else position
        position = size if following is None else following
    if lost_at is not None:
        yield Damage(source, lost_at, size - lost_at, reason)
    elif last is not None and compressed:
        cut = _cut_member(path, last)
        if cut is not None:
            yield Damage(source, cut, size - cut, "the file is cut short")


def _find(path: Path, pattern: re.Pattern[bytes], start: int) -> int | None:
    """Offset of the first match at or after `start`."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found = pattern.search(data, start)
        return found.start() if found else None


def _cut_member(path: Path, start: int) -> int | None:
    """Offset of the gzip member that the file ends in the middle of, or None.

    Args:
        start: Offset of the last record read; an archive that is one member is read as a whole.
    """
    with path.open("rb") as file:
        file.seek(start)
        if file.read(3) != _GZIP_MAGIC:
            start = 0
        file.seek(start)
        member, inflater, data = start, zlib.decompressobj(31), file.read(_STEP_BYTES)
        try:
            while data:
                inflater.decompress(data)
                if not inflater.eof:
                    data = file.read(_STEP_BYTES)
                    continue
                rest = inflater.unused_data
                member = file.tell() - len(rest)
                data = rest.lstrip(b"\0") or file.read(_STEP_BYTES)
                inflater = zlib.decompressobj(31)
                if not data:
                    return None
        except zlib.error:
            return member
    return member


def _warc(
    path: Path, start: int, max_block_bytes: int
) -> Iterator[tuple[int, Capture | Damage | None]]:
    """FastWARC from an offset; raises OSError at damage."""
    with path.open("rb") as file:
        file.seek(start)
        records = ArchiveIterator(
            file, record_types=WarcRecordType.any_type, parse_http=False, buffer_size=_STEP_BYTES
        )
        for record in records:
            offset = start + record.stream_pos
            kind = next((name for flag, name in _KINDS if record.record_type == flag), "")
            length = int(record.headers.get("Content-Length", "0"))
            wanted = kind and length <= max_block_bytes
            block = record.reader.read() if wanted else None
            got = len(block) if block is not None else record.reader.consume()
            if got is not None and got < length:
                yield offset, Damage("", offset, 0, "the file is cut short")
                return
            if not kind:
                yield offset, None
                continue
            flaw = ""
            if record.headers.get("WARC-Truncated"):
                flaw = "cut by the crawler"
            elif block is not None and record.headers.get("WARC-Block-Digest", "")[:5] == "sha1:":
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


def _arc(
    path: Path, start: int, max_block_bytes: int
) -> Iterator[tuple[int, Capture | Damage | None]]:
    for record in arc_records(path, start, max_block_bytes):
        if record.cut:
            yield record.offset, Damage("", record.offset, 0, "the file is cut short")
            return
        http = record.url.startswith(("http://", "https://"))
        kind = "application/http" if http else record.media_type
        capture = Capture("response", "", record.url, record.offset, kind, record.block)
        yield record.offset, None if record.url.startswith("filedesc:") else capture
