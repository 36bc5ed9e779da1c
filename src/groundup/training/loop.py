"""The training loop.

Letters: B rows of one step, T position. A batch is (B, T + 1): T inputs, and as targets the same
shifted by one. With several ranks each has its rows of the batch, and all take every step together.
"""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import NoReturn

import torch
from torch import Tensor

from groundup.core.errors import DeviceError
from groundup.core.interrupt import StopRequest
from groundup.training.guard import Guard, Trouble
from groundup.training.optimizer import GroupedOptimizer
from groundup.training.ranks import ALONE, Ranks

__all__ = ["LossFn", "Step", "accumulate", "raise_cancelled", "train"]

LossFn = Callable[[Tensor, Tensor], Tensor]

Accumulating = Callable[[bool], AbstractContextManager[None]]
"""What surrounds a micro-batch, given whether it is the last of its step."""


def _nothing(last: bool) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Step:
    """What one optimizer step did.

    Attributes:
        number: Steps taken so far, this one included.
        tokens: Targets that it learned from, on all ranks.
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
    batch_rows: int | None = None,
    accumulating: Accumulating = _nothing,
    ranks: Ranks = ALONE,
) -> None:
    """Takes steps `first_step` to `n_steps` - 1; the number of a step decides all it does.

    Args:
        loss_fn: Mean loss in nats of (inputs, targets).
        batches: Step to this rank's rows of its batch, (B, T + 1), on the model's device.
        first_step: Steps taken by an earlier process.
        lr_factor: Step to share of the peak learning rates.
        micro_batch_rows: Most rows in memory at once.
        clip_norm: Largest gradient norm; None leaves gradients as they are.
        guard: Looks at each step's loss and gradient.
        recover: Puts things right after a step that must not count; returns the step to take.
        hooks: Called after each step, in order: measure, show, save.
        save: Called with the number of steps taken when a stop is asked for.
        request: Whether a signal has come; on any rank is enough.
        batch_rows: Rows of a whole batch; None takes those that are here.
        accumulating: What surrounds each micro-batch.
        ranks: Who trains.

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
            rows = batch_rows or len(batch)
            part = accumulate(
                loss_fn,
                batch,
                micro_batch_rows,
                batch_rows=rows,
                accumulating=accumulating,
                ranks=ranks,
            )
            loss, norm = ranks.total(part), optimizer.clip(clip_norm)
            guard.look(step, loss, norm)
            factor = lr_factor(step)
            optimizer.step(factor)
            optimizer.zero_grad()
            step += 1
            seconds = time.perf_counter() - start
            done = Step(step, rows * (batch.shape[1] - 1), loss, norm, factor, seconds)
            for hook in hooks:
                hook(done)
            if ranks.any(bool(request)):
                save(step)
                raise_cancelled(request, ranks)
        except Trouble as trouble:
            optimizer.zero_grad()
            step = recover(trouble)


def raise_cancelled(request: StopRequest, ranks: Ranks) -> NoReturn:
    """Ends all ranks, whichever of them the signal has reached."""
    request.signal_name = next(filter(None, ranks.gather(request.signal_name)))
    request.raise_cancelled()


def accumulate(
    loss_fn: LossFn,
    batch: Tensor,
    micro_batch_rows: int,
    *,
    batch_rows: int | None = None,
    accumulating: Accumulating = _nothing,
    ranks: Ranks = ALONE,
) -> Tensor:
    """Adds up gradients over micro-batches; they equal those of the whole batch at once.

    Averaging gradients over ranks is the exchange's part, so a rank's losses are weighted by the
    number of ranks; all ranks go through equally many micro-batches, if need be without weight.

    Args:
        batch: (B, T + 1) token ids, this rank's rows.
        batch_rows: Rows of all ranks; None takes those that are here.

    Returns:
        This rank's summand of the mean loss of the whole batch in nats, a scalar without gradient.

    Raises:
        DeviceError: Out of the device's memory.
    """
    batch_rows = batch_rows or len(batch)
    total = torch.zeros((), device=batch.device)
    pieces = [(micro, len(micro)) for micro in torch.split(batch, micro_batch_rows)]
    largest_share = math.ceil(batch_rows / ranks.world_size)
    pieces += [(batch[:1], 0)] * (math.ceil(largest_share / micro_batch_rows) - len(pieces))
    try:
        for index, (micro, counted) in enumerate(pieces, start=1):
            with accumulating(index == len(pieces)):
                loss = loss_fn(micro[:, :-1], micro[:, 1:]) * (counted / batch_rows)
                (loss * ranks.world_size).backward()  # type: ignore[no-untyped-call]  # torch's
            total += loss.detach()
    except torch.OutOfMemoryError as error:
        raise DeviceError(
            f"a micro-batch of {micro_batch_rows} rows does not fit in the device's memory",
            hint="set micro_batch_tokens lower; the result stays the same but for rounding",
        ) from error
    return total
