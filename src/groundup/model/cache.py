"""Keys and values kept between steps of generation.

Letters: L layer, B batch row, K key/value head, S slot (key position), T new position, C head
width.

Rows of one batch end at the same slot, so that a step writes one slice. A shorter prompt is padded
on the left: `start_B` says at which slot each row begins, and its position 0 is there.

Attention reads the whole buffer of a layer, unfilled slots hidden, because products of contiguous
tensors are several times faster on a CPU than those of slices; the buffer grows in small steps.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from groundup.core.errors import ShapeError
from groundup.model.config import ModelShape

if TYPE_CHECKING:
    from groundup.model.transformer import Transformer

__all__ = ["HIDDEN", "Cache"]

HIDDEN = -1e30
"""Added to the scores of hidden keys. Finite, so that a padding token, which may see nothing but
padding, gives numbers and not NaN."""

_GROWTH = 32  # slots


class Cache:
    """Room for up to `max_len` tokens of each of `batch` rows; the model fills it as it runs.

    Attributes:
        length: Slots filled so far, padding included.
        max_len: Most slots.
    """

    def __init__(
        self,
        config: ModelShape,
        batch: int,
        max_len: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.length = 0
        self.max_len = max_len
        shape = (batch, config.kv_heads, 0, config.head_width)
        layers = range(config.n_layers)
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

    @property
    def longest(self) -> int:
        """Tokens in the row that has most, padding not counted."""
        return self.length - self._least_start

    def pad_left(self, start_B: Tensor) -> None:
        """Says how many padding tokens precede each row; before the first tokens go in."""
        self._start_B = start_B if bool((start_B > 0).any()) else None
        self._least_start = int(start_B.min())

    def positions(self, new: int) -> Tensor:
        """Positions of the next `new` tokens: (T,), or (B, T) when rows start at their own slot."""
        device = self._keys[0].device
        slots_T = torch.arange(self.length, self.length + new, device=device)
        if self._start_B is None:
            return slots_T
        return (slots_T - self._start_B[:, None]).clamp(min=0)  # padding: any valid position does

    def reserve(self, new: int) -> Tensor:
        """Makes room for the next `new` tokens.

        Returns:
            What to add to the scores of all slots: (T, S), or (B, 1, T, S) when rows start at their
            own slot; 0 where a new token may look, `HIDDEN` elsewhere.

        Raises:
            ShapeError: More than `max_len` tokens.
        """
        end = self.length + new
        if end > self.max_len:
            raise ShapeError(f"a cache for {self.max_len} tokens cannot take {end}")
        slots = self._keys[0].shape[2]
        if end > slots:
            slots = min(self.max_len, -(-end // _GROWTH) * _GROWTH)
            self._keys = [self._copy(keys, slots) for keys in self._keys]
            self._values = [self._copy(values, slots) for values in self._values]
        slots_S = torch.arange(slots, device=self._keys[0].device)
        hidden = slots_S > slots_S[self.length : end, None]
        if self._start_B is not None:
            hidden = (hidden | (slots_S < self._start_B[:, None, None]))[:, None]
        return torch.zeros_like(hidden, dtype=self._keys[0].dtype).masked_fill_(hidden, HIDDEN)

    def append(self, layer: int, k_BKTC: Tensor, v_BKTC: Tensor) -> tuple[Tensor, Tensor]:
        """Writes a layer's new keys and values; returns that layer's buffers, (B, K, S, C).

        Raises:
            ShapeError: The batch differs.
        """
        if k_BKTC.shape[0] != self.batch:
            raise ShapeError(f"a cache for {self.batch} rows cannot take {k_BKTC.shape[0]}")
        new = slice(self.length, self.length + k_BKTC.shape[2])
        self._keys[layer][:, :, new] = k_BKTC
        self._values[layer][:, :, new] = v_BKTC
        return self._keys[layer], self._values[layer]

    def advance(self, new: int) -> None:
        """Counts `new` tokens as filled, after every layer has appended theirs."""
        self.length += new

    def keep(self, rows_B: Tensor) -> None:
        """Keeps these rows, in this order; a row may be named several times."""
        self._keys = [keys[rows_B] for keys in self._keys]
        self._values = [values[rows_B] for values in self._values]
        if self._start_B is not None:
            self.pad_left(self._start_B[rows_B])

    def move(self, sources: Tensor, targets: Tensor, batch: int) -> None:
        """Copies the rows `sources` over the rows `targets`, then drops all rows from `batch` on.

        Retires finished rows at the price of the rows that fill their places.
        """
        for kept in (self._keys, self._values):
            for layer, old in enumerate(kept):
                old[targets] = old[sources]
                kept[layer] = old[:batch]
        if self._start_B is not None:
            self._start_B[targets] = self._start_B[sources]
            self.pad_left(self._start_B[:batch])

    def _copy(self, old: Tensor, slots: int) -> Tensor:
        """A larger buffer with the filled slots; the rest is 0, for hidden garbage may be NaN."""
        new = old.new_empty(*old.shape[:2], slots, old.shape[3])
        new[:, :, : self.length] = old[:, :, : self.length]
        new[:, :, self.length :] = 0
        return new
