import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groundup.core.errors import DataError
from groundup.crawl.folder import file_to_shard, folder_files


def shard(tmp_path, *paths, field="text", limit=1000):
    target = tmp_path / "out" / "s.parquet"
    tally = file_to_shard(list(paths), target, field, limit)
    return tally, pq.read_table(target).to_pylist()


def test_known_files_are_found_at_any_depth_in_order_without_hidden_ones(tmp_path):
    for name in ("b/x.md", "a.html", "b/c/y.jsonl.gz", ".git/z.txt", "b/.w.txt", "p.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    found = [p.relative_to(tmp_path).as_posix() for p in folder_files((str(tmp_path),))]
    assert found == ["a.html", "b/c/y.jsonl.gz", "b/x.md"]


def test_a_folder_with_nothing_to_read_is_one_clear_sentence(tmp_path):
    with pytest.raises(DataError, match="nothing to read") as raised:
        folder_files((str(tmp_path),))
    assert ".jsonl" in raised.value.hint


def test_text_files_are_pages(tmp_path):
    (tmp_path / "a.html").write_bytes(b"<p>\xe4")
    (tmp_path / "b.md.gz").write_bytes(gzip.compress(b"# B"))
    (tmp_path / "c.txt").write_bytes(b" \n")
    (tmp_path / "d.txt").write_bytes(b"x" * 1001)
    tally, rows = shard(tmp_path, *(sorted(tmp_path.glob("?.*"))))
    assert [(r["media_type"], r["charset"], r["payload"]) for r in rows] == [
        ("text/html", "", b"<p>\xe4"),
        ("text/plain", "", b"# B"),
    ]
    assert rows[0]["url"] == (tmp_path / "a.html").as_uri()
    assert tally["dropped"] == {"empty": 1, "larger than max_page_bytes": 1}


def test_each_line_of_json_is_a_page_or_counted(tmp_path):
    lines = [
        json.dumps({"body": "one"}),
        "{broken",
        json.dumps({"text": "two"}),
        json.dumps({"body": 3}),
        json.dumps(["body"]),
        "",
        json.dumps({"body": "  "}),
        json.dumps({"body": "zwölf"}),
        '{"body": "\\ud800"}',
    ]
    path = tmp_path / "a.jsonl.zst"
    with pa.CompressedOutputStream(str(path), "zstd") as out:
        out.write("\n".join(lines).encode())
    tally, rows = shard(tmp_path, path, field="body")
    assert [r["payload"].decode() for r in rows] == ["one", "zwölf", "?"]
    assert tally["dropped"] == {
        "line is not JSON": 1,
        "row has no text in 'body'": 3,
        "empty": 1,
    }
    assert len({r["id"] for r in rows}) == 3


def test_rows_of_parquet_are_pages(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["x", None, "y"], "n": [1, 2, 3]}), path)
    tally, rows = shard(tmp_path, path)
    assert [(r["offset"], r["payload"]) for r in rows] == [(0, b"x"), (2, b"y")]
    assert tally["dropped"] == {"row has no text in 'text'": 1}
    with pytest.raises(DataError, match="no column 'story'") as raised:
        shard(tmp_path, path, field="story")
    assert "text, n" in raised.value.hint


def test_a_damaged_file_is_counted_after_what_was_whole(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    lines = "".join(json.dumps({"text": f"line {i} {i * 7919}"}) + "\n" for i in range(20_000))
    path.write_bytes(gzip.compress(lines.encode())[:-100])
    tally, rows = shard(tmp_path, path)
    assert tally["dropped"] == {"unreadable file": 1}
    assert len(rows) > 10_000
    (tmp_path / "b.parquet").write_bytes(b"PAR1 but not really")
    assert shard(tmp_path, tmp_path / "b.parquet")[0]["dropped"] == {"unreadable file": 1}
