"""Token shards to training rows: every batch is a pure function, so there is no state to save.

The documents of a split form one stream of tokens, each document followed by `<|end|>`. A virtual
`<|end|>` stands before the first token, so the first document begins as the others do and every
token of the stream is a target. A row of context length T is T + 1 neighbouring ids: T inputs, and
as targets the same shifted by one. Rows may begin and end inside a document.

Training: an epoch cuts the stream into rows whose targets do not overlap and visits each once, in
an order of its own. The stream's length is rarely a multiple of T; the fewer than T targets left
over fall at the ends, at a cut that differs from epoch to epoch.

Validation: `all_rows` predicts every token exactly once. End tokens are predicted too and cost
nats, but stand for no bytes of text. So

    bits per byte = sum of nats over all targets / ln 2 / n_bytes

charges the document ends to the text, as a lossless compressor would have to.

Differs from nanoGPT's sampling with replacement: a token is seen exactly once per epoch.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from groundup.core.artifact import Artifact
from groundup.core.errors import DataError
from groundup.core.seeds import derive
from groundup.tokens.tokenizer import Tokenizer

__all__ = ["Split", "TokenRows"]

Split = Literal["train", "validation"]


class TokenRows:
    """Rows of one split, read from memory-mapped shards.

    Attributes:
        context_length: T, targets in a row.
        n_tokens: Tokens of the stream; end tokens included, the virtual first one not.
        n_bytes: UTF-8 bytes of the split's documents.
        n_rows: Whole rows in an epoch.
    """

    def __init__(
        self,
        shards: Sequence[NDArray[np.unsignedinteger]],
        *,
        context_length: int,
        end_id: int,
        n_bytes_by_id: Sequence[int],
        n_bytes: int,
    ) -> None:
        self.context_length = context_length
        self.n_bytes = n_bytes
        self._end_id = end_id
        self._bytes_by_id = np.asarray(n_bytes_by_id, dtype=np.int64)
        self._shards = [shard for shard in shards if len(shard)]
        self._starts = np.cumsum([0, *(len(shard) for shard in self._shards)])
        self.n_tokens = int(self._starts[-1])
        self.n_rows = self.n_tokens // context_length
        self._order: tuple[tuple[int, int], NDArray[np.int64]] | None = None

    @classmethod
    def open(cls, artifact: Artifact, split: Split, context_length: int) -> "TokenRows":
        """Opens a split of a tokens run.

        Raises:
            MissingArtifact: A file is gone.
            CorruptArtifact: A file has another size than was written.
            DataError: No tokens, or for training fewer than one row.
        """
        about = json.loads(artifact.file("tokens.json").read_text(encoding="utf-8"))
        tokenizer = Tokenizer.load(artifact.file("tokenizer.json"))
        dtype = np.dtype(about["dtype"]).newbyteorder("<")
        paths = artifact.files(f"{split}/*.bin")
        rows = cls(
            [np.memmap(path, dtype, mode="r") for path in paths if path.stat().st_size],
            context_length=context_length,
            end_id=tokenizer.end_id,
            n_bytes_by_id=tokenizer.n_bytes_by_id,
            n_bytes=int(about[f"{split}_bytes"]),
        )
        if rows.n_tokens == 0 or (split == "train" and rows.n_rows == 0):
            raise DataError(
                f"the {split} split of {artifact.path} has {rows.n_tokens:,} tokens, fewer than "
                f"one row of context_length={context_length}",
                hint="crawl more pages, or lower context_length in the recipe",
                source=str(artifact.path),
            )
        return rows

    def batch(self, seed: int, step: int, rows: int) -> NDArray[np.int64]:
        """Batch number `step` (from 0) of the endless sequence of epochs that `seed` names.

        Args:
            seed: Root seed of the order.
            step: Which batch; batches follow one another without gap, across epochs too.
            rows: Rows in every batch.

        Returns:
            Ids of shape (rows, T + 1).
        """
        first = step * rows
        return np.stack([self._training_row(seed, first + index) for index in range(rows)])

    def all_rows(self) -> Iterator[NDArray[np.int64]]:
        """Rows that predict every token once, in order; the last one may be shorter than T + 1."""
        for start in range(0, self.n_tokens, self.context_length):
            yield self._read(start, min(start + self.context_length, self.n_tokens))

    def bytes_of(self, targets: NDArray[np.int64]) -> int:
        """UTF-8 bytes that some targets stand for; over all targets of a split, `n_bytes`."""
        return int(self._bytes_by_id[targets].sum())

    def _training_row(self, seed: int, number: int) -> NDArray[np.int64]:
        epoch, position = divmod(number, self.n_rows)
        left_over = self.n_tokens - self.n_rows * self.context_length
        cut = derive(seed, f"tokens/cut/{epoch}") % (left_over + 1)
        start = cut + int(self._epoch_order(seed, epoch)[position]) * self.context_length
        return self._read(start, start + self.context_length)

    def _epoch_order(self, seed: int, epoch: int) -> NDArray[np.int64]:
        """A permutation of the rows; the last one asked for is kept."""
        if self._order is None or self._order[0] != (seed, epoch):
            order = _permutation(self.n_rows, derive(seed, f"tokens/order/{epoch}"))
            self._order = ((seed, epoch), order)
        return self._order[1]

    def _read(self, start: int, stop: int) -> NDArray[np.int64]:
        """Targets `start` to `stop` with the id before them."""
        ids = np.empty(stop - start + 1, dtype=np.int64)
        filled = 0
        if start == 0:
            ids[0] = self._end_id
            filled = 1
        position = start - 1 + filled
        shard = int(np.searchsorted(self._starts, position, side="right")) - 1
        while position < stop:
            offset = position - int(self._starts[shard])
            part = self._shards[shard][offset : offset + stop - position]
            ids[filled : filled + len(part)] = part
            filled += len(part)
            position += len(part)
            shard += 1
        return ids


def _permutation(n: int, seed: int) -> NDArray[np.int64]:
    """The order of a keyed 64-bit hash of 0..n-1.

    Written out, because NumPy's own permutations may change from version to version, and with them
    the result of a resumed run. The hash is SplitMix64: Steele, Lea, Flood 2014, "Fast splittable
    pseudorandom number generators", figure 17, with the constants of Vigna's splitmix64.c.
    """
    z = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.argsort(z, kind="stable")
