"""Where the time of a training step goes: a stopwatch that is always on exactly one part.

Hooks on the model's modules switch it, so the parts add up to the step. On a GPU it is read by
events in the GPU's own queue, which do not make the program wait. Nothing is written.

Letters: B rows, T position.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from groundup.core.artifact import Artifact
from groundup.core.seeds import derive
from groundup.model import count, device
from groundup.model.config import ModelConfig
from groundup.model.transformer import Block, Transformer
from groundup.tokens.tokenizer import Tokenizer
from groundup.training.config import PretrainConfig
from groundup.training.data import batch_rows, open_rows, rows_seed
from groundup.training.loop import accumulate
from groundup.training.microbatch import plan_rows
from groundup.training.optimizer import build, clip_gradients
from groundup.training.recompute import recompute_blocks
from groundup.training.schedule import lr_factor

__all__ = ["PARTS", "Profile", "Stopwatch", "profile", "timed_parts"]

PARTS = (
    "data",
    "embedding and positions",
    "attention",
    "feed-forward",
    "norms",
    "residual stream and casts",
    "output layer and loss",
    "backward",
    "gradient norm and optimizer",
    "other",
)
"""Parts of a step, in the order in which they come; those from embedding to loss are forward."""

WARMUP_STEPS = 2


@dataclass(frozen=True, slots=True)
class Profile:
    """Means over some steps.

    Attributes:
        seconds: Part to seconds in one step; all parts together are the step.
        flops: Part to floating-point operations of its matrix products in one step.
        tokens: Of one step.
        limit_flops: Operations per second that a large matrix product reaches here.
        says: Model, batch and device in words.
    """

    seconds: dict[str, float]
    flops: dict[str, float]
    tokens: int
    limit_flops: float
    says: str

    @property
    def step_seconds(self) -> float:
        """Time of a step."""
        return sum(self.seconds.values())

    def limit_fraction(self, part: str) -> float | None:
        """Share of the limit that a part's products reach; None for a part without products."""
        flops = self.flops.get(part)
        return None if flops is None else flops / self.seconds[part] / self.limit_flops


class Stopwatch:
    """Counts time for one part after another."""

    def __init__(self, where: torch.device) -> None:
        self._device = where
        self._marks: list[tuple[str, Any]] = []
        self._outer: list[str] = []

    def switch(self, part: str) -> None:
        """From now on, time belongs to `part`."""
        self._marks.append((part, self._now()))

    def enter(self, part: str) -> None:
        """As `switch`, until `leave`."""
        self._outer.append(self._marks[-1][0])
        self.switch(part)

    def leave(self) -> None:
        """Back to the part before."""
        self.switch(self._outer.pop())

    def _now(self) -> Any:
        if self._device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]  # torch's
        event.record()
        return event

    def seconds(self) -> dict[str, float]:
        """Seconds of every part up to the last switch; starts anew."""
        device.synchronize(self._device)
        found = dict.fromkeys(PARTS, 0.0)
        for (part, start), (_, end) in zip(self._marks, self._marks[1:], strict=False):
            found[part] += end - start if isinstance(end, float) else start.elapsed_time(end) / 1e3
        self._marks = []
        return found


def _blocks(model: Transformer) -> list[Block]:
    return [cast(Block, block) for block in model.blocks]


@contextmanager
def timed_parts(model: Transformer, watch: Stopwatch) -> Iterator[None]:
    """While inside, the model's modules switch the watch as they run forward.

    Whoever calls the model switches to the embedding before, and to something else after.
    """
    handles = []

    def during(module: nn.Module, part: str) -> None:
        handles.append(module.register_forward_pre_hook(lambda *_: watch.enter(part)))
        handles.append(module.register_forward_hook(lambda *_: watch.leave()))

    for block in _blocks(model):
        handles.append(
            block.register_forward_pre_hook(lambda *_: watch.switch("residual stream and casts"))
        )
        during(block.attention, "attention")
        during(block.feedforward, "feed-forward")
        during(block.attention_norm, "norms")
        during(block.feedforward_norm, "norms")
    during(model.final_norm, "norms")
    handles.append(
        model.final_norm.register_forward_hook(lambda *_: watch.switch("output layer and loss"))
    )
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def profile(config: PretrainConfig, tokens: Artifact, *, steps: int = 5) -> Profile:
    """Takes a few steps of a recipe on its own data, from random weights.

    Raises:
        DataError: The tokens run has too few tokens.
        DeviceError: The device is not there or too small.
        ResourceError: Training does not fit in memory.
    """
    where = device.choose(config.device)
    rows = open_rows(config, tokens)
    vocabulary = Tokenizer.load(tokens.file("tokenizer.json")).vocab_size
    shape = ModelConfig.of(config.model, vocab_size=vocabulary)
    seed, n_rows = rows_seed(config), batch_rows(config)
    choice = plan_rows(config, shape, where)
    model = Transformer(shape, seed=derive(config.seed, "pretrain/init")).to(where)
    recompute_blocks(model, config.recompute_every_layers)
    optimizer = build(model, config.optimizer)
    watch = Stopwatch(where)

    def loss(ids_BT: Tensor, targets_BT: Tensor) -> Tensor:
        watch.switch("embedding and positions")
        found = model.loss(ids_BT, targets_BT)
        watch.switch("backward")
        return found

    def step(number: int) -> None:
        watch.switch("data")
        batch = torch.from_numpy(rows.batch(seed, number, n_rows)).to(where)
        watch.switch("other")
        accumulate(loss, batch, choice.rows)
        watch.switch("gradient norm and optimizer")
        clip_gradients(optimizer.parameters(), config.optimizer.clip_norm)
        optimizer.step(lr_factor(number, total_steps=config.n_steps, config=config.schedule))
        optimizer.zero_grad()
        watch.switch("other")

    with timed_parts(model, watch):
        mean = _mean_seconds(step, watch, steps)
    return Profile(
        seconds=mean,
        flops=_flops(model, config.batch_tokens),
        tokens=config.batch_tokens,
        limit_flops=device.matmul_limit_flops(where, model.compute_dtype),
        says=f"{count.n_params(shape):,} parameters, {config.batch_tokens:,} tokens a step in "
        f"micro-batches of {choice.rows} rows, {where}, "
        f"{str(model.compute_dtype).removeprefix('torch.')}, not compiled",
    )


def _mean_seconds(step: Callable[[int], None], watch: Stopwatch, steps: int) -> dict[str, float]:
    for number in range(WARMUP_STEPS):
        step(number)
    watch.seconds()
    for number in range(WARMUP_STEPS, WARMUP_STEPS + steps):
        step(number)
    watch.switch("other")
    return {part: seconds / steps for part, seconds in watch.seconds().items()}


def _flops(model: Transformer, tokens: int) -> dict[str, float]:
    """Operations of the matrix products in each part, by the rules of `model/count.py`."""
    config = model.config

    def of_layers(modules: list[nn.Module]) -> float:
        weights = [p for module in modules for p in module.parameters() if p.ndim == 2]
        return 2.0 * tokens * sum(weight.numel() for weight in weights)

    squares = 4.0 * config.n_layers * config.d_model * config.context_length * tokens
    forward = {
        "attention": of_layers([block.attention for block in _blocks(model)]) + squares,
        "feed-forward": of_layers([block.feedforward for block in _blocks(model)]),
        "output layer and loss": of_layers([model.head]),
    }
    return {**forward, "backward": 2.0 * sum(forward.values())}
