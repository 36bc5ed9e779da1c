"""Initial weights: one table of scales, each with its source."""

import math
from collections.abc import Callable

import torch
from torch import nn

from groundup.core.seeds import derive
from groundup.model.config import ModelShape

__all__ = ["SCALES", "initialise", "scale_of"]


def _residual(shape: ModelShape) -> float:
    return 0.02 / math.sqrt(2 * shape.n_layers)


SCALES: dict[str, Callable[[ModelShape], float]] = {
    # GPT-2: its released code draws every matrix with 0.02 and positions with 0.01.
    "embedding.weight": lambda shape: 0.02,
    "positions.weight": lambda shape: 0.01,
    "head.weight": lambda shape: 0.02,
    "attention.query.weight": lambda shape: 0.02,
    "attention.key.weight": lambda shape: 0.02,
    "attention.value.weight": lambda shape: 0.02,
    "feedforward.gate.weight": lambda shape: 0.02,
    "feedforward.up.weight": lambda shape: 0.02,
    # GPT-2, section 2.3: layers that write to the residual stream are scaled by 1/sqrt(N), N being
    # the number of such layers (two a block).
    "attention.out.weight": _residual,
    "feedforward.down.weight": _residual,
}
"""End of a parameter's name to the standard deviation of its normal distribution, mean 0.

Parameters that are not here: norms' weights start at 1, every bias at 0.
"""


def scale_of(name: str, shape: ModelShape) -> float | None:
    """Standard deviation of a parameter's initial values; None when it starts as a constant."""
    for ending, scale in SCALES.items():
        if name == ending or name.endswith(f".{ending}"):
            return scale(shape)
    return None


def initialise(model: nn.Module, shape: ModelShape, seed: int) -> None:
    """Fills every parameter; equal seeds give equal weights, and each parameter has its own stream.

    Numbers are drawn on the CPU, so the weights do not depend on the device.
    """
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            scale = scale_of(name, shape)
            if scale is None:
                parameter.fill_(0.0 if name.endswith("bias") else 1.0)
                continue
            stream = torch.Generator().manual_seed(derive(seed, f"model/init/{name}"))
            parameter.copy_(torch.randn(parameter.shape, generator=stream) * scale)
