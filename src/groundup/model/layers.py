"""Linear layers and norms that keep float32 weights and work in the format of their input.

Letters: D model width.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["LayerNorm", "Linear", "RMSNorm"]


class Linear(nn.Module):
    """`x @ weight.T + bias`; weights are cast to the input's number format for the product.

    Attributes:
        product: What multiplies; see `training/float8.py`.
    """

    def __init__(self, d_in: int, d_out: int, *, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(d_out, d_in))
        self.bias = nn.Parameter(torch.empty(d_out)) if bias else None
        self.product: Callable[[Tensor, Tensor, Tensor | None], Tensor] = F.linear
        self._kept: tuple[Tensor, Tensor | None] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Any leading dimensions; the last is `d_in`."""
        weight, bias = self.cast(x.dtype)
        return self.product(x, weight, bias)

    def cast(self, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        """Weight and bias in a number format; differentiable when gradients are on."""
        kept = self._kept
        if kept is not None and kept[0].dtype == dtype and not torch.is_grad_enabled():
            return kept
        return self.weight.to(dtype), None if self.bias is None else self.bias.to(dtype)

    @torch.no_grad()
    def keep(self, dtype: torch.dtype) -> None:
        """Casts once for all passes without gradients, until `release`; see `Transformer.steady`.

        There is no way to notice that weights have changed: PyTorch's fused optimizers do not count
        their writes in a parameter's version.
        """
        self._kept = self.cast(dtype)

    def release(self) -> None:
        """Casts at each pass again."""
        self._kept = None


class LayerNorm(nn.Module):
    """Source: Ba et al. 2016, arXiv 1607.06450."""

    def __init__(self, width: int, *, eps: float, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width))
        self.bias = nn.Parameter(torch.empty(width)) if bias else None
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalises the last dimension to mean 0 and variance 1, then scales and shifts."""
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


class RMSNorm(nn.Module):
    """Source: Zhang and Sennrich 2019, arXiv 1910.07467, eq. 4."""

    def __init__(self, width: int, *, eps: float, bias: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Scales the last dimension to a root mean square of 1, then by the weights."""
        return F.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), self.eps)
