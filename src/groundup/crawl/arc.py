"""The ARC format, which the web was archived in before WARC.

A record is one line (`URL IP-address date media-type length`, in version 2 with more fields in the
middle, the length last) and `length` bytes of content, then a line feed; the first record describes
the file. Compressed archives have a gzip member for each record, or one for all.

Source: Internet Archive, "ARC File Format", version 1.0 of 1996 and 2.0.
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

__all__ = ["ArcRecord", "arc_records", "is_arc"]

_HEADER = re.compile(rb"(\S+) \S+ \d{8,17} (\S+)(?: .*)? (\d+)\s*\n")
_MAX_HEADER_BYTES = 16 * 2**10
_STEP_BYTES = 64 * 2**10
_ARC_MAGIC = b"filedesc://"
_GZIP_MAGIC = b"\x1f\x8b\x08"


@dataclass(frozen=True, slots=True)
class ArcRecord:
    """One record.

    Attributes:
        offset: Of the record, or of its gzip member, in the file.
        block: The content, an HTTP response for web pages; None when larger than the limit.
        cut: Whether the file ended before the content did.
    """

    offset: int
    url: str
    media_type: str
    block: bytes | None
    cut: bool


class _Stream:
    """Bytes of a file from an offset on, gzip members undone; knows where each record began."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        file.seek(start)
        self._file = file
        self._compressed = file.peek(3)[:3] == _GZIP_MAGIC if hasattr(file, "peek") else False
        self._inflater = zlib.decompressobj(31)
        self._pending = b""
        self._buffer = bytearray()
        self._read = start
        self._member = start
        self._next_member = start

    @property
    def offset(self) -> int:
        """Of the next byte, or of the gzip member that it is in."""
        if not self._compressed:
            return self._read - len(self._buffer)
        return self._member if self._buffer else self._next_member

    def fill(self, size: int) -> bool:
        """Makes `size` bytes ready; false when the file has fewer."""
        while len(self._buffer) < size:
            data = self._pending or self._file.read(_STEP_BYTES)
            if not data:
                return False
            if not self._pending:
                self._read += len(data)
            self._pending = b""
            self._buffer += self._inflate(data) if self._compressed else data
        return True

    def _inflate(self, data: bytes) -> bytes:
        if not self._buffer:
            self._member = self._next_member
        try:
            plain = self._inflater.decompress(data)
        except zlib.error as error:
            raise OSError(f"gzip: {error}") from error
        if self._inflater.eof:
            self._pending = self._inflater.unused_data
            self._next_member = self._read - len(self._pending)
            self._inflater = zlib.decompressobj(31)
        return plain

    def line(self) -> bytes:
        """The next line with its end; shorter at the end of the file."""
        size = _MAX_HEADER_BYTES
        while b"\n" not in self._buffer and len(self._buffer) < size:
            if not self.fill(len(self._buffer) + 1):
                break
        end = self._buffer.find(b"\n") + 1 or len(self._buffer)
        return self.take(end)

    def take(self, size: int) -> bytes:
        """Up to `size` bytes."""
        self.fill(size)
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def skip(self, size: int) -> int:
        """Leaves out bytes; returns how many there were."""
        left = size
        while left and (taken := len(self.take(min(left, _STEP_BYTES)))):
            left -= taken
        return size - left


def is_arc(path: Path) -> bool:
    """Whether a file begins as an ARC archive does."""
    with path.open("rb") as file:
        compressed = file.read(3) == _GZIP_MAGIC
        file.seek(0)
        start = file.read(_STEP_BYTES)
    if compressed:
        try:
            start = zlib.decompressobj(31).decompress(start, len(_ARC_MAGIC))
        except zlib.error:
            return False
    return start.startswith(_ARC_MAGIC)


def arc_records(
    path: Path, start: int, max_block_bytes: int, *, end: int | None = None
) -> Iterator[ArcRecord]:
    """Yields the records that begin between two offsets, the first at `start`.

    Raises:
        OSError: The bytes are no ARC record, or a gzip member is damaged.
    """
    with path.open("rb") as file:
        stream = _Stream(file, start)
        while stream.fill(1):
            offset = stream.offset
            if end is not None and offset >= end:
                return
            line = stream.line()
            if not line.strip():
                continue
            header = _HEADER.fullmatch(line)
            if header is None:
                if not stream.fill(1) and not line.endswith(b"\n"):
                    yield ArcRecord(offset, "", "", None, cut=True)
                    return
                raise OSError("not the header of an ARC record")
            length = int(header[3])
            block = stream.take(length) if length <= max_block_bytes else None
            got = len(block) if block is not None else stream.skip(length)
            url, kind = header[1].decode("utf-8", "replace"), header[2].decode("latin-1")
            yield ArcRecord(offset, url, kind, block, cut=got < length)
