import numpy as np
import pyarrow.parquet as pq
import pytest

from groundup.core.records import DOCUMENT_COLUMNS
from groundup.tokens.pack import Counts, dtype_for, read_texts, write_shard
from groundup.tokens.tokenizer import Tokenizer

PLAIN = Tokenizer([bytes([value]) for value in range(256)])


def pack(documents, folder):
    folder.mkdir(exist_ok=True)
    files = {"ids_file": folder / "00000.bin", "index_file": folder / "00000.parquet"}
    counts = write_shard(documents, PLAIN, workers=2, **files)
    return counts, np.fromfile(files["ids_file"], "<u2"), pq.read_table(files["index_file"])


def write(path, texts, language="en"):
    import pyarrow as pa

    columns = {name: [f"{name}{i}" for i in range(len(texts))] for name in DOCUMENT_COLUMNS}
    columns |= {"offset": list(range(len(texts))), "text": texts}
    columns |= {"language": [language] * len(texts)}
    pq.write_table(pa.table(columns, schema=pa.schema(list(DOCUMENT_COLUMNS.items()))), path)


def test_each_document_is_followed_by_the_end_token_and_can_be_found(tmp_path):
    write(tmp_path / "d.parquet", ["ab", "", "é"])
    counts, ids, index = pack(tmp_path / "d.parquet", tmp_path / "out")
    assert ids.tolist() == [97, 98, 256, 256, 0xC3, 0xA9, 256]
    assert index.to_pydict() == {
        "id": ["id0", "id1", "id2"],
        "url": ["url0", "url1", "url2"],
        "source": ["source0", "source1", "source2"],
        "offset": [0, 1, 2],
        "start": [0, 3, 4],
        "n_tokens": [3, 1, 3],
        "n_bytes": [2, 0, 2],
    }
    assert counts == {"en": Counts(documents=3, tokens=7, size_bytes=4)}


def test_every_document_of_a_large_file_comes_back_from_its_place(tmp_path):
    texts = [f"document {i} " * (i % 7) for i in range(1000)]  # several read batches
    write(tmp_path / "d.parquet", texts)
    _, ids, index = pack(tmp_path / "d.parquet", tmp_path / "out")
    found = [
        PLAIN.decode(ids[start : start + n - 1].tolist())
        for start, n in zip(index["start"].to_pylist(), index["n_tokens"].to_pylist(), strict=True)
    ]
    assert found == texts
    assert (ids == 256).sum() == 1000


def test_a_file_without_documents_gives_an_empty_shard(tmp_path):
    write(tmp_path / "d.parquet", [])
    counts, ids, index = pack(tmp_path / "d.parquet", tmp_path / "out")
    assert (counts, len(ids), index.num_rows) == ({}, 0, 0)


def test_text_that_spells_the_end_token_does_not_end_the_document(tmp_path):
    write(tmp_path / "d.parquet", ["a<|end|>b"])
    _, ids, _ = pack(tmp_path / "d.parquet", tmp_path / "out")
    assert np.flatnonzero(ids == 256).tolist() == [9]


@pytest.mark.parametrize(
    ("vocab_size", "dtype"), [(260, "uint16"), (65_536, "uint16"), (65_537, "uint32")]
)
def test_ids_take_two_bytes_while_every_id_fits(vocab_size, dtype):
    assert dtype_for(vocab_size).name == dtype
    assert np.iinfo(dtype_for(vocab_size)).max >= vocab_size - 1


def test_bytes_per_token_leave_end_tokens_out():
    assert Counts(documents=2, tokens=12, size_bytes=40).bytes_per_token == 4.0
    assert Counts().bytes_per_token == 0.0


def test_texts_are_read_with_their_ids(tmp_path):
    write(tmp_path / "d.parquet", ["x", "y"])
    assert list(read_texts(tmp_path / "d.parquet")) == [("id0", "x"), ("id1", "y")]
