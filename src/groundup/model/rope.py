"""Where a token stands: learned vectors added to it, or rotations of queries and keys.

Letters: B batch, T query position, D model width, H head (query or key), C head width.
Both classes have the same two methods, so the model never asks which one it has.
"""

import math

import torch
from torch import Tensor, nn

from groundup.model.config import RopeScaling

__all__ = [
    "LearnedPositions",
    "RotaryPositions",
    "Rotation",
    "no_rotation",
    "rotate",
    "stretch_factors",
]

Rotation = tuple[Tensor, ...]
"""Cosine and sine, each (T, C/2) or (B, 1, T, C/2); nothing for learned positions."""


class LearnedPositions(nn.Module):
    """One learned vector for each position (GPT-2)."""

    def __init__(self, context_length: int, d_model: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(context_length, d_model))

    def add(self, x_BTD: Tensor, positions: Tensor) -> Tensor:
        """Adds each position's vector; `positions` is (T,) or (B, T)."""
        return x_BTD + self.weight[positions]

    def rotation(self, positions: Tensor, dtype: torch.dtype) -> Rotation:
        """Nothing to rotate."""
        return ()


class RotaryPositions(nn.Module):
    """Rotary positions. Source: Su et al. 2021, arXiv 2104.09864, eq. 34.

    Differs from the paper: pair i of a head is (i, i + C/2), not (2i, 2i + 1), as in Llama's
    published weights; the two are the same up to an order of the head's columns.
    """

    cos: Tensor
    sin: Tensor

    def __init__(
        self,
        context_length: int,
        d_head: int,
        theta: float,
        *,
        scaling: RopeScaling | None = None,
    ) -> None:
        super().__init__()
        periods = _periods(d_head, theta)
        if scaling is not None:
            periods = periods * stretch_factors(d_head, theta, scaling)
        angles = torch.arange(context_length, dtype=torch.float64)[:, None] / periods
        self.register_buffer("cos", angles.cos().float(), persistent=False)
        self.register_buffer("sin", angles.sin().float(), persistent=False)

    def add(self, x_BTD: Tensor, positions: Tensor) -> Tensor:
        """Rotary positions add nothing to the residual stream."""
        return x_BTD

    def rotation(self, positions: Tensor, dtype: torch.dtype) -> Rotation:
        """Cosines and sines for `positions`, (T,) or (B, T); the latter get a dimension for H."""
        cos, sin = self.cos[positions], self.sin[positions]
        if positions.ndim > 1:
            cos, sin = cos[:, None], sin[:, None]
        return cos.to(dtype), sin.to(dtype)


def _periods(d_head: int, theta: float) -> Tensor:
    """Positions per radian of each pair: float64 (C/2,)."""
    return theta ** (torch.arange(0, d_head, 2, dtype=torch.float64) / d_head)


def stretch_factors(d_head: int, theta: float, scaling: RopeScaling) -> Tensor:
    """How many times longer Llama 3.1 makes each pair's period: float64 (C/2,); see `RopeScaling`.

    turns = original_context / (2 pi period); kept = clamp((turns - low) / (high - low), 0, 1);
    frequency' = frequency * (kept + (1 - kept) / factor)
    """
    low, high = scaling.low_frequency_factor, scaling.high_frequency_factor
    turns = scaling.original_context_length / (2 * math.pi * _periods(d_head, theta))
    kept = ((turns - low) / (high - low)).clamp(0, 1)
    return 1 / (kept + (1 - kept) / scaling.factor)


def rotate(x_BHTC: Tensor, rotation: Rotation) -> Tensor:
    """Turns each pair of a head's columns by its position's angle."""
    cos, sin = rotation
    left, right = x_BHTC.chunk(2, dim=-1)
    return torch.cat([left * cos - right * sin, right * cos + left * sin], dim=-1)


def no_rotation(x_BHTC: Tensor, rotation: Rotation) -> Tensor:
    """The other choice: positions were added to the residual stream."""
    return x_BHTC
