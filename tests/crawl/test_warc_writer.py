import gzip
import uuid
import zlib

import pytest
from warcio.archiveiterator import ArchiveIterator
from warcio.checker import Checker

from groundup.crawl.warc_writer import Exchange, WarcWriter, responses_after, whole_length

DATE = "2026-01-31T12:00:00Z"


def exchange(name: str, body: bytes = b"<p>hello", cut: bool = False) -> Exchange:
    return Exchange(
        url=f"http://a.test/{name}",
        date=DATE,
        ip_address="10.1.2.3",
        request=b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        head=b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n",
        body=body,
        cut=cut,
    )


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "a.warc.gz"
    with WarcWriter(path, namespace=uuid.NAMESPACE_URL, software="t/1", date=DATE) as writer:
        writer.add(exchange("1"))
        writer.add(exchange("2", gzip.compress(b"x" * 2000), cut=True))
    return path


def test_another_reader_accepts_every_record_and_digest(archive):
    found = []
    with archive.open("rb") as file:
        for record in ArchiveIterator(file, check_digests="raise"):
            record.content_stream().read()
            head = record.rec_headers
            assert record.rec_headers.protocol == "WARC/1.1"
            assert head["WARC-Date"] == DATE
            assert head["WARC-Record-ID"].startswith("<urn:uuid:")
            found.append((record.rec_type, head["WARC-Target-URI"], head["WARC-Truncated"]))
            if record.rec_type != "warcinfo":
                assert head["WARC-IP-Address"] == "10.1.2.3"
    assert found == [
        ("warcinfo", None, None),
        ("request", "http://a.test/1", None),
        ("response", "http://a.test/1", None),
        ("request", "http://a.test/2", None),
        ("response", "http://a.test/2", "length"),
    ]


def test_the_checker_of_warcio_finds_nothing(archive, capsys):
    class Options:
        verbose, inputs = True, (str(archive),)

    assert Checker(Options()).process_all() == 0
    assert "digest failed" not in capsys.readouterr().out


def test_ids_are_names_of_addresses(archive):
    with archive.open("rb") as file:
        ids = {
            r.rec_headers["WARC-Target-URI"]: r.rec_headers["WARC-Record-ID"]
            for r in ArchiveIterator(file)
            if r.rec_type == "response"
        }
    url = "http://a.test/1"
    assert ids[url] == f"<urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, url)}>"


def test_the_whole_length_is_found_wherever_the_file_is_cut(archive, tmp_path):
    data = archive.read_bytes()
    ends, rest = [0], data
    while rest:
        inflater = zlib.decompressobj(31)
        inflater.decompress(rest)
        rest = inflater.unused_data
        ends.append(len(data) - len(rest))
    cut = tmp_path / "cut"
    for length in range(0, len(data) + 1, 7):
        cut.write_bytes(data[:length])
        assert whole_length(cut, 0) == max(end for end in ends if end <= length)


def test_responses_are_read_from_an_offset_on(archive, tmp_path):
    size = archive.stat().st_size
    assert [url[-1] for url, _ in responses_after(archive, 0, size)] == ["1", "2"]
    with WarcWriter(archive, namespace=uuid.NAMESPACE_URL, software="t", date=DATE) as writer:
        assert writer.position == size  # no second warcinfo
        writer.add(exchange("3"))
        end = writer.position
    ((url, response),) = responses_after(archive, size, end)
    assert (url, response.body) == ("http://a.test/3", b"<p>hello")
