"""What is done about a step that must not count: its batch is left out, or more are undone.

Everything that follows from the position, such as counts and samples, goes back with it.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from groundup.core.artifact import RunDir
from groundup.model.transformer import Transformer
from groundup.training import checkpoint
from groundup.training.config import SafetyConfig
from groundup.training.guard import Guard, Trouble, exhausted
from groundup.training.optimizer import GroupedOptimizer
from groundup.training.ranks import Ranks
from groundup.training.saving import Saving

__all__ = ["Rescue"]

log = logging.getLogger(__name__)


class Rescue:
    """Puts a run right, as often as its settings allow.

    Args:
        out: The run.
        model: Its weights are put back.
        optimizer: Its state is put back.
        guard: Keeps the count and the batches that are left out.
        saving: Knows which states there are to go back to.
        config: How a spike is told.
        ranks: Who trains; all see the same trouble and do the same.
        go_back: Called with the step and the saved state; takes all else back.
    """

    def __init__(
        self,
        out: RunDir,
        model: Transformer,
        optimizer: GroupedOptimizer,
        guard: Guard,
        saving: Saving,
        config: SafetyConfig,
        ranks: Ranks,
        go_back: Callable[[int, Mapping[str, Any]], None],
    ) -> None:
        self._out, self._model, self._optimizer = out, model, optimizer
        self._guard, self._saving, self._config = guard, saving, config
        self._ranks, self._go_back = ranks, go_back

    def recover(self, trouble: Trouble) -> int:
        """Puts things right; returns the step to take.

        Raises:
            NumericalError: It has been done too often, or there is no state to go back to.
            CorruptArtifact: The state to go back to is damaged.
        """
        if trouble.weights_are_whole:
            batch = self._guard.order.batch_of(trouble.step)
            step = self._guard.skip(trouble)
            self._say(trouble, f"batch {batch} is left out", step)
            return step
        self._saving.settle()
        target = self._ranks.first_does(lambda: self._target(trouble))
        if target is None:
            raise exhausted(trouble, self._guard.interventions)
        batches = [self._guard.order.batch_of(step) for step in (target, trouble.step)]
        state = checkpoint.load(
            self._out, target, self._model, self._optimizer, ranks=self._ranks
        ).state
        self._guard.roll_back(trouble, target, state["guard"])
        self._ranks.first_does(lambda: checkpoint.drop_after(self._out, target))
        self._go_back(target, state)
        self._say(
            trouble, f"back to step {target}, without batches {batches[0]} to {batches[1]}", target
        )
        return target

    def _target(self, trouble: Trouble) -> int | None:
        """The last state well before the trouble began, else the oldest there is."""
        begin = trouble.step - (self._config.spike_steps - 1 if trouble.is_spike else 0)
        there = set(checkpoint.steps(self._out))
        found = [step for step in self._saving.snapshots(trouble.step) if step in there]
        early = [step for step in found if begin - step >= self._config.snapshot_every_steps // 2]
        return max(early) if early else min(found, default=None)

    def _say(self, trouble: Trouble, action: str, step: int) -> None:
        above = f", above {trouble.limit:.3f}," if trouble.is_spike else ""
        steps = f" for {self._config.spike_steps} steps" if trouble.is_spike else ""
        log.warning(
            "step %d: %s is %.4g%s%s: %s (intervention %d of %d)",
            trouble.step,
            trouble.quantity,
            trouble.value,
            above,
            steps,
            action,
            self._guard.interventions,
            self._config.max_interventions,
        )
        self._out.metrics.log(
            step,
            safety__trouble_at_step=trouble.step,
            safety__skipped_batches=self._guard.order.n_skipped,
            safety__interventions=self._guard.interventions,
        )
