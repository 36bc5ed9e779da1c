"""When checkpoints are written: every so many seconds and steps, at the end, at a signal.

Those at every so many steps are the ones to go back to when the loss explodes: they do not depend
on the clock, so an interrupted run has the same as an uninterrupted one. The last two are kept.
"""

import time
from collections.abc import Callable
from typing import Any

from groundup.core.artifact import RunDir
from groundup.model.transformer import Transformer
from groundup.training import checkpoint
from groundup.training.loop import Step
from groundup.training.optimizer import GroupedOptimizer
from groundup.training.ranks import Ranks

__all__ = ["Saving"]


class Saving:
    """A hook of the loop; every rank has one, and all save together.

    Args:
        out: The run.
        model: Its weights are saved.
        optimizer: Its state is saved.
        state: What else belongs to the position, as JSON values.
        ranks: Who trains; the clock of any of them may ask for a checkpoint.
        n_steps: Steps of the whole run; after the last one a checkpoint is always written.
        every_s: Seconds between checkpoints.
        keep: Last ones to keep.
        keep_every_steps: Steps between checkpoints that are kept for good; None keeps none.
        snapshot_every_steps: Steps between those to go back to; None keeps none.
        background: Write while training goes on.
    """

    def __init__(
        self,
        out: RunDir,
        model: Transformer,
        optimizer: GroupedOptimizer,
        state: Callable[[], dict[str, Any]],
        ranks: Ranks,
        *,
        n_steps: int,
        every_s: float,
        keep: int,
        keep_every_steps: int | None,
        snapshot_every_steps: int | None,
        background: bool,
    ) -> None:
        self._out, self._model, self._optimizer, self._state = out, model, optimizer, state
        self._ranks, self._n_steps, self._every_s = ranks, n_steps, every_s
        self._keep, self._keep_every_steps = keep, keep_every_steps
        self._snapshot_every_steps = snapshot_every_steps
        self._background = background
        self._pending: checkpoint.Pending | None = None
        self._begun_step = -1
        self._begun_at_s = time.monotonic()

    def when_due(self, step: Step) -> None:
        """Publishes what has been written, and starts to save when it is time."""
        if self._pending is not None and self._pending.is_written():
            self._publish()
        kept = self._keep_every_steps is not None and step.number % self._keep_every_steps == 0
        if step.number == self._n_steps:
            self.save(step.number)
        elif kept or step.number in self.snapshots(step.number):
            self._publish()
            self._begin(step.number)
        elif self._is_time() and self._pending is None:
            self._begin(step.number)

    def _is_time(self) -> bool:
        return self._ranks.any(time.monotonic() - self._begun_at_s >= self._every_s)

    def save(self, step: int) -> None:
        """Saves now; `step` is the number of steps that the weights have seen."""
        self._publish()
        if step != self._begun_step:
            self._begin(step)
            self._publish()

    def settle(self) -> None:
        """Waits for what is under way; before steps are undone, which may then be saved again."""
        self._publish()
        self._begun_step = -1

    def snapshots(self, step: int) -> tuple[int, ...]:
        """The last two states to go back to for a run that has come to `step`, older one first."""
        every = self._snapshot_every_steps
        if every is None:
            return ()
        last = step // every * every
        return tuple(number for number in (last - every, last) if number > 0)

    def _begin(self, step: int) -> None:
        self._pending = checkpoint.begin(
            self._out,
            step,
            self._model,
            self._optimizer,
            self._state(),
            ranks=self._ranks,
            background=self._background,
        )
        self._begun_step = step
        if not self._background:
            self._publish()
        self._begun_at_s = time.monotonic()

    def _publish(self) -> None:
        if self._pending is not None:
            self._pending.publish(
                keep=self._keep,
                keep_every_steps=self._keep_every_steps,
                keep_steps=self.snapshots(self._begun_step),
            )
            self._pending = None
