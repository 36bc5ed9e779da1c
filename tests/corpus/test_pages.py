"""Page numbers, and files that appear whole or not at all."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groundup.core.errors import DataError
from groundup.corpus.pages import Shard, list_shards, page_slice, read_rows, row_writer

SCHEMA = pa.schema({"page": pa.int64()})


def test_rows_come_back_with_their_numbers(tmp_path):
    path = tmp_path / "rows.parquet"
    with row_writer(path, SCHEMA) as writer:
        for page in range(2_500):
            writer.add({"page": page * 3, "other": "not a column"})
    assert writer.n_rows == 2_500
    assert pq.ParquetFile(path).metadata.num_row_groups == 3  # groups of 1,000
    assert list(read_rows(path, ["page"])) == [(n, {"page": n * 3}) for n in range(2_500)]


def test_a_failed_writer_leaves_nothing(tmp_path):
    with (
        pytest.raises(pa.ArrowInvalid),
        row_writer(tmp_path / "a.parquet", SCHEMA) as writer,
    ):
        writer.add({"page": "not a number"})
    assert list(tmp_path.iterdir()) == []


def test_no_rows_make_a_file_only_where_one_is_wanted(tmp_path):
    for keep_empty in (True, False):
        with row_writer(tmp_path / f"{keep_empty}.parquet", SCHEMA, keep_empty=keep_empty):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["True.parquet"]


def test_a_writer_does_not_bring_back_a_removed_folder(tmp_path):
    folder = tmp_path / "gone"
    with pytest.raises(FileNotFoundError), row_writer(folder / "a.parquet", SCHEMA):
        pass
    assert not folder.exists()


def test_a_slice_holds_the_pages_of_one_shard(tmp_path):
    pages = [0, 5, 1 << 32, (1 << 32) + 7, 2 << 32]
    pq.write_table(pa.table({"page": pages}, SCHEMA), tmp_path / "a.parquet")
    middle = Shard(1, "unused", 10)
    assert middle.first_page == 1 << 32
    assert [row["page"] for row in page_slice(tmp_path, middle, ["page"])] == pages[2:4]


def test_files_that_are_no_pages_are_refused(tmp_path):
    with pytest.raises(DataError, match="has no pages"):
        list_shards([], source=tmp_path)
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 not really")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        list_shards([broken], source=tmp_path)
    other = tmp_path / "other.parquet"
    pq.write_table(pa.table({"page": [1]}), other)
    with pytest.raises(DataError, match="has no column charset"):
        list_shards([other], source=tmp_path)
