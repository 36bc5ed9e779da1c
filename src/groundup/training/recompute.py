"""Less memory for more work: some blocks keep no activations and compute them again going back.

Source: Chen et al. 2016, arXiv 1604.06174. Such a block does a third more work, and only its input
stays. Gradients are equal bit for bit, as the same operations run on the same numbers.

Letters: B batch, T position, D model width.
"""

from typing import cast

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from groundup.model.attention import Frame
from groundup.model.transformer import Block, Transformer

__all__ = ["recompute_blocks"]


def recompute_blocks(model: Transformer, every_layers: int | None) -> None:
    """Makes every n-th block, from the first on, compute its activations again.

    Args:
        model: Changed in place; its weights and their names stay.
        every_layers: 1 takes all blocks, 2 every other one; None none.
    """
    if every_layers is None:
        return
    for block in list(model.blocks)[::every_layers]:
        _recompute(cast(Block, block))


def _recompute(block: Block) -> None:
    keeping = block.forward

    def forward(x_BTD: Tensor, frame: Frame) -> Tensor:
        if not torch.is_grad_enabled():
            return keeping(x_BTD, frame)
        result: Tensor = checkpoint(
            keeping, x_BTD, frame, use_reentrant=False, preserve_rng_state=False
        )
        return result

    block.forward = forward  # type: ignore[method-assign]  # what a module runs when it is called
