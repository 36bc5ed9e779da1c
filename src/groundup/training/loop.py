"""The training loop.

Letters: B rows of one step, T position. A batch is (B, T + 1): T inputs, and as targets the same
shifted by one.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from groundup.core.errors import DeviceError
from groundup.core.interrupt import StopRequest
from groundup.training.guard import Guard, Trouble
from groundup.training.optimizer import GroupedOptimizer, clip_gradients

__all__ = ["LossFn", "Step", "accumulate", "train"]

LossFn = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Step:
    """What one optimizer step did.

    Attributes:
        number: Steps taken so far, this one included.
        tokens: Targets that it learned from.
        loss: Mean loss of its batch in nats, before the update: a scalar where the model is.
            Reading it makes the program wait for a GPU.
        norm: Length of the whole gradient, before clipping; likewise.
        lr_factor: Share of the peak learning rates.
        seconds: Time it took, without hooks. On a GPU single steps may seem short or long; the
            guard's look every few steps makes their sum right.
    """

    number: int
    tokens: int
    loss: Tensor
    norm: Tensor
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
    guard: Guard,
    recover: Callable[[Trouble], int],
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
        guard: Looks at each step's loss and gradient.
        recover: Puts things right after a step that must not count; returns the step to take.
        hooks: Called after each step, in order: measure, show, save.
        save: Called with the number of steps taken when a stop is asked for.
        request: Whether a signal has come.

    Raises:
        NumericalError: Loss or gradient went wrong more often than may be helped.
        Cancelled: A signal came; the state has been saved.
        DeviceError: The device's memory does not hold the micro-batch.
    """
    step = first_step
    while step < n_steps:
        start = time.perf_counter()
        try:
            batch = batches(step)
            loss = accumulate(loss_fn, batch, micro_batch_rows)
            norm = clip_gradients(optimizer.parameters(), clip_norm)
            guard.look(step, loss, norm)
            factor = lr_factor(step)
            optimizer.step(factor)
            optimizer.zero_grad()
            step += 1
            seconds = time.perf_counter() - start
            done = Step(step, batch[:, 1:].numel(), loss, norm, factor, seconds)
            for hook in hooks:
                hook(done)
            if request:
                save(step)
                request.raise_cancelled()
        except Trouble as trouble:
            optimizer.zero_grad()
            step = recover(trouble)


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
