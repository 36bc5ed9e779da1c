"""Writes WARC/1.1, one gzip member for each record, and goes on after a crash.

Each fetched URL becomes a request record and a response record. Record ids are UUIDs derived from a
namespace and the URL, so that a crawl that is killed and goes on writes the ids it would have
written. The payload stays as it was sent; where the transfer was chunked, the chunks are joined and
the header is renamed `X-Crawl-Transfer-Encoding`, as Common Crawl does.

Source: ISO 28500:2017 (WARC 1.1), annex D for compression by record.
"""

import base64
import hashlib
import io
import os
import uuid
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from fastwarc.warc import ArchiveIterator, WarcRecordType

from groundup.crawl.message import Response, parse_response

__all__ = ["Exchange", "WarcWriter", "responses_after", "whole_length"]

_STEP_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer, as they went over the wire.

    Attributes:
        date: When the answer began, as WARC-Date has it: `2026-01-31T12:00:00Z`.
        ip_address: Of the server; empty when unknown.
        request: Head of the request.
        head: Status line and headers of the answer, up to and with the empty line.
        body: The answer's body, content encodings as sent, transfer encoding undone.
        cut: Whether the body was longer than we wanted to read.
    """

    url: str
    date: str
    ip_address: str
    request: bytes
    head: bytes
    body: bytes
    cut: bool


class WarcWriter:
    """Appends to an archive; `position` is its length in bytes, all records whole."""

    def __init__(self, path: Path, *, namespace: uuid.UUID, software: str, date: str) -> None:
        self._namespace = namespace
        self._file = path.open("ab")
        self.position = self._file.tell()
        if self.position == 0:
            block = (
                f"software: {software}\r\nformat: WARC File Format 1.1\r\n"
                "conformsTo: https://iipc.github.io/warc-specifications/"
                "specifications/warc-format/warc-1.1/\r\n"
            ).encode()
            head = {
                "WARC-Type": "warcinfo",
                "WARC-Record-ID": self._id(f"warcinfo {path.name}"),
                "WARC-Date": date,
                "WARC-Filename": path.name,
                "Content-Type": "application/warc-fields",
            }
            self._append(head, block)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def _id(self, name: str) -> str:
        return f"<urn:uuid:{uuid.uuid5(self._namespace, name)}>"

    def add(self, exchange: Exchange) -> None:
        """Appends the request, then the response: a whole response means that both are there."""
        response_id = self._id(exchange.url)
        request_id = self._id(f"request {exchange.url}")
        where = {"WARC-Target-URI": exchange.url, "WARC-Date": exchange.date}
        if exchange.ip_address:
            where["WARC-IP-Address"] = exchange.ip_address
        self._append(
            {
                "WARC-Type": "request",
                "WARC-Record-ID": request_id,
                "WARC-Concurrent-To": response_id,
                **where,
                "Content-Type": "application/http; msgtype=request",
            },
            exchange.request,
        )
        head = {
            "WARC-Type": "response",
            "WARC-Record-ID": response_id,
            "WARC-Concurrent-To": request_id,
            **where,
            "WARC-Payload-Digest": _digest(exchange.body),
            "Content-Type": "application/http; msgtype=response",
        }
        if exchange.cut:
            head["WARC-Truncated"] = "length"
        self._append(head, exchange.head + exchange.body)
        self._file.flush()

    def _append(self, head: dict[str, str], block: bytes) -> None:
        head = {**head, "WARC-Block-Digest": _digest(block), "Content-Length": str(len(block))}
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        record = b"WARC/1.1\r\n" + lines.encode() + b"\r\n" + block + b"\r\n\r\n"
        # Level 6 is zlib's own compromise; with no name and no time in the member's head, equal
        # records give equal bytes.
        deflater = zlib.compressobj(6, zlib.DEFLATED, 31)
        self._file.write(deflater.compress(record) + deflater.flush())
        self.position = self._file.tell()


def _digest(data: bytes) -> str:
    """A labelled digest; SHA-1 in base 32 is what readers of archives know."""
    return "sha1:" + base64.b32encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode()


def whole_length(path: Path, start: int) -> int:
    """Bytes of an archive up to the end of its last whole record.

    Args:
        path: An archive that a crash may have cut short.
        start: End of a record, known to be whole up to there.
    """
    with path.open("rb") as file:
        file.seek(start)
        end, inflater = start, zlib.decompressobj(31)
        data = file.read(_STEP_BYTES)
        while data:
            try:
                inflater.decompress(data)
            except zlib.error:
                return end
            data = inflater.unused_data
            if inflater.eof:
                end = file.tell() - len(data)
                inflater = zlib.decompressobj(31)
            data = data or file.read(_STEP_BYTES)
    return end


def responses_after(path: Path, start: int, end: int) -> list[tuple[str, Response]]:
    """URL and response of every response record between two offsets, all whole."""
    found = []
    with path.open("rb") as opened:
        opened.seek(start)
        file = io.BytesIO(opened.read(end - start))
        for record in ArchiveIterator(file, record_types=WarcRecordType.response, parse_http=False):
            url = record.headers.get("WARC-Target-URI") or ""
            found.append((url, parse_response(record.reader.read())))
    return found
