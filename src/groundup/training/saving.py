"""When checkpoints are written: every so many seconds, at the end, and when a signal comes."""

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
    ) -> None:
        self._out, self._model, self._optimizer, self._state = out, model, optimizer, state
        self._every_s, self._n_steps = every_s, n_steps
        self._saved_at_s = time.monotonic()

    def when_due(self, step: Step) -> None:
        """Saves when it is time."""
        due = time.monotonic() - self._saved_at_s >= self._every_s
        if due or step.number == self._n_steps:
            self.save(step.number)

    def save(self, step: int) -> None:
        """Saves now; `step` is the number of steps that the weights have seen."""
        checkpoint.save(self._out, step, self._model, self._optimizer, self._state())
        self._saved_at_s = time.monotonic()
