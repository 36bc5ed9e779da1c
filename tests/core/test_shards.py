import hashlib

from groundup.core.shards import Shards


def finished(run, name="pages/0", data=b"rows"):
    path = run / f"{name}.bin"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    shards = Shards(run)
    shards.add(name, path, rows=2, dropped={"x": 1})
    return path


def test_a_finished_shard_is_known_to_the_next_process(tmp_path):
    finished(tmp_path)
    shards = Shards(tmp_path)
    assert "pages/0" in shards
    assert len(shards) == 1
    assert shards.rows() == [
        {
            "shard": "pages/0",
            "path": "pages/0.bin",
            "rows": 2,
            "size_bytes": 4,
            "sha256": hashlib.sha256(b"rows").hexdigest(),
            "stats": {"dropped": {"x": 1}},
        }
    ]


def test_a_shard_whose_file_is_gone_or_cut_does_not_count(tmp_path):
    path = finished(tmp_path)
    path.write_bytes(b"row")
    assert "pages/0" not in Shards(tmp_path)
    path.unlink()
    assert "pages/0" not in Shards(tmp_path)


def test_a_last_line_cut_short_does_not_count_and_does_not_swallow_the_next(tmp_path):
    finished(tmp_path, "pages/0")
    with (tmp_path / "shards.jsonl").open("a") as lines:
        lines.write('{"shard": "pages/1", "pa')
    assert len(Shards(tmp_path)) == 1
    finished(tmp_path, "pages/2")
    assert sorted(row["shard"] for row in Shards(tmp_path).rows()) == ["pages/0", "pages/2"]


def test_a_cut_inside_a_character_does_not_stop_the_reader(tmp_path):
    finished(tmp_path)
    with (tmp_path / "shards.jsonl").open("ab") as lines:
        lines.write(b'{"shard": "\xc3')
    assert "pages/0" in Shards(tmp_path)


def test_rows_are_ordered_by_name_and_the_last_line_of_a_shard_counts(tmp_path):
    for name in ("pages/2", "pages/1"):
        finished(tmp_path, name)
    finished(tmp_path, "pages/1", b"other")
    rows = Shards(tmp_path).rows()
    assert [row["shard"] for row in rows] == ["pages/1", "pages/2"]
    assert rows[0]["size_bytes"] == 5
