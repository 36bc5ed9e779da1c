"""Documents to token shards: `NNNNN.bin` with the ids, `NNNNN.parquet` with what lies where.

A `.bin` file is nothing but little-endian ids of 2 or 4 bytes: the tokens of each document, then
`<|end|>`. The index beside it has one row per document, so that any token can be traced to its
page: `id`, `url`, `source` and `offset` are the page's, `start` is the document's first token in
this shard, `n_tokens` counts its tokens with `<|end|>`, `n_bytes` its UTF-8 bytes.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from groundup.core.records import DOCUMENT_COLUMNS
from groundup.tokens.tokenizer import Tokenizer

__all__ = ["INDEX", "Counts", "dtype_for", "read_texts", "write_shard"]

_BATCH_DOCUMENTS = 256  # a few megabytes of text at a time, enough for every thread
INDEX = pa.schema(
    [
        ("id", pa.string()),
        ("url", pa.string()),
        ("source", pa.string()),
        ("offset", pa.int64()),
        ("start", pa.int64()),
        ("n_tokens", pa.int64()),
        ("n_bytes", pa.int64()),
    ]
)


@dataclass(slots=True)
class Counts:
    """How much of something there is.

    Attributes:
        tokens: End tokens included, one for each document.
        size_bytes: UTF-8 bytes of text.
    """

    documents: int = 0
    tokens: int = 0
    size_bytes: int = 0

    def add(self, other: "Counts") -> None:
        """Adds another count to this one."""
        self.documents += other.documents
        self.tokens += other.tokens
        self.size_bytes += other.size_bytes

    @property
    def bytes_per_token(self) -> float:
        """Bytes of text for each token of text: how well the vocabulary fits; 0 without text."""
        text_tokens = self.tokens - self.documents
        return self.size_bytes / text_tokens if text_tokens else 0.0


def dtype_for(vocab_size: int) -> np.dtype[np.unsignedinteger]:
    """The smallest id type: 2 bytes while every id fits, else 4; little-endian."""
    return np.dtype("<u2" if vocab_size <= 2**16 else "<u4")


def read_texts(path: Path) -> Iterator[tuple[str, str]]:
    """Id and text of each document of a Parquet file, in order."""
    for batch in _batches(path, ["id", "text"]):
        yield from zip(batch["id"], batch["text"], strict=True)


def _batches(path: Path, columns: list[str]) -> Iterator[dict[str, list[Any]]]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_BATCH_DOCUMENTS, columns=columns):
            yield batch.to_pydict()


def write_shard(
    documents: Path, tokenizer: Tokenizer, *, ids_file: Path, index_file: Path, workers: int
) -> dict[str, Counts]:
    """Encodes one Parquet file of documents into two new files; gives counts by language."""
    dtype = dtype_for(tokenizer.vocab_size)
    counts: dict[str, Counts] = defaultdict(Counts)
    start = 0
    with ids_file.open("wb") as out, pq.ParquetWriter(index_file, INDEX) as index:
        for batch in _batches(documents, list(DOCUMENT_COLUMNS)):
            encoded = tokenizer.encode_batch(batch["text"], workers=workers)
            lengths = []
            for ids in encoded:
                ids.append(tokenizer.end_id)
                lengths.append(len(ids))
                np.asarray(ids, dtype=dtype).tofile(out)
            sizes = [len(text.encode()) for text in batch["text"]]
            starts = start + np.cumsum([0, *lengths])
            start = int(starts[-1])
            places = {"start": starts[:-1], "n_tokens": lengths, "n_bytes": sizes}
            page = {name: batch[name] for name in ("id", "url", "source", "offset")}
            index.write_table(pa.table({**page, **places}, schema=INDEX))
            for language, n_tokens, size in zip(batch["language"], lengths, sizes, strict=True):
                counts[language].add(Counts(1, n_tokens, size))
    return dict(counts)
