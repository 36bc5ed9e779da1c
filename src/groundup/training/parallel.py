"""The model on one rank or several: whole, replicated (DDP) or sharded (FSDP2).

Letters: B rows, T position.

- `Whole`: one process; nothing is exchanged.
- `Replicated`: every rank has all weights and takes its rows; gradients are averaged while the
  last micro-batch of a step goes backward. Source: Li et al. 2020, arXiv 2006.15704.
- `Sharded`: every rank keeps its rows of each weight, gradient and moment; a block's weights are
  gathered just before they are needed. Source: Rajbhandari et al. 2020, arXiv 1910.02054 (ZeRO-3);
  PyTorch's `fully_shard`.

All three have the same methods, so the loop never asks which one it has. They give the same
numbers but for the order of floating-point sums.
"""

import inspect
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from groundup.model.transformer import Transformer
from groundup.training.microbatch import free_bytes
from groundup.training.ranks import Ranks
from groundup.training.spread import Alone, Replicas, Shards, Spread

__all__ = ["Replicated", "Sharded", "Whole", "arrangement"]

# float32 weight, gradient and two moments.
BYTES_PER_WEIGHT = 16
# Buffers are constants here; the flag that says so got another name in PyTorch 2.13.
_FLAGS = inspect.signature(DistributedDataParallel).parameters
_BUFFERS_STAY: dict[str, Any] = {
    "forward_sync_buffers" if "forward_sync_buffers" in _FLAGS else "broadcast_buffers": False
}

WHOLE_FRACTION = 0.5  # of a rank's memory; the rest is for activations


class Whole:
    """All weights in one process.

    Attributes:
        model: Its weights have the names that checkpoints use.
        spread: How the weights lie on the ranks.
        says: How many ranks there are and how they share the work, for people.
    """

    spread: Spread = Alone()
    says = ""

    def __init__(self, model: Transformer, ranks: Ranks, *, compile: bool = False) -> None:
        self.model = model
        self._loss = torch.compile(model.loss) if compile else model.loss

    def loss(self, ids_BT: Tensor, targets_BT: Tensor) -> Tensor:
        """Mean loss of some rows in nats, on this rank."""
        return self._loss(ids_BT, targets_BT)

    def accumulating(self, last: bool) -> AbstractContextManager[None]:
        """Around a micro-batch; gradients are exchanged in the `last` one of a step only."""
        return nullcontext()

    def measuring(self) -> AbstractContextManager[None]:
        """Around passes without gradients, in which all ranks make equally many."""
        return nullcontext()

    def whole_model(self) -> Transformer | None:
        """A model with all weights that rank 0 may use alone; None on others."""
        return self.model


class Replicated(Whole):
    """All weights on every rank; made on all ranks together."""

    def __init__(self, model: Transformer, ranks: Ranks, *, compile: bool = False) -> None:
        _compile_blocks(model, compile)
        super().__init__(model, ranks)
        self.spread = Replicas(ranks.rank, ranks.world_size)
        self.says = f"{ranks.world_size} replicas (DDP), "
        self._is_first = ranks.is_first
        self._averaged = DistributedDataParallel(
            _Loss(model), gradient_as_bucket_view=True, **_BUFFERS_STAY
        )

    def loss(self, ids_BT: Tensor, targets_BT: Tensor) -> Tensor:
        """As `Whole.loss`; its backward pass averages gradients over ranks."""
        loss: Tensor = self._averaged(ids_BT, targets_BT)
        return loss

    def accumulating(self, last: bool) -> AbstractContextManager[None]:
        """As `Whole.accumulating`."""
        return nullcontext() if last else self._averaged.no_sync()

    def whole_model(self) -> Transformer | None:
        """As `Whole.whole_model`."""
        return self.model if self._is_first else None


class Sharded(Whole):
    """Each rank its rows of every weight; made on all ranks together."""

    def __init__(self, model: Transformer, ranks: Ranks, *, compile: bool = False) -> None:
        _compile_blocks(model, compile)
        mesh = init_device_mesh(model.device.type, (ranks.world_size,))
        for block in model.blocks:
            fully_shard(block, mesh=mesh)
        fully_shard(model, mesh=mesh)
        plain = model.log_probs
        model.log_probs = lambda *ids, **how: plain(*ids, **how).clone()  # type: ignore[method-assign]  # FSDP2 asks for outputs that are no views
        register_fsdp_forward_method(model, "log_probs")  # what training and measuring call
        super().__init__(model, ranks)
        self.spread = Shards(ranks.rank, ranks.world_size)
        self.says = f"{ranks.world_size} shards (FSDP2), "
        self._is_first = ranks.is_first
        self._root = cast(FSDPModule, model)

    def accumulating(self, last: bool) -> AbstractContextManager[None]:
        """As `Whole.accumulating`."""
        self._root.set_requires_gradient_sync(last)
        return nullcontext()

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """As `Whole.measuring`; the weights outside the blocks stay gathered until its end."""
        try:
            yield
        finally:
            self._root.reshard()

    @torch.no_grad()
    def whole_model(self) -> Transformer | None:
        """As `Whole.whole_model`; gathers one weight after another, on all ranks together."""
        whole = None
        if self._is_first:
            whole = Transformer(
                self.model.config, seed=None, compute_dtype=self.model.compute_dtype
            ).to(self.model.device)
        into = {} if whole is None else dict(whole.named_parameters())
        for name, parameter in self.model.named_parameters():
            gathered = cast(DTensor, parameter).full_tensor()
            if whole is not None:
                into[name].copy_(gathered)
        return whole


class _Loss(nn.Module):
    """The loss as a module's forward pass, which is what DDP watches."""

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids_BT: Tensor, targets_BT: Tensor) -> Tensor:
        """Mean loss in nats."""
        return self.model.loss(ids_BT, targets_BT)


def arrangement(wanted: str, n_params: int, device: torch.device, ranks: Ranks) -> type[Whole]:
    """How a model is to lie on the ranks there are; with one of them it stays whole.

    Args:
        wanted: `ddp`, `fsdp`, or `auto`: DDP when weights, gradients and moments fit on each rank.
        n_params: Weights of the model.
        device: Where this rank computes.
        ranks: All of them ask together.
    """
    if ranks.world_size == 1:
        return Whole
    whole = wanted == "ddp" or (wanted == "auto" and _fits_whole(n_params, device, ranks))
    return Replicated if whole else Sharded


def _fits_whole(n_params: int, device: torch.device, ranks: Ranks) -> bool:
    """Whether every rank has the memory to train all weights by itself."""
    free = free_bytes(device)
    if device.type == "cpu":
        free //= ranks.local_world_size
    return ranks.least(int(free * WHOLE_FRACTION)) >= n_params * BYTES_PER_WEIGHT


def _compile_blocks(model: Transformer, compile: bool) -> None:
    """Compiles each block by itself, so that exchanges between ranks happen outside."""
    for block in model.blocks if compile else ():
        block.compile()
