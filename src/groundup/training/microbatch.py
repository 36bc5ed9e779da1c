"""How many rows to hold in memory at once, and a refusal with the arithmetic when none fits.

A dry run says what a step takes (`training/memory.py`); the machine says what is free. On a GPU the
choice is confirmed by one real forward and backward pass, and halved until it fits.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from groundup.core.errors import ResourceError
from groundup.core.machine import memory_free_bytes
from groundup.model.config import ModelConfig
from groundup.model.device import compute_dtype
from groundup.training.config import PretrainConfig
from groundup.training.memory import StepMemory, step_memory

__all__ = ["CPU_TOKENS", "Choice", "choose_rows", "confirm", "free_bytes", "plan_rows"]

log = logging.getLogger(__name__)

# Activations of about this many tokens stay near a processor's caches; more gains nothing and takes
# memory. Fewer are taken only when these do not fit, as sums in another order round differently.
CPU_TOKENS = 4096
USABLE_FRACTION = 0.9  # the rest is for fragments, measuring and saving
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Choice:
    """Rows of a micro-batch, and what a step with them takes.

    Attributes:
        rows: Rows in memory at once.
        memory: Bytes by purpose.
        free_bytes: What was free when the choice was made.
    """

    rows: int
    memory: StepMemory
    free_bytes: int

    @property
    def fits(self) -> bool:
        """Whether such a step can be taken."""
        return self.memory.total <= USABLE_FRACTION * self.free_bytes

    @property
    def arithmetic(self) -> str:
        """Such as `weights 0.5 GiB + ... = 1.4 GiB of 22.1 GiB free`."""
        memory = self.memory
        parts = [
            ("weights", memory.weights),
            ("gradients", memory.gradients),
            ("optimizer state", memory.optimizer),
            (f"activations of {self.rows} rows" if self.rows > 1 else "activations of one row",
             memory.working),
        ]  # fmt: skip
        left = " + ".join(f"{name} {_gib(size)}" for name, size in parts)
        total = f"{_gib(memory.total)} GiB"
        free = f"{_gib(self.free_bytes)} GiB free"
        if self.fits:
            return f"{left} = {total} of {free}"
        share = f"{USABLE_FRACTION:.0%} of " if memory.total <= self.free_bytes else ""
        return f"{left} = {total} > {share}{free}"


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / GIB:.2f}" if size_bytes < 10 * GIB else f"{size_bytes / GIB:.1f}"


def free_bytes(device: torch.device) -> int:
    """Memory that a run on a device may take."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return memory_free_bytes()


def plan_rows(
    config: PretrainConfig,
    shape: ModelConfig,
    device: torch.device,
    *,
    own_rows: int | None = None,
    n_on_host: int = 1,
    n_shards: int = 1,
) -> Choice:
    """Rows for a recipe's micro-batches on a device, as free as it is now.

    Args:
        config: The recipe.
        shape: Its model.
        device: Where this rank computes.
        own_rows: Rows of a batch that this rank takes; None takes all.
        n_on_host: Ranks that share the main memory of this machine.
        n_shards: Ranks that divide weights, gradients and optimizer state among them.

    Raises:
        ResourceError: Training does not fit in memory.
    """
    dtype = compute_dtype(device)

    def memory_of(rows: int) -> StepMemory:
        whole = step_memory(
            shape,
            config.optimizer,
            rows=rows,
            device=device,
            dtype=dtype,
            recompute_every_layers=config.recompute_every_layers,
        )
        return replace(
            whole,
            weights=whole.weights // n_shards,
            gradients=whole.gradients // n_shards,
            optimizer=whole.optimizer // n_shards,
        )

    return choose_rows(
        memory_of,
        device=device,
        context_length=shape.context_length,
        batch_rows=own_rows or config.batch_tokens // shape.context_length,
        wanted_tokens=config.micro_batch_tokens,
        free=free_bytes(device) // (n_on_host if device.type == "cpu" else 1),
    )


def choose_rows(
    memory_of: Callable[[int], StepMemory],
    *,
    device: torch.device,
    context_length: int,
    batch_rows: int,
    wanted_tokens: int | None,
    free: int,
) -> Choice:
    """The most rows that fit, at most `batch_rows`; on a CPU at most `CPU_TOKENS` tokens.

    Args:
        memory_of: Rows to what a step with such micro-batches takes.
        device: Where the run computes.
        context_length: Tokens of a row.
        batch_rows: Rows of an optimizer step.
        wanted_tokens: The recipe's own choice, taken as it is; None lets memory decide.
        free: Bytes that the run may take.

    Raises:
        ResourceError: Not even one row fits, or not what the recipe asks for.
    """
    cap = wanted_tokens or (CPU_TOKENS if device.type == "cpu" else batch_rows * context_length)
    rows = min(max(cap // context_length, 1), batch_rows)
    while True:
        choice = Choice(rows, memory_of(rows), free)
        if choice.fits:
            return choice
        if wanted_tokens is not None or rows == 1:
            raise _refusal(choice, wanted_tokens, context_length)
        rows = _fewer(rows, batch_rows, even=device.type != "cpu")


def _fewer(rows: int, batch_rows: int, *, even: bool) -> int:
    """About half of the rows; `even` takes a divisor, so that all micro-batches have one shape."""
    half = max(rows // 2, 1)
    while even and batch_rows % half:
        half -= 1
    return half


def _refusal(choice: Choice, wanted_tokens: int | None, context_length: int) -> ResourceError:
    if choice.rows > 1:
        hint = f"set micro_batch_tokens = {context_length}, or leave it out and let memory decide"
    elif choice.memory.total - choice.memory.working <= USABLE_FRACTION * choice.free_bytes:
        hint = "lower context_length, or set recompute_every_layers = 1"
    else:
        hint = "choose a smaller model, a machine with more memory, or shard it over several"
    return ResourceError(f"training does not fit in memory: {choice.arithmetic}", hint=hint)


def confirm(rows: int, batch_rows: int, try_rows: Callable[[int], None]) -> int:
    """Takes a real forward and backward pass, with fewer rows each time that memory runs out.

    Args:
        rows: Where to begin.
        batch_rows: Rows of an optimizer step.
        try_rows: Takes a pass with so many rows and forgets its gradients.

    Returns:
        Rows that fitted.

    Raises:
        ResourceError: One row did not.
    """
    while True:
        try:
            try_rows(rows)
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            if rows == 1:
                raise ResourceError(
                    "the device's memory does not hold the activations of one row",
                    hint="lower context_length, or set recompute_every_layers = 1",
                ) from error
            fewer = _fewer(rows, batch_rows, even=True)
            log.info("%d rows do not fit in the device's memory: trying %d", rows, fewer)
            rows = fewer
        else:
            return rows
