import gzip
from pathlib import Path

import pytest

from groundup.crawl.archive import Capture, captures
from groundup.crawl.tally import Damage

DATA = Path(__file__).resolve().parents[2] / "../shared/data/warc"


def read(path: Path) -> tuple[list[Capture], list[Damage]]:
    items = list(captures(path, source="s", max_page_bytes=2**20))
    return (
        [item for item in items if isinstance(item, Capture)],
        [item for item in items if isinstance(item, Damage)],
    )


def saved(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "file"
    path.write_bytes(data)
    return path


def urls(found: list[Capture]) -> list[int]:
    return [int(capture.url.rpartition("/")[2]) for capture in found]


def flipped(data: bytes, at: int, n: int) -> bytes:
    return data[:at] + bytes(byte ^ 0x5A for byte in data[at : at + n]) + data[at + n :]


def test_compressed_plain_and_wholly_compressed_archives_hold_the_same(made_warc, tmp_path):
    plain = made_warc(compressed=False).data
    for data in (made_warc().data, plain, gzip.compress(plain)):
        found, damage = read(saved(tmp_path, data))
        assert urls(found) == [0, 1, 2, 3, 4, 5]
        assert damage == []
        assert found[0].block.startswith(b"HTTP/1.1 200 OK\r\n")


def test_offsets_are_where_the_members_begin(made_warc, tmp_path):
    made = made_warc()
    assert [c.offset for c in read(saved(tmp_path, made.data))[0]] == made.offsets


# Beginning of the damage relative to the third member, and its length: gzip head, WARC head, body,
# checksum.
@pytest.mark.parametrize(("at", "n"), [(0, 10), (30, 8), (1000, 40), (-8, 4)])
def test_a_damaged_member_costs_one_record_wherever_it_is_hit(made_warc, tmp_path, at, n):
    made = made_warc()
    start, end = made.offsets[2], made.offsets[3]
    hit = (end if at < 0 else start) + at
    found, damage = read(saved(tmp_path, flipped(made.data, hit, n)))
    assert urls(found) == [0, 1, 3, 4, 5]
    assert len(damage) == 1
    assert damage[0].offset + damage[0].size_bytes == end
    assert damage[0].source == "s"


def test_damage_at_both_ends_is_two_places(made_warc, tmp_path):
    made = made_warc()
    data = flipped(flipped(made.data, 500, 9), made.offsets[5] + 500, 9)
    found, damage = read(saved(tmp_path, data))
    assert urls(found) == [1, 2, 3, 4]
    assert [d.offset for d in damage] == [0, made.offsets[5]]


def test_bytes_of_something_else_between_members_are_skipped(made_warc, tmp_path):
    made = made_warc()
    data = made.data[: made.offsets[2]] + b"not gzip" * 20 + made.data[made.offsets[2] :]
    found, damage = read(saved(tmp_path, data))
    assert urls(found) == [0, 1, 2, 3, 4, 5]
    assert [(d.offset, d.size_bytes) for d in damage] == [(made.offsets[2], 160)]


@pytest.mark.parametrize("kept", [5, 20, 700, -4])
def test_a_compressed_file_cut_short_is_noticed(made_warc, tmp_path, kept):
    made = made_warc()
    end = made.offsets[5] + kept if kept > 0 else len(made.data) + kept
    found, damage = read(saved(tmp_path, made.data[:end]))
    assert urls(found)[:5] == [0, 1, 2, 3, 4]
    assert len(damage) == 1
    assert damage[0].offset == made.offsets[5]
    assert damage[0].reason == "the file is cut short"


def test_a_cut_request_at_the_end_is_noticed_too(made_warc, tmp_path):
    made = made_warc(requests=True)
    found, damage = read(saved(tmp_path, made.data[: made.offsets[5] - 40]))
    assert urls(found) == [0, 1, 2, 3, 4]
    assert len(damage) == 1


def test_an_uncompressed_file_goes_on_after_a_broken_head_and_notices_its_end(made_warc, tmp_path):
    made = made_warc(compressed=False)
    found, damage = read(saved(tmp_path, flipped(made.data, made.offsets[2], 10)))
    assert urls(found) == [0, 1, 3, 4, 5]
    # The blank lines behind the record before belong to nobody.
    assert [(d.offset, d.size_bytes) for d in damage] == [
        (made.offsets[2] - 4, made.offsets[3] - made.offsets[2] + 4)
    ]
    found, damage = read(saved(tmp_path, made.data[: made.offsets[5] + 900]))
    assert urls(found) == [0, 1, 2, 3, 4]
    assert [d.offset for d in damage] == [made.offsets[5]]
    found, damage = read(saved(tmp_path, made.data[: made.offsets[5] + 30]))
    assert urls(found) == [0, 1, 2, 3, 4]
    assert [d.offset for d in damage] == [made.offsets[5] - 4]


def test_a_changed_byte_that_no_checksum_of_the_file_covers_fails_the_digest(made_warc, tmp_path):
    made = made_warc(compressed=False)
    found, _ = read(saved(tmp_path, flipped(made.data, made.offsets[3] + 1500, 3)))
    assert [c.flaw for c in found] == ["", "", "", "block digest differs", "", ""]


def test_nothing_and_no_archive(tmp_path):
    assert read(saved(tmp_path, b"")) == ([], [])
    found, damage = read(saved(tmp_path, b"hello world\n" * 20))
    assert found == []
    assert [(d.offset, d.size_bytes) for d in damage] == [(0, 240)]


def test_a_large_block_is_not_read(made_warc, tmp_path):
    path = saved(tmp_path, made_warc().data)
    items = list(captures(path, source="s", max_page_bytes=-(2**16) + 2000))
    assert [item.block for item in items] == [None] * 6


@pytest.mark.skipif(not DATA.exists(), reason="no shared data here")
@pytest.mark.parametrize(
    ("name", "n"),
    [  # numbers of responses, resources, revisits and conversions as warcio counts them
        ("debian-docs-crawl/debian-docs-crawl-00000.warc.gz", 1452),
        ("commoncrawl/whirlwind.warc.gz", 1),
        ("commoncrawl/cc-main-2016-50-fragment.warc.wet.gz", 25),
        ("damaged/single-gzip-member.wet.gz", 25),
        ("damaged/clueweb-quirk.warc.gz", 29),
        ("crawls/iana.warc.gz", 48 + 123),
        ("crawls/books.toscrape.warc", 30),
        ("small/example.arc.gz", 1),
    ],
)
def test_real_archives_are_read_whole(name, n):
    found, damage = read(DATA / name)
    assert len(found) == n
    assert damage == []


@pytest.mark.skipif(not DATA.exists(), reason="no shared data here")
@pytest.mark.parametrize(
    ("name", "n"),
    [
        ("clipped.warc.gz", 0),
        ("appended_zip_fragment_unexpected_eof.wet.gz", 15),
        ("fragment1_incomplete_last.wet.gz", 1),
        ("example-trunc.warc", 1),
    ],
)
def test_real_cut_archives_give_what_is_whole(name, n):
    found, damage = read(DATA / "damaged" / name)
    assert (len(found), len(damage)) == (n, 1)
