"""Matrix products of the blocks in float8, through torchao; weights and everything else stay.

Inputs, weights and gradients are scaled by their largest value each time (tensorwise, dynamic).
Source: Micikevicius et al. 2022, arXiv 2209.05433. Only training uses it: measuring, sampling and
the finished model compute in bfloat16.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from groundup.core.errors import DeviceError
from groundup.model.layers import Linear
from groundup.model.transformer import Transformer

__all__ = ["use_float8"]

MULTIPLE = 16  # sides that the hardware's float8 products take
ADA = (8, 9)  # first CUDA capability with float8 matrix units


def use_float8(model: Transformer, *, emulate: bool = False) -> int:
    """Makes a model that is on its device train with float8 products.

    Args:
        model: Changed in place; its weights and their names stay.
        emulate: Rounds as the hardware would, without it; for tests.

    Returns:
        Layers that were changed.

    Raises:
        DeviceError: torchao is not installed, or the device has no float8.
    """
    if not emulate:
        _check_device(model.device)
    product = _product(emulate)
    layers = [
        module
        for module in model.blocks.modules()
        if isinstance(module, Linear) and not any(side % MULTIPLE for side in module.weight.shape)
    ]
    for layer in layers:
        layer.product = product
    return len(layers)


def _check_device(device: torch.device) -> None:
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < ADA:
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else "a processor"
        raise DeviceError(
            f"float8 needs a GPU of compute capability 8.9 or later, not {name}",
            hint="leave out float8: bfloat16 is the default",
        )


def _product(emulate: bool) -> Any:
    """The differentiable product of an input (..., in) and a weight (out, in)."""
    try:
        from torchao.float8.config import Float8LinearConfig
        from torchao.float8.float8_linear import (
            LinearMMConfig,
            ScaledMMConfig,
            matmul_with_hp_or_float8_args,
        )
    except ImportError as error:
        raise DeviceError(
            "float8 needs torchao, which is not installed",
            hint="pip install 'groundup[float8]', or leave out float8",
        ) from error
    config = Float8LinearConfig(emulate=emulate)
    roles = (
        config.gemm_config_output,
        config.gemm_config_grad_input,
        config.gemm_config_grad_weight,
    )
    products = LinearMMConfig(
        *(ScaledMMConfig(emulate, role.use_fast_accum, False, False) for role in roles)
    )

    def product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if not torch.is_grad_enabled():
            return F.linear(x, weight, bias)
        y: Tensor = matmul_with_hp_or_float8_args.apply(x, weight.t(), products, config)
        return y if bias is None else y + bias

    return product
