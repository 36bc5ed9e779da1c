"""Keys and values kept between steps of generation.

Letters: L layer, B batch row, K key/value head, S slot (key position), T new position, C head
width.

Rows of one batch end at the same slot, so that a step writes one slice. A shorter prompt is padded
on the left: `start_B` says at which slot each row begins, and its position 0 is there.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from groundup.core.errors import ShapeError
from groundup.model.config import ModelShape

if TYPE_CHECKING:
    from groundup.model.transformer import Transformer

__all__ = ["Cache"]


class Cache:
    """Room for `max_len` tokens of each of `batch` rows; the model fills it as it runs.

    Attributes:
        length: Slots filled so far, padding included.
        max_len: Slots there are.
    """

    def __init__(
        self,
        config: ModelShape,
        batch: int,
        max_len: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        shape = (batch, config.kv_heads, max_len, config.d_head)
        layers = range(config.n_layers)
        self.length = 0
        self.max_len = max_len
        self._keys = [torch.empty(shape, device=device, dtype=dtype) for _ in layers]
        self._values = [torch.empty(shape, device=device, dtype=dtype) for _ in layers]
        self._start_B: Tensor | None = None
        self._least_start = 0

    @classmethod
    def of(cls, model: "Transformer", *, batch: int, max_len: int) -> "Cache":
        """A cache where a model is, in the format that it computes in."""
        return cls(model.config, batch, max_len, model.device, model.compute_dtype)

    @property
    def batch(self) -> int:
        """Rows."""
        return self._keys[0].shape[0]

    def pad_left(self, start_B: Tensor) -> None:
        """Says how many padding tokens precede each row; before the first tokens go in."""
        self._start_B = start_B if bool((start_B > 0).any()) else None
        self._least_start = int(start_B.min())

    @property
    def longest(self) -> int:
        """Tokens in the row that has most, padding not counted."""
        return self.length - self._least_start

    def positions(self, new: int) -> Tensor:
        """Positions of the next `new` tokens: (T,), or (B, T) when rows start at their own slot."""
        device = self._keys[0].device
        slots_T = torch.arange(self.length, self.length + new, device=device)
        if self._start_B is None:
            return slots_T
        return (slots_T - self._start_B[:, None]).clamp(min=0)  # padding: any valid position does

    def visible(self, new: int) -> Tensor | None:
        """Which slots each new token may see: (T, S) or (B, 1, T, S), or None for all of them."""
        device = self._keys[0].device
        slots_S = torch.arange(self.length + new, device=device)
        if self._start_B is None:
            if new == 1:
                return None
            return slots_S <= slots_S[self.length :, None]
        causal_TS = slots_S <= slots_S[self.length :, None]
        return (causal_TS & (slots_S >= self._start_B[:, None, None]))[:, None]

    def append(self, layer: int, k_BKTC: Tensor, v_BKTC: Tensor) -> tuple[Tensor, Tensor]:
        """Writes a layer's new keys and values; returns all of that layer's so far, as views.

        Raises:
            ShapeError: The cache is full or the batch differs.
        """
        end = self.length + k_BKTC.shape[2]
        if end > self.max_len or k_BKTC.shape[0] != self.batch:
            raise ShapeError(
                f"a cache for {self.batch} rows of {self.max_len} cannot take"
                f" {k_BKTC.shape[0]} rows up to slot {end}"
            )
        self._keys[layer][:, :, self.length : end] = k_BKTC
        self._values[layer][:, :, self.length : end] = v_BKTC
        return self._keys[layer][:, :, :end], self._values[layer][:, :, :end]

    def advance(self, new: int) -> None:
        """Counts `new` tokens as filled, after every layer has appended theirs."""
        self.length += new

    def keep(self, rows_B: Tensor) -> None:
        """Keeps these rows, in this order; a row may be named several times."""
        self._keys = [_gather(keys, rows_B, self.length) for keys in self._keys]
        self._values = [_gather(values, rows_B, self.length) for values in self._values]
        if self._start_B is not None:
            self.pad_left(self._start_B[rows_B])

    def move(self, sources: Tensor, targets: Tensor, batch: int) -> None:
        """Copies the rows `sources` over the rows `targets`, then drops all rows from `batch` on.

        Retires finished rows at the price of the rows that fill their places.
        """
        filled = slice(0, self.length)
        for kept in (self._keys, self._values):
            for layer, old in enumerate(kept):
                old[targets, :, filled] = old[sources, :, filled]
                kept[layer] = old[:batch]
        if self._start_B is not None:
            self._start_B[targets] = self._start_B[sources]
            self.pad_left(self._start_B[:batch])


def _gather(old: Tensor, rows_B: Tensor, length: int) -> Tensor:
    """Rows of a layer's keys or values in a new tensor; only the filled slots are copied."""
    new = old.new_empty(len(rows_B), *old.shape[1:])
    new[:, :, :length] = old[rows_B, :, :length]
    return new
