"""What both fine-tuning methods share: the resumable loop, the update, samples at the end.

The loop knows nothing of losses: it calls one step after another, shows how far it is, saves a
checkpoint every so often and when the process is asked to stop, and goes on from the last one.
Every step derives its randomness from its number, so weights and optimizer state are the whole
position.
"""

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from groundup.core import console
from groundup.core.artifact import RunDir
from groundup.core.errors import DeviceError, NumericalError
from groundup.core.interrupt import stop_request
from groundup.core.metrics import read_metrics
from groundup.core.records import Example
from groundup.evaluate.answers import Answer, ask, fits, write_answers
from groundup.generate.load import LoadedModel
from groundup.model.transformer import Transformer
from groundup.training import checkpoint
from groundup.training.optimizer import GroupedOptimizer, clip_gradients

__all__ = ["answer_samples", "finish_once", "series", "train", "update"]

RESULT = "result.json"
SAMPLE_TOKENS = 64
"""Most tokens of an answer in `samples.jsonl`; at most half of the context."""


def finish_once(out: RunDir, work: Callable[[], Mapping[str, float]]) -> None:
    """Does a run's work unless `result.json` says it is done, then tidies and fills the summary.

    Args:
        out: The run.
        work: Trains, writes `model/`, and returns the few numbers a person wants to know.
    """
    path = out.path / RESULT
    if not path.exists():  # else only the tidying was interrupted
        out.write_json(RESULT, dict(work()))
    checkpoint.drop_all(out)
    out.summary.update(json.loads(path.read_text(encoding="utf-8")))


def train(
    out: RunDir,
    model: Transformer,
    optimizer: GroupedOptimizer,
    one_step: Callable[[int], str],
    *,
    total: int,
    label: str,
    checkpoint_every_s: float,
) -> None:
    """Calls `one_step` for each step up to `total`, from the last checkpoint on.

    Args:
        out: Where checkpoints go.
        model: Its weights are restored and saved.
        optimizer: Likewise.
        one_step: Does a step and returns what to show beside the bar, such as the loss.
        total: Steps of the whole run.
        label: Shown before the bar.
        checkpoint_every_s: Seconds between checkpoints.

    Raises:
        Cancelled: A signal asked to stop; the state is saved.
        CorruptArtifact: The checkpoint to go on from is damaged.
        DeviceError: The device's memory does not hold a piece of a step.
    """
    saved = checkpoint.load_latest(out, model, optimizer)
    first = 0 if saved is None else saved.step
    saved_at_s = time.monotonic()
    with console.progress(label, total, "steps") as bar, stop_request() as stop:
        bar.resume_at(first)
        for step in range(first, total):
            bar.update(info=_in_memory(one_step, step))
            due = time.monotonic() - saved_at_s >= checkpoint_every_s
            if due or stop or step + 1 == total:
                checkpoint.save(out, step + 1, model, optimizer)
                saved_at_s = time.monotonic()
            if stop:
                stop.raise_cancelled()


def _in_memory(one_step: Callable[[int], str], step: int) -> str:
    try:
        return one_step(step)
    except torch.OutOfMemoryError as error:
        raise DeviceError(
            f"step {step} does not fit in the device's memory",
            hint="set micro_batch_tokens lower; the result stays the same but for rounding",
        ) from error


def update(
    loss: Tensor,
    optimizer: GroupedOptimizer,
    *,
    step: int,
    lr_factor: float,
    clip_norm: float | None,
) -> float:
    """Changes the weights by the gradients that have been added up; returns the gradient's length.

    Raises:
        NumericalError: Loss or gradient is not finite; the weights are untouched.
    """
    norm = float(clip_gradients(optimizer.parameters(), clip_norm))
    for quantity, value in [("loss_nats", float(loss)), ("gradient_norm", norm)]:
        if not math.isfinite(value):
            raise NumericalError(
                f"{quantity} is {value} at step {step}",
                hint="lower lr_scale, or set optimizer.clip_norm; then run again",
                step=step,
                quantity=quantity,
            )
    optimizer.step(lr_factor)
    optimizer.zero_grad()
    return norm


def answer_samples(
    base: LoadedModel, questions: Sequence[Example], *, count: int, role: str, out: RunDir
) -> list[Answer]:
    """Lets the model answer the first `count` questions that fit; writes `samples.jsonl`."""
    base.model.eval()
    room = min(SAMPLE_TOKENS, base.context_length // 2)
    asked = [
        question
        for question in questions
        if fits(base.tokenizer, question, room, base.context_length)
    ][:count]
    samples = []
    if asked:
        samples = ask(base.engine, asked, role=role, max_new_tokens=room)
    with out.publish("samples.jsonl") as partial:
        write_answers(partial, samples)
    return samples


def series(out: RunDir, name: str) -> list[float]:
    """All values of a measurement in order of steps; a step measured twice counts once."""
    found = {}
    for row in read_metrics(out.path / "metrics.jsonl"):
        if name in row:
            found[int(row["step"])] = float(row[name])
    return [found[step] for step in sorted(found)]
