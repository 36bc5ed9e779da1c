"""The training loop.

Letters: B rows of one step, T position. A batch is (B, T + 1): T inputs, and as targets the same
shifted by one.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from groundup.core.errors import DeviceError, NumericalError
from groundup.core.interrupt import StopRequest
from groundup.training.optimizer import GroupedOptimizer, clip_gradients

__all__ = ["LossFn", "Step", "accumulate", "train"]

LossFn = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Step:
    """What one optimizer step did.

    Attributes:
        number: Steps taken so far, this one included.
        tokens: Targets that it learned from.
        loss_nats: Mean loss of its batch, before the update.
        gradient_norm: Length of the whole gradient, before clipping.
        lr_factor: Share of the peak learning rates.
        seconds: Time it took, without hooks.
    """

    number: int
    tokens: int
    loss_nats: float
    gradient_norm: float
    lr_factor: float
    seconds: float


def train(
    loss_fn: LossFn,
    optimizer: GroupedOptimizer,
    batches: Callable[[int], Tensor],
    *,
    first_step: int,
    n_steps: int,
    lr_factor: Callable[[int], float],
    micro_batch_rows: int,
    clip_norm: float | None,
    hooks: Sequence[Callable[[Step], None]],
    save: Callable[[int], None],
    request: StopRequest,
) -> None:
    """Takes steps `first_step` to `n_steps` - 1; the number of a step decides all it does.

    Args:
        loss_fn: Mean loss in nats of (inputs, targets).
        batches: Step to its batch (B, T + 1) on the model's device.
        first_step: Steps taken by an earlier process.
        lr_factor: Step to share of the peak learning rates.
        micro_batch_rows: Most rows in memory at once.
        clip_norm: Largest gradient norm; None leaves gradients as they are.
        hooks: Called after each step, in order: measure, show, save.
        save: Called with the number of steps taken when a stop is asked for.
        request: Whether a signal has come.

    Raises:
        NumericalError: Loss or gradient is not finite; the weights are those before that step.
        Cancelled: A signal came; the state has been saved.
        DeviceError: The device's memory does not hold the micro-batch.
    """
    for step in range(first_step, n_steps):
        start = time.perf_counter()
        batch = batches(step)
        loss = accumulate(loss_fn, batch, micro_batch_rows)
        norm = clip_gradients(optimizer.parameters(), clip_norm)
        loss_nats, gradient_norm = float(loss), float(norm)
        _check_finite(step, loss_nats=loss_nats, gradient_norm=gradient_norm)
        factor = lr_factor(step)
        optimizer.step(factor)
        optimizer.zero_grad()
        done = Step(
            number=step + 1,
            tokens=batch[:, 1:].numel(),
            loss_nats=loss_nats,
            gradient_norm=gradient_norm,
            lr_factor=factor,
            seconds=time.perf_counter() - start,
        )
        for hook in hooks:
            hook(done)
        if request:
            save(step + 1)
            request.raise_cancelled()


def accumulate(loss_fn: LossFn, batch: Tensor, micro_batch_rows: int) -> Tensor:
    """Adds up gradients over micro-batches; they equal those of the whole batch at once.

    Args:
        batch: (B, T + 1) token ids.

    Returns:
        Mean loss of the batch in nats, a scalar without gradient.

    Raises:
        DeviceError: Out of the device's memory.
    """
    total = torch.zeros((), device=batch.device)
    try:
        for micro in torch.split(batch, micro_batch_rows):
            loss = loss_fn(micro[:, :-1], micro[:, 1:]) * (len(micro) / len(batch))
            loss.backward()  # type: ignore[no-untyped-call]  # untyped in torch
            total += loss.detach()
    except torch.OutOfMemoryError as error:
        raise DeviceError(
            f"a micro-batch of {micro_batch_rows} rows does not fit in the device's memory",
            hint="set micro_batch_tokens lower; the result stays the same but for rounding",
        ) from error
    return total


def _check_finite(step: int, **quantities: float) -> None:
    for name, value in quantities.items():
        if not math.isfinite(value):
            raise NumericalError(
                f"{name} is {value} at step {step}; the weights are not touched",
                hint="lower the learning rates, add warmup_steps, or set clip_norm in [optimizer];"
                " checkpoints/ holds the state before",
                step=step,
                quantity=name,
            )
