"""HTTP responses as archives hold them: head, transfer encoding, content encodings, media type.

Written for other people's archives: heads that end in bare line feeds, bodies whose chunks or
compression were already undone while the header still names them, and missing media types.

Source: RFC 9112 (messages, chunked), RFC 9110 section 8 (content encodings, media types).
"""

import io
import re
import zlib
from dataclasses import dataclass

from fastwarc.stream_io import BrotliReader, ZstdReader

from groundup.core.errors import DataError

__all__ = ["Body", "Response", "media_type_of", "parse_response", "undo_encodings"]

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"[A-Za-z]+(?:/\d+(?:\.\d+)?)? +(\d{3})\b")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_HTML = re.compile(rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype html|html|head|body)\b", re.I | re.S)
_SNIFF_BYTES = 1024
_PAGE_TYPES = {
    "text/html": "text/html",
    "application/xhtml+xml": "text/html",
    "text/plain": "text/plain",
    "text/markdown": "text/plain",
}
_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Response:
    """A parsed response; header names are lower case, a repeated header keeps its last value."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Body:
    """A body with all encodings undone; `whole` is false when it is longer than the limit."""

    payload: bytes
    whole: bool


def parse_response(block: bytes) -> Response:
    """Parses a stored HTTP response.

    Raises:
        DataError: No status line, or the head has no end.
    """
    status = _STATUS.match(block)
    end = _HEAD_END.search(block)
    if status is None or end is None:
        raise DataError("not an HTTP response")
    headers: dict[str, str] = {}
    name = ""
    for line in block[: end.start()].splitlines()[1:]:
        text = line.decode("latin-1")
        if text[:1] in " \t" and name:  # obsolete line folding, RFC 9112 section 5.2
            headers[name] += " " + text.strip()
            continue
        name, _, value = text.partition(":")
        name = name.strip().lower()
        headers[name] = value.strip()
    return Response(int(status[1]), headers, block[end.end() :])


def media_type_of(declared: str, payload: bytes) -> tuple[str, str]:
    """Media type and character set of a page.

    Args:
        declared: The Content-Type header; when it is empty, the payload's first bytes decide.
        payload: The body, encodings undone.

    Returns:
        `text/html` or `text/plain`, or an empty string for anything else; then the declared
        character set in lower case, or an empty string.
    """
    kind = declared.partition(";")[0].strip().lower()
    if not kind and _HTML.match(payload[:_SNIFF_BYTES]):
        kind = "text/html"
    charset = _CHARSET.search(declared)
    return _PAGE_TYPES.get(kind, ""), charset[1].lower() if charset else ""


def undo_encodings(response: Response, *, max_bytes: int) -> Body:
    """Undoes transfer and content encodings, never making more than `max_bytes` + 1 bytes.

    Raises:
        DataError: The body is not in the encoding that its headers name, and no plain text either.
    """
    body = response.body
    if "chunked" in response.headers.get("transfer-encoding", "").lower():
        body = _join_chunks(body)
    codings = response.headers.get("content-encoding", "").lower()
    for coding in reversed([part.strip() for part in codings.split(",")]):
        body = _undo(coding, body, max_bytes + 1)
    return Body(body[:max_bytes], whole=len(body) <= max_bytes)


def _join_chunks(body: bytes) -> bytes:
    """The body without chunk sizes; as it is when it does not begin with one."""
    parts: list[bytes] = []
    position = 0
    while True:
        line_end = body.find(b"\n", position)
        size_text = body[position:line_end].partition(b";")[0].strip()
        if line_end < 0 or not re.fullmatch(rb"[0-9a-fA-F]{1,8}", size_text):
            if not parts:
                return body
            raise DataError("a chunk of the body is broken")
        size = int(size_text, 16)
        start = line_end + 1
        if size == 0:
            return b"".join(parts)
        if start + size > len(body):
            raise DataError("the last chunk of the body is cut short")
        parts.append(body[start : start + size])
        position = body.find(b"\n", start + size) + 1
        if position == 0:
            raise DataError("the body ends without its last chunk")


def _undo(coding: str, body: bytes, limit: int) -> bytes:
    if coding in ("gzip", "x-gzip"):
        return _inflate(body, 31, limit) if body.startswith(_GZIP_MAGIC) else _plain(body)
    if coding == "deflate":
        # The name means zlib; some servers send the bare stream.
        zlib_header = len(body) > 1 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0
        return _inflate(body, 15 if zlib_header else -15, limit)
    if coding in ("br", "zstd"):
        reader = (BrotliReader if coding == "br" else ZstdReader)(io.BytesIO(body))
        try:
            return bytes(reader.read(limit))
        except OSError:
            return _plain(body)
    return body


def _inflate(body: bytes, window: int, limit: int) -> bytes:
    inflater = zlib.decompressobj(window)
    try:
        plain = inflater.decompress(body, limit)
    except zlib.error:
        return _plain(body)
    if len(plain) < limit and not inflater.eof:
        raise DataError("the compressed body is cut short")
    return plain


def _plain(body: bytes) -> bytes:
    """The body, when it looks like text whose encoding was undone before it was archived."""
    if body.lstrip()[:1] == b"<" and b"\0" not in body[:_SNIFF_BYTES]:
        return body
    raise DataError("the body is not in the encoding that its headers name")
