import json
from pathlib import Path

import pytest

from groundup.core.config import validate
from groundup.core.errors import DataError
from groundup.crawl.config import CrawlConfig
from groundup.crawl.run import outside, run

DATA = Path(__file__).resolve().parents[2] / "../shared/data/warc"


def config(**values) -> CrawlConfig:
    return validate(CrawlConfig, values, source="test")


def counts(out) -> dict:
    found = json.loads((out.path / "counts.json").read_text())
    assert found["read"] == found["pages"] + sum(found["dropped"].values())
    return found


@pytest.fixture
def archives(made_warc, tmp_path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, n in (("a", 6), ("b", 3), ("c", 4)):
        (folder / f"{name}.warc.gz").write_bytes(made_warc(n).data)
    return folder


def test_archives_become_one_shard_each_and_a_rerun_does_only_what_is_missing(
    archives, run_dir, rows_of
):
    settings = config(kind="archives", paths=[f"{archives}/*.warc.gz"], workers=1)
    out = run_dir("one")
    run(settings, {}, out)
    assert counts(out)["pages"] == 13
    assert out.summary["read"] == 13
    rows = rows_of(out.path)
    assert [row["source"][-9:] for row in rows[::5]] == ["a.warc.gz", "a.warc.gz", "c.warc.gz"]
    # What a kill during the second file leaves behind.
    (out.path / "pages/00001.parquet").unlink()
    (out.path / "counts.json").unlink()
    kept = (out.path / "pages/00000.parquet").stat().st_mtime_ns
    out.complete()
    again = run_dir("one")
    run(settings, {}, again)
    assert rows_of(again.path) == rows
    assert (again.path / "pages/00000.parquet").stat().st_mtime_ns == kept
    assert counts(again)["pages"] == 13


def test_several_processes_write_what_one_does(archives, run_dir, rows_of):
    for name, workers in (("one", 1), ("two", 2)):
        out = run_dir(name)
        run(config(kind="archives", paths=[f"{archives}/*.gz"], workers=workers), {}, out)
    assert rows_of(out.path) == rows_of(out.path.parent / "one")


def test_damage_is_counted_and_logged_up_to_a_limit(archives, run_dir, caplog):
    path = archives / "b.warc.gz"
    data = path.read_bytes()
    path.write_bytes(data[:3000] + bytes(40) + data[3040:])
    out = run_dir("some")
    run(config(kind="archives", paths=[f"{archives}/*.gz"], workers=1), {}, out)
    found = counts(out)
    assert (found["pages"], found["damage"]["places"]) == (12, 1)
    assert found["damage"]["first"][0]["source"] == path.as_posix()
    assert "b.warc.gz, offset" in caplog.text
    with pytest.raises(DataError, match=r"b\.warc\.gz cannot be read at offset \d+") as raised:
        run(config(kind="archives", paths=[str(path)], workers=1), {}, run_dir("all"))
    assert "--max-damaged-fraction" in raised.value.hint
    allowed = config(kind="archives", paths=[str(path)], workers=1, max_damaged_fraction=0.9)
    run(allowed, {}, run_dir("allowed"))


def test_no_page_is_an_error_that_says_why(tmp_path, run_dir):
    empty = tmp_path / "empty.warc.gz"
    empty.write_bytes(b"")
    with pytest.raises(DataError, match="not one record"):
        run(config(kind="archives", paths=[str(empty)]), {}, run_dir("a"))
    (tmp_path / "blank.txt").write_text(" ")
    with pytest.raises(DataError, match="1 empty"):
        run(config(kind="folder", paths=[str(tmp_path / "blank.txt")]), {}, run_dir("b"))


def test_the_key_follows_the_bytes_of_the_files(archives):
    settings = config(kind="archives", paths=[f"{archives}/*.gz"])
    before = outside(settings)
    assert len(before) == 3
    (archives / "a.warc.gz").write_bytes(b"other")
    after = outside(settings)
    assert [k for k in before if before[k] != after[k]] == [(archives / "a.warc.gz").as_posix()]
    with pytest.raises(DataError, match="no file matches"):
        outside(config(kind="archives", paths=["nowhere/*.gz"]))


def test_a_folder_becomes_pages(tmp_path, run_dir, rows_of):
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("hello")
    (folder / "b.jsonl").write_text('{"text": "x"}\n{"no": 1}\n')
    out = run_dir()
    run(config(kind="folder", paths=[str(folder)]), {}, out)
    assert [row["payload"] for row in rows_of(out.path)] == [b"hello", b"x"]
    assert counts(out)["dropped"] == {"row has no text in 'text'": 1}
    assert len(outside(config(kind="folder", paths=[str(folder)]))) == 2


def test_a_site_becomes_an_archive_and_pages(site, run_dir, rows_of):
    site.pages.update(
        {
            "/": (200, {}, b"<a href=/a>a</a><a href=/no>no</a><a href=/big>b</a>"),
            "/a": (200, {"Content-Type": "text/plain"}, b"text"),
            "/big": (200, {}, b"x" * 2000),
        }
    )
    out = run_dir()
    settings = {"start": [site.url], "contact": "me@here.test", "delay_s": 0.0}
    run(config(kind="site", site=settings, max_page_bytes=1000), {}, out)
    assert [row["url"] for row in rows_of(out.path)] == [f"{site.url}/", f"{site.url}/a"]
    assert counts(out)["dropped"] == {"cut by the crawler": 1, "status not 200": 1}
    assert (out.path / "archive/00000.warc.gz").exists()


def test_pydoc_pages_have_the_same_ids_and_text_in_every_crawl(run_dir, rows_of):
    settings = {"packages": [], "topics": False, "max_pages": 12}
    for name in ("one", "two"):
        out = run_dir(name)
        run(config(kind="pydoc", pydoc=settings), {}, out)
    one, two = rows_of(out.path.parent / "one"), rows_of(out.path)
    assert len(one) == 12
    assert one[0]["url"] == "http://pydoc.localhost/index.html"
    names = ("id", "url", "media_type", "charset", "payload")
    assert [[row[n] for n in names] for row in one] == [[row[n] for n in names] for row in two]
    assert b"Pydoc: built-in module" in one[3]["payload"]


def test_a_pydoc_crawl_that_was_cut_off_begins_again(run_dir, rows_of):
    settings = {"packages": [], "topics": False, "max_pages": 6}
    whole, cut = run_dir("whole"), run_dir("cut")
    run(config(kind="pydoc", pydoc=settings), {}, whole)
    # What a killed crawl leaves behind, made to be recognised: its pages are others.
    run(config(kind="pydoc", pydoc={**settings, "topics": True, "max_pages": 3}), {}, cut)
    for name in ("pages/00000.parquet", "shards.jsonl", "counts.json"):
        (cut.path / name).unlink()
    cut.complete()
    again = run_dir("cut")
    run(config(kind="pydoc", pydoc=settings), {}, again)
    assert [row["url"] for row in rows_of(again.path)] == [
        row["url"] for row in rows_of(whole.path)
    ]


@pytest.mark.skipif(not DATA.exists(), reason="no shared data here")
def test_a_real_crawl_adds_up(run_dir):
    out = run_dir()
    pattern = str(DATA / "debian-docs-crawl/*00002.warc.gz")
    run(config(kind="archives", paths=[pattern], workers=1), {}, out)
    assert counts(out)["read"] == 2754
