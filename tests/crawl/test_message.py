import gzip
import zlib

import pytest
from fastwarc.stream_io import ChunkedWriter
from hypothesis import given
from hypothesis import strategies as st

from groundup.core.errors import DataError
from groundup.crawl.message import Response, media_type_of, parse_response, undo_encodings

PAGE = b"<html>" + b"word " * 50


def undone(body: bytes, **headers: str) -> bytes:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return undo_encodings(Response(200, named, body), max_bytes=10_000).payload


def test_heads_with_bare_line_feeds_and_folded_lines_are_read():
    response = parse_response(b"HTTP/1.1 404 Not Found\nA: 1\n B\nContent-TYPE:text/html\n\nx\n\ny")
    assert response == Response(404, {"a": "1 B", "content-type": "text/html"}, b"x\n\ny")


@pytest.mark.parametrize("block", [b"", b"<html>\n\n", b"HTTP/1.1 200 OK\r\nA: b\r\n", b"\r\n\r\n"])
def test_what_is_no_response_is_an_error(block):
    with pytest.raises(DataError):
        parse_response(block)


def test_encodings_are_undone_in_reverse_order():
    deflated = zlib.compressobj(wbits=-15)
    bare = deflated.compress(PAGE) + deflated.flush()
    assert undone(gzip.compress(PAGE), content_encoding="gzip") == PAGE
    assert undone(zlib.compress(PAGE), content_encoding="deflate") == PAGE
    assert undone(bare, content_encoding="deflate") == PAGE
    assert undone(gzip.compress(zlib.compress(PAGE)), content_encoding="deflate, gzip") == PAGE


@given(st.binary(min_size=1, max_size=5000))
def test_chunks_of_another_writer_are_joined(data):
    import io

    sink = io.BytesIO()
    with ChunkedWriter(sink) as writer:
        writer.write(data)
    assert undone(sink.getvalue(), transfer_encoding="chunked") == data


def test_encodings_that_the_archive_already_undid_are_no_error():
    assert undone(PAGE, content_encoding="gzip", transfer_encoding="chunked") == PAGE
    assert undone(PAGE, content_encoding="br") == PAGE


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (gzip.compress(PAGE)[:-12], {"content_encoding": "gzip"}),
        (b"\0\1\2", {"content_encoding": "gzip"}),
        (b"\xff\xfe\0\1", {"content_encoding": "br"}),
        (b"5\r\nhello\r\n9\r\nhe", {"transfer_encoding": "chunked"}),
    ],
)
def test_broken_bodies_are_errors(body, headers):
    with pytest.raises(DataError):
        undone(body, **headers)


def test_a_bomb_is_stopped_at_the_limit():
    body = undo_encodings(
        Response(200, {"content-encoding": "gzip"}, gzip.compress(bytes(10**7))), max_bytes=1000
    )
    assert (len(body.payload), body.whole) == (1000, False)


@pytest.mark.parametrize(
    ("declared", "payload", "expected"),
    [
        ("text/html; charset=Latin-1", b"", ("text/html", "latin-1")),
        ('TEXT/HTML;charset="utf-8"', b"", ("text/html", "utf-8")),
        ("application/xhtml+xml", b"", ("text/html", "")),
        ("text/plain", b"<html>", ("text/plain", "")),
        ("", b"  <!-- c --><!DOCTYPE html>", ("text/html", "")),
        ("", b"plain words", ("", "")),
        ("image/png", b"<html>", ("", "")),
    ],
)
def test_media_types(declared, payload, expected):
    assert media_type_of(declared, payload) == expected
