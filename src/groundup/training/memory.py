"""How much memory a training step takes, found by taking one without data.

The step runs on fake tensors, which have shapes and storages but no memory: the model's own forward
and backward pass and the optimizer's own update, so the count follows whatever they become. It
goes through every layer: under a second for a small model, some seconds for one of 48 layers. On a
CPU it equals what a real step allocates, byte for byte (`tests/training/test_memory.py`).

Letters: B rows, T position.
"""

import weakref
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from groundup.model.attention import forget_masks
from groundup.model.config import ModelConfig
from groundup.model.transformer import Transformer
from groundup.training.config import AdamWConfig, MuonConfig
from groundup.training.optimizer import build
from groundup.training.recompute import recompute_blocks

__all__ = ["PeakBytes", "StepMemory", "step_memory"]


@dataclass(frozen=True, slots=True)
class StepMemory:
    """Bytes that one optimizer step holds at its fullest.

    Attributes:
        weights: All parameters and buffers.
        gradients: Of all parameters.
        optimizer: What the optimizer keeps from step to step.
        working: Activations, casts and temporaries of the fullest moment.
    """

    weights: int
    gradients: int
    optimizer: int
    working: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.working


class PeakBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]  # untyped in torch
    """While inside, follows the bytes of all tensors that PyTorch makes.

    Attributes:
        peak_bytes: Most that were alive at once.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # untyped in torch
        self.peak_bytes = 0
        self._alive_bytes = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs an operation and counts the storages that it made."""
        result = func(*args, **(kwargs or {}))
        for value in tree_iter(result):
            if isinstance(value, Tensor):
                self._count(value.untyped_storage())
        self.peak_bytes = max(self.peak_bytes, self._alive_bytes)
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self._sizes:
            self._sizes[key] = storage.nbytes()
            self._alive_bytes += storage.nbytes()
            weakref.finalize(storage, self._forget, key)

    def _forget(self, key: int) -> None:
        self._alive_bytes -= self._sizes.pop(key, 0)


def step_memory(
    config: ModelConfig,
    optimizer: AdamWConfig | MuonConfig,
    *,
    rows: int,
    device: torch.device,
    dtype: torch.dtype,
    recompute_every_layers: int | None = None,
) -> StepMemory:
    """Memory of an optimizer step whose micro-batches have `rows` rows.

    Args:
        config: The model; it is not built.
        optimizer: Decides what is kept for each weight.
        rows: Full rows of `context_length` tokens.
        device: Where the step would run; it need not be free.
        dtype: Number format of matrix products there.
        recompute_every_layers: As in the recipe.
    """
    forget_masks()
    try:
        with FakeTensorMode(), torch.device(device):
            model = Transformer(config, seed=None, compute_dtype=dtype)
            recompute_blocks(model, recompute_every_layers)
            return _take_step(model, optimizer, rows)
    finally:
        forget_masks()


def _take_step(model: Transformer, optimizer: AdamWConfig | MuonConfig, rows: int) -> StepMemory:
    stepped = build(model, optimizer)
    ids_BT = torch.zeros(rows, model.config.context_length, dtype=torch.int64)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    with PeakBytes() as update:
        stepped.step()
    kept = _bytes(stepped.tensors().values())
    with PeakBytes() as passes:
        model.loss(ids_BT, ids_BT).backward()  # type: ignore[no-untyped-call]  # untyped in torch
    gradients = _bytes(model.parameters())
    return StepMemory(
        weights=gradients + _bytes(model.buffers()),
        gradients=gradients,
        optimizer=kept,
        working=max(passes.peak_bytes, update.peak_bytes - kept),
    )


def _bytes(tensors: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
