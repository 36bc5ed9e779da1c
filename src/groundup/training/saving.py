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

__all__ = ["Saving"]


class Saving:
    """A hook of the loop.

    Args:
        out: The run.
        model: Its weights are saved.
        optimizer: Its state is saved.
        state: What else belongs to the position, as JSON values.
        every_s: Seconds between checkpoints.
        n_steps: Steps of the whole run; after the last one a checkpoint is always written.
        snapshot_every_steps: Steps between those to go back to; None keeps none.
    """

    def __init__(
        self,
        out: RunDir,
        model: Transformer,
        optimizer: GroupedOptimizer,
        state: Callable[[], dict[str, Any]],
        *,
        every_s: float,
        n_steps: int,
        snapshot_every_steps: int | None,
    ) -> None:
        self._out, self._model, self._optimizer, self._state = out, model, optimizer, state
        self._every_s, self._n_steps = every_s, n_steps
        self._snapshot_every_steps = snapshot_every_steps
        self._saved_at_s = time.monotonic()

    def when_due(self, step: Step) -> None:
        """Saves when it is time."""
        due = time.monotonic() - self._saved_at_s >= self._every_s
        if due or step.number == self._n_steps or step.number in self.snapshots(step.number):
            self.save(step.number)

    def save(self, step: int) -> None:
        """Saves now; `step` is the number of steps that the weights have seen."""
        checkpoint.save(
            self._out,
            step,
            self._model,
            self._optimizer,
            self._state(),
            keep_steps=self.snapshots(step),
        )
        self._saved_at_s = time.monotonic()

    def snapshots(self, step: int) -> tuple[int, ...]:
        """The last two states to go back to for a run that has come to `step`, older one first."""
        every = self._snapshot_every_steps
        if every is None:
            return ()
        last = step // every * every
        return tuple(number for number in (last - every, last) if number > 0)
