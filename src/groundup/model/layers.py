"""Linear layers and norms that keep float32 weights and work in the format of their input.

Letters: D model width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["LayerNorm", "Linear", "RMSNorm"]


class Linear(nn.Module):
    """`x @ weight.T + bias`; weights are cast to the input's number format for the product.

    With gradients off, the cast copy is kept until the weights change, which generation needs: it
    would cost as much as the product of a small batch. PyTorch counts every in-place change of a
    parameter, optimizers' included (but not writes through `.data`, which nobody should use).
    """

    def __init__(self, d_in: int, d_out: int, *, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(d_out, d_in))
        self.bias = nn.Parameter(torch.empty(d_out)) if bias else None
        self._cast: tuple[object, Tensor, Tensor | None] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Any leading dimensions; the last is `d_in`."""
        weight, bias = self.cast(x.dtype)
        return F.linear(x, weight, bias)

    def cast(self, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        """Weight and bias in a number format, differentiable when gradients are on."""
        if torch.is_grad_enabled():
            self._cast = None
            return self.weight.to(dtype), None if self.bias is None else self.bias.to(dtype)
        changes = None if self.bias is None else (self.bias._version, self.bias.data_ptr())
        state = (dtype, self.weight._version, self.weight.data_ptr(), changes)
        if self._cast is None or self._cast[0] != state:
            bias = None if self.bias is None else self.bias.to(dtype)
            self._cast = (state, self.weight.to(dtype), bias)
        return self._cast[1], self._cast[2]


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
