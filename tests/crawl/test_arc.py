import gzip
from pathlib import Path

import pytest

from groundup.crawl.arc import arc_records, is_arc
from groundup.crawl.archive import Capture, captures

DATA = Path(__file__).resolve().parents[2] / "../shared/data/warc/small/example.arc.gz"


def record(url: str, body: bytes) -> bytes:
    block = b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n" + body
    return f"{url} 10.0.0.1 19970417175710 text/html {len(block)}\n".encode() + block + b"\n"


HEAD = b"1 0 Archive\nURL IP-address Archive-date Content-type Archive-length\n"
FILE = f"filedesc://a.arc 0.0.0.0 19970417175710 text/plain {len(HEAD)}\n".encode() + HEAD + b"\n"
RECORDS = [FILE, *(record(f"http://a.test/{i}", b"<p>%d" % i * 400) for i in range(4))]


@pytest.mark.parametrize(
    "data",
    [
        b"".join(RECORDS),
        b"".join(gzip.compress(r) for r in RECORDS),
        gzip.compress(b"".join(RECORDS)),
    ],
    ids=["plain", "member by member", "one member"],
)
def test_records_are_found_in_all_three_wrappings(tmp_path, data):
    path = tmp_path / "a.arc"
    path.write_bytes(data)
    assert is_arc(path)
    found = list(arc_records(path, 0, 2**20))
    assert [r.url for r in found[1:]] == [f"http://a.test/{i}" for i in range(4)]
    assert found[2].block.endswith(b"<p>1" * 400)
    assert not any(r.cut for r in found)


def test_a_damaged_member_costs_one_record(tmp_path):
    members = [gzip.compress(r) for r in RECORDS]
    members[2] = members[2][:20] + bytes(10) + members[2][30:]
    path = tmp_path / "a.arc.gz"
    path.write_bytes(b"".join(members))
    items = list(captures(path, source="s", max_page_bytes=2**20))
    assert [i.url[-1] for i in items if isinstance(i, Capture)] == ["0", "2", "3"]
    assert len(items) == 4


def test_a_cut_file_is_noticed(tmp_path):
    path = tmp_path / "a.arc"
    path.write_bytes(b"".join(RECORDS)[:-30])
    items = list(captures(path, source="s", max_page_bytes=2**20))
    assert [type(i).__name__ for i in items] == ["Capture"] * 3 + ["Damage"]


@pytest.mark.skipif(not DATA.exists(), reason="no shared data here")
def test_a_real_arc_file():
    (capture,) = captures(DATA, source="s", max_page_bytes=2**20)
    assert capture.url == "http://example.com/"
    assert b"Example Domain" in capture.block
