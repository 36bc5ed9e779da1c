"""How well a model predicts text: bits per byte, the measure that no tokenizer can flatter.

Letters: B rows, T target position.

bits per byte = sum of -log2 P(token | before) over all tokens / UTF-8 bytes of the text. End
tokens are predicted and charged to the text, though they stand for no bytes.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from groundup.core.errors import NumericalError
from groundup.model.loss import IGNORED
from groundup.model.transformer import Transformer
from groundup.tokens.loader import TokenRows

__all__ = ["Compression", "measure"]

BATCH_TOKENS = 4096

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Compression:
    """What a text costs under a model.

    Attributes:
        nats: Sum of -ln P over all tokens.
        n_tokens: How many were predicted, end tokens included.
        n_bytes: UTF-8 bytes that they stand for.
    """

    nats: float
    n_tokens: int
    n_bytes: int

    @property
    def bits_per_byte(self) -> float:
        """Bits for one byte of text."""
        return self.nats / math.log(2) / self.n_bytes

    @property
    def nats_per_token(self) -> float:
        """Mean loss, as training reports it; depends on the tokenizer."""
        return self.nats / self.n_tokens


class Sharing(Protocol):
    """Processes that measure one model together, each its part of the text."""

    @property
    def rank(self) -> int:
        """Number of this one, from 0."""

    @property
    def world_size(self) -> int:
        """How many there are."""

    def sum(self, values: Sequence[float]) -> list[float]:
        """Sums over all of them."""


class _Alone:
    rank = 0
    world_size = 1

    def sum(self, values: Sequence[float]) -> list[float]:
        return list(values)


@torch.no_grad()
def measure(
    model: Transformer,
    rows: TokenRows,
    *,
    max_tokens: int | None = None,
    batch_tokens: int = BATCH_TOKENS,
    sharing: Sharing | None = None,
    between: Callable[[], None] = lambda: None,
) -> Compression:
    """Predicts every token of a split once, with log-softmax in float32.

    A token sees at most `rows.context_length` tokens before it, those of its row: tokens at the
    start of a row see few. This is the same for every model measured with the same rows.

    Args:
        model: In any mode; nothing of it changes.
        rows: Usually the validation split.
        max_tokens: Stop after the rows that hold this many targets; None takes all.
        batch_tokens: Tokens in memory at once; has no influence on the result but rounding.
        sharing: Who takes part; all make equally many passes and get the same result.
        between: Called before each pass, equally often by all; may raise to end it.

    Raises:
        NumericalError: The model's loss is not finite.
    """
    T = rows.context_length
    sharing = sharing or _Alone()
    wanted = None if max_tokens is None else max(1, max_tokens // T)
    totals = np.zeros(3)
    for batches in _chunks(
        _chunks(islice(rows.all_rows(), wanted), max(1, batch_tokens // T)), sharing.world_size
    ):
        between()
        batch = batches[sharing.rank] if sharing.rank < len(batches) else []
        ids_BT, targets_BT = _padded(batch or batches[0][:1], T, model.device)
        if not batch:  # others have one more; a sharded model needs all for every pass
            targets_BT.fill_(IGNORED)
        logp_BT = model.log_probs(ids_BT, targets_BT, exact=True)
        totals += (
            -float(logp_BT.double().sum()),
            sum(len(row) - 1 for row in batch),
            sum(rows.bytes_of(row[1:]) for row in batch),
        )
    nats, n_tokens, n_bytes = sharing.sum(totals.tolist())
    if not math.isfinite(nats):
        raise NumericalError(
            f"the loss on {int(n_tokens):,} validation tokens is {nats}",
            hint="lower the learning rates, or train in float32",
            step=0,
            quantity="validation/loss_nats",
        )
    return Compression(nats=nats, n_tokens=int(n_tokens), n_bytes=int(n_bytes))


def _chunks(items: Iterator[Item], size: int) -> Iterator[Sequence[Item]]:
    while chunk := list(islice(items, size)):
        yield chunk


def _padded(
    rows: Sequence[NDArray[np.int64]], T: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Inputs and targets of T columns; what a short row lacks is id 0, and no target."""
    ids_BT = np.zeros((len(rows), T), dtype=np.int64)
    targets_BT = np.full((len(rows), T), IGNORED, dtype=np.int64)
    for index, row in enumerate(rows):
        ids_BT[index, : len(row) - 1] = row[:-1]
        targets_BT[index, : len(row) - 1] = row[1:]
    return torch.from_numpy(ids_BT).to(device), torch.from_numpy(targets_BT).to(device)
