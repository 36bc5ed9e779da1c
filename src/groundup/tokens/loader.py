"""Token shards to training rows: every batch is a pure function, so there is no state to save.

The documents of a split form one stream of tokens, each document followed by `<|end|>`. A virtual
`<|end|>` stands before the first token, so the first document begins as the others do and every
token of the stream is a target. A row of context length T is T + 1 neighbouring ids: T inputs, and
as targets the same shifted by one. Rows may begin and end inside a document.

Training: an epoch cuts the stream into rows whose targets do not overlap and visits each once, in
an order of its own (`order`). The stream's length is rarely a multiple of T; the fewer than T
targets left over fall at the ends, at a cut that differs from epoch to epoch.

A batch depends on the shards, the seed and its number. Ranks that train together read slices of
the same batch, so how many they are changes nothing but who reads which rows.

Validation: `all_rows` predicts every token exactly once. End tokens are predicted too and cost
nats, but stand for no bytes of text. So

    bits per byte = sum of nats over all targets / ln 2 / n_bytes

charges the document ends to the text, as a lossless compressor would have to.

Differs from nanoGPT's sampling with replacement: a token is seen exactly once per epoch.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from groundup.core.artifact import Artifact
from groundup.core.errors import CorruptArtifact, DataError
from groundup.core.seeds import derive
from groundup.tokens.order import Order, epoch_order
from groundup.tokens.tokenizer import Tokenizer

__all__ = ["Split", "TokenRows", "TrainingRows", "check_same_tokenizer"]

Split = Literal["train", "validation"]


class TrainingRows(Protocol):
    """What training reads: one stream's rows, or several streams' mixed.

    Attributes:
        context_length: T, targets in a row.
        n_tokens: Tokens that there are, each counted once.
    """

    context_length: int
    n_tokens: int

    def batch(
        self, seed: int, step: int, rows: int, *, first: int = 0, count: int | None = None
    ) -> NDArray[np.int64]:
        """Batch number `step`, or some of its rows; see `TokenRows.batch`."""


class TokenRows:
    """Rows of one stream, read from memory-mapped shards.

    Attributes:
        context_length: T, targets in a row.
        n_tokens: Tokens of the stream; end tokens included, the virtual first one not.
        n_bytes: UTF-8 bytes of the stream's documents.
        n_rows: Whole rows in an epoch.
        names: Name of each shard that is not empty, such as `train/00000`.
        starts: Position of each shard's first token in the stream; the stream's length ends it.
    """

    def __init__(
        self,
        shards: Sequence[NDArray[np.unsignedinteger]],
        *,
        context_length: int,
        end_id: int,
        n_bytes_by_id: Sequence[int],
        n_bytes: int,
        names: Sequence[str] | None = None,
    ) -> None:
        self.context_length = context_length
        self.n_bytes = n_bytes
        self._end_id = end_id
        self._bytes_by_id = np.asarray(n_bytes_by_id, dtype=np.int64)
        given = list(map(str, range(len(shards)))) if names is None else names
        self.names = [name for name, shard in zip(given, shards, strict=True) if len(shard)]
        self._shards = [shard for shard in shards if len(shard)]
        self.starts = np.cumsum([0, *(len(shard) for shard in self._shards)])
        self.n_tokens = int(self.starts[-1])
        self.n_rows = self.n_tokens // context_length
        self._order: tuple[tuple[int, int], Order] | None = None

    @classmethod
    def open(
        cls, artifact: Artifact, split: Split, context_length: int, *, source: str | None = None
    ) -> "TokenRows":
        """Opens a split of a tokens run; no token is read.

        Args:
            source: One of the run's sources; None takes all, in order of name, as one stream.

        Raises:
            MissingArtifact: A file is gone.
            CorruptArtifact: A file has another size than was written.
            DataError: No tokens, or for training fewer than one row.
        """
        about = json.loads(artifact.file("tokens.json").read_text(encoding="utf-8"))
        counts = about if source is None else about["sources"][source]
        tokenizer = Tokenizer.load(artifact.file("tokenizer.json"))
        dtype = np.dtype(about["dtype"]).newbyteorder("<")
        names = _shard_names(artifact, split, source)
        rows = cls(
            [_mapped(artifact.file(f"{name}.bin"), dtype) for name in names],
            context_length=context_length,
            end_id=tokenizer.end_id,
            n_bytes_by_id=tokenizer.n_bytes_by_id,
            n_bytes=int(counts[f"{split}_bytes"]),
            names=names,
        )
        if rows.n_tokens == 0 or (split == "train" and rows.n_rows == 0):
            part = "" if source is None else f"source {source!r} in "
            raise DataError(
                f"{part}the {split} split of {artifact.path} has {rows.n_tokens:,} tokens, fewer "
                f"than one row of context_length={context_length}",
                hint="crawl more pages, or lower context_length in the recipe",
                source=str(artifact.path),
            )
        return rows

    def batch(
        self, seed: int, step: int, rows: int, *, first: int = 0, count: int | None = None
    ) -> NDArray[np.int64]:
        """Batch number `step` (from 0) of the endless sequence of epochs that `seed` names.

        Args:
            seed: Root seed of the order.
            step: Which batch; batches follow one another without gap, across epochs too.
            rows: Rows in every batch.
            first: The first row of the batch to read; a rank's slice begins there.
            count: How many rows to read; None reads on to the batch's end.

        Returns:
            Ids of shape (count, T + 1).

        Raises:
            CorruptArtifact: The shards hold an id outside the vocabulary.
        """
        last = rows if count is None else first + count
        numbers = range(step * rows + first, step * rows + last)
        return np.stack([self.row(seed, number) for number in numbers])

    def row(self, seed: int, number: int) -> NDArray[np.int64]:
        """Row `number` of the endless sequence of epochs: T + 1 ids."""
        start = self.place(seed, number)
        return self.read(start, start + self.context_length)

    def place(self, seed: int, number: int) -> int:
        """Where in the stream the first target of row `number` is."""
        epoch, position = divmod(number, self.n_rows)
        row = self._epoch_order(seed, epoch).row_at(position)
        return self._cut(seed, epoch) + row * self.context_length

    def visits(self, seed: int, start: int, stop: int, *, before: int) -> list[int]:
        """Numbers below `before` of the rows that show any of the stream's tokens start..stop-1.

        A row shows its targets and the id before the first one.
        """
        width, found = self.context_length, []
        for epoch in range(-(-before // self.n_rows)):
            cut, order = self._cut(seed, epoch), self._epoch_order(seed, epoch)
            first, last = (start - cut) // width, (stop - cut) // width
            shown = range(max(first, 0), min(last, self.n_rows - 1) + 1)
            found += [epoch * self.n_rows + order.position_of(row) for row in shown]
        return sorted(number for number in found if number < before)

    def all_rows(self) -> Iterator[NDArray[np.int64]]:
        """Rows that predict every token once, in order; the last one may be shorter than T + 1."""
        for start in range(0, self.n_tokens, self.context_length):
            yield self.read(start, min(start + self.context_length, self.n_tokens))

    def bytes_of(self, targets: NDArray[np.int64]) -> int:
        """UTF-8 bytes that some targets stand for; over all targets of a split, `n_bytes`."""
        return int(self._bytes_by_id[targets].sum())

    def _cut(self, seed: int, epoch: int) -> int:
        """Targets that the epoch leaves out before its first row."""
        left_over = self.n_tokens - self.n_rows * self.context_length
        return derive(seed, f"tokens/cut/{epoch}") % (left_over + 1)

    def _epoch_order(self, seed: int, epoch: int) -> Order:
        """The order of an epoch; the last one asked for is kept."""
        if self._order is None or self._order[0] != (seed, epoch):
            order = epoch_order(self.n_rows, derive(seed, f"tokens/order/{epoch}"))
            self._order = ((seed, epoch), order)
        return self._order[1]

    def read(self, start: int, stop: int) -> NDArray[np.int64]:
        """Targets `start` to `stop` with the id before them.

        Raises:
            CorruptArtifact: A shard holds an id outside the vocabulary.
        """
        ids = np.empty(stop - start + 1, dtype=np.int64)
        filled = 0
        if start == 0:
            ids[0] = self._end_id
            filled = 1
        position = start - 1 + filled
        shard = int(np.searchsorted(self.starts, position, side="right")) - 1
        while position < stop:
            offset = position - int(self.starts[shard])
            part = self._shards[shard][offset : offset + stop - position]
            ids[filled : filled + len(part)] = part
            filled += len(part)
            position += len(part)
            shard += 1
        if ids.max() >= len(self._bytes_by_id):
            raise CorruptArtifact(
                f"the shards hold token id {ids.max()} near position {start:,}, outside the "
                f"vocabulary of {len(self._bytes_by_id):,} ids",
                hint="`groundup verify` on the tokens run says which file is damaged",
            )
        return ids


def check_same_tokenizer(tokens: Artifact, tokenizer: Tokenizer, *, owner: str) -> None:
    """Refuses to read shards with another tokenizer than they were written with.

    Args:
        owner: Whose tokenizer it is, for the message.

    Raises:
        DataError: The ids of the tokens run mean something else to `owner`.
    """
    own = Tokenizer.load(tokens.file("tokenizer.json"))
    if own.vocab_size != tokenizer.vocab_size or any(
        own.token_bytes(id) != tokenizer.token_bytes(id) for id in range(own.vocab_size)
    ):
        raise DataError(
            f"the token ids of {tokens.path} are of another vocabulary ({own.vocab_size:,} ids) "
            f"than {owner} ({tokenizer.vocab_size:,} ids)",
            hint="use a tokens run made with the model's tokenizer: tokenizer = RUN in its recipe",
            source=str(tokens.path),
        )


def _shard_names(artifact: Artifact, split: str, source: str | None) -> list[str]:
    """`train/00000`, or `train/SOURCE/00000` in a run over several corpora; in order."""
    paths = [PurePosixPath(output.path) for output in artifact.manifest.outputs]
    shards = [path for path in paths if path.suffix == ".bin" and path.parts[0] == split]
    wanted = [path for path in shards if source is None or path.parts[1] == source]
    return [path.with_suffix("").as_posix() for path in sorted(wanted)]


def _mapped(path: Path, dtype: np.dtype[np.unsignedinteger]) -> NDArray[np.unsignedinteger]:
    """A shard's ids, read when they are looked at; an empty file cannot be mapped."""
    return np.memmap(path, dtype, mode="r") if path.stat().st_size else np.empty(0, dtype)
