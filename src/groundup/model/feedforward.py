"""The feed-forward half of a block, plain or gated.

Letters: B batch, T position, D model width, F feed-forward width.
"""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundup.model.config import ModelShape
from groundup.model.layers import Linear

__all__ = ["GatedFeedForward", "PlainFeedForward", "build"]


def _relu2(x: Tensor) -> Tensor:
    """Squared ReLU. Source: So et al. 2021, arXiv 2109.08668, section 3."""
    return torch.relu(x).square()


class PlainFeedForward(nn.Module):
    """Two layers with an activation between: GELU, exact or in GPT-2's tanh form, or ReLU^2."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.up = Linear(shape.d_model, shape.ff_width, bias=shape.has_bias)
        self.down = Linear(shape.ff_width, shape.d_model, bias=shape.has_bias)
        kinds: dict[str, Callable[[Tensor], Tensor]] = {
            "gelu": F.gelu,
            "gelu_tanh": partial(F.gelu, approximate="tanh"),
            "relu2": _relu2,
        }
        self.activation = kinds[shape.activation]

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Returns what the residual stream gets, (B, T, D)."""
        hidden: Tensor = self.down(self.activation(self.up(x_BTD)))
        return hidden


class GatedFeedForward(nn.Module):
    """SwiGLU. Source: Shazeer 2020, arXiv 2002.05202, eq. 6."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.gate = Linear(shape.d_model, shape.ff_width, bias=shape.has_bias)
        self.up = Linear(shape.d_model, shape.ff_width, bias=shape.has_bias)
        self.down = Linear(shape.ff_width, shape.d_model, bias=shape.has_bias)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Returns what the residual stream gets, (B, T, D)."""
        hidden: Tensor = self.down(F.silu(self.gate(x_BTD)) * self.up(x_BTD))
        return hidden


def build(shape: ModelShape) -> nn.Module:
    """The feed-forward layer that a shape asks for."""
    kind = GatedFeedForward if shape.activation == "swiglu" else PlainFeedForward
    return kind(shape)
