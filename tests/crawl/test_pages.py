import gzip

import pyarrow.parquet as pq
import pytest

from groundup.core.records import PAGE_COLUMNS, Page
from groundup.crawl.archive import Capture
from groundup.crawl.pages import PageWriter, page_of, write_shard
from groundup.crawl.tally import Damage


def page(block: bytes | None, **changes) -> Page | str:
    values = {
        "kind": "response",
        "record_id": "urn:uuid:1",
        "url": "http://a.test/",
        "offset": 5,
        "content_type": "application/http; msgtype=response",
        "block": block,
    }
    return page_of(Capture(**{**values, **changes}), source="s", max_page_bytes=100)


def response(head: str, body: bytes) -> bytes:
    return head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body


HTML = response("HTTP/1.1 200 OK\nContent-Type: text/html; charset=KOI8-R", b"<p>")


def test_a_page_keeps_what_the_archive_says():
    assert page(HTML) == Page("urn:uuid:1", "http://a.test/", "s", 5, "text/html", "koi8-r", b"<p>")


@pytest.mark.parametrize(
    ("block", "changes", "reason"),
    [
        (None, {}, "larger than max_page_bytes"),
        (HTML, {"kind": "revisit"}, "revisit of an earlier capture"),
        (HTML, {"flaw": "cut by the crawler"}, "cut by the crawler"),
        (b"nothing", {}, "unreadable HTTP"),
        (response("HTTP/1.1 404 No\nContent-Type: text/html", b"x"), {}, "status not 200"),
        (
            response("HTTP/1.1 200 OK\nContent-Type: image/png", b"x"),
            {},
            "neither HTML nor plain text",
        ),
        (response("HTTP/1.1 200 OK\nContent-Type: text/html", b" \n"), {}, "empty"),
        (
            response("HTTP/1.1 200 OK\nContent-Type: text/html", b"x" * 101),
            {},
            "larger than max_page_bytes",
        ),
        (
            response(
                "HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Encoding: gzip",
                gzip.compress(b"y" * 101),
            ),
            {},
            "larger than max_page_bytes",
        ),
        (
            response("HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Encoding: gzip", b"\0\1"),
            {},
            "undecodable body",
        ),
        (b"1.2.3.4", {"content_type": "text/dns"}, "neither HTML nor plain text"),
    ],
)
def test_everything_else_has_a_reason(block, changes, reason):
    assert page(block, **changes) == reason


def test_extracted_text_is_utf8_and_a_record_without_id_gets_one_from_its_place():
    made = page(b"words", kind="conversion", content_type="text/plain", record_id="")
    assert (made.media_type, made.charset) == ("text/plain", "utf-8")
    assert made.id.startswith("sha256:")
    other = page(b"words", kind="conversion", content_type="text/plain", record_id="", offset=6)
    assert other.id != made.id


def test_a_shard_holds_the_pages_and_the_tally_the_rest(tmp_path):
    target = tmp_path / "p.parquet"
    items = [page(HTML), "empty", Damage("s", 1, 2, "r"), "empty", page(HTML)]
    tally = write_shard(target, items)
    assert (tally.pages, tally.size_bytes, tally.dropped) == (2, 6, {"empty": 2})
    assert len(tally.damage) == 1
    assert pq.read_schema(target).names == list(PAGE_COLUMNS)
    assert pq.read_table(target).num_rows == 2


def test_row_groups_stay_small_and_a_failure_leaves_nothing(tmp_path):
    target = tmp_path / "p.parquet"
    big = Page("i", "u", "s", 0, "text/html", "", b"x" * 6 * 2**20)
    with PageWriter(target) as writer:
        for _ in range(7):
            writer.add(big)
    assert pq.ParquetFile(target).num_row_groups == 3

    def broken():
        yield big
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        write_shard(tmp_path / "q.parquet", broken())
    assert [p.name for p in tmp_path.iterdir()] == ["p.parquet"]
