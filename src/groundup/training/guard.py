"""Watches loss and gradient, and says when to undo steps and leave out batches.

Two kinds of trouble:

- *Not finite*: loss or gradient is NaN or infinite. Where it is seen before the update, as on a
  CPU, the weights are whole: the batch is left out and the step is taken with the next one. Seen
  after the update, or again at the same step, the weights are not to be trusted.
- *Spike*: for `spike_steps` steps in a row the loss lies more than `spike_deviations` robust
  standard deviations (1.4826 times the median absolute deviation) above the median of the last
  `window_steps` losses. Losses that high do not enter the window.

The cure for weights that are not to be trusted is PaLM's (Chowdhery et al. 2022, arXiv 2204.02311,
section 5.1): back to a state of about a hundred steps before, and on without the batches seen since
then. Differs from it: exactly those batches are left out, not 200 to 500. The limit is that of
OLMo 2's step skipping, six deviations over 128 steps (OLMo et al. 2024, arXiv 2501.00656), with
median and absolute deviation for mean and standard deviation, so that the first high losses do not
hide the next.

Everything follows from the losses and their order, never from when they were looked at or saved.
"""

import math
import statistics
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from groundup.core.errors import NumericalError
from groundup.training.batch_order import BatchOrder
from groundup.training.config import SafetyConfig

__all__ = ["Guard", "Trouble", "exhausted"]

GAUSSIAN = 1.4826  # standard deviation of a normal distribution with median absolute deviation 1
LEAST_EXCESS_NATS = 0.1  # a run that repeats little data has next to no deviation: no spike then


class Trouble(Exception):
    """A step that must not count.

    Attributes:
        step: Its number, from 0.
        quantity: `loss_nats` or `gradient_norm`.
        value: What it was.
        limit: What it may be at most; infinite when it is not finite.
        weights_are_whole: Whether the step has changed no weight yet.
    """

    def __init__(
        self, step: int, quantity: str, value: float, *, limit: float, weights_are_whole: bool
    ) -> None:
        super().__init__(f"{quantity} is {value:.4g} at step {step}")
        self.step, self.quantity, self.value = step, quantity, value
        self.limit, self.weights_are_whole = limit, weights_are_whole

    @property
    def is_spike(self) -> bool:
        """Whether the value is finite but too high."""
        return math.isfinite(self.limit)


class Guard:
    """Examines every step; its whole state is a small JSON object.

    Attributes:
        order: Which batch each step takes.
        interventions: How often a batch was left out or steps were undone.
    """

    def __init__(self, config: SafetyConfig, *, examine_every_steps: int = 1) -> None:
        """Starts with an empty window.

        Args:
            config: Limits.
            examine_every_steps: 1 looks at each step before its update. More spares a GPU the
                wait: steps are looked at some time after, with the same outcome for spikes.
        """
        self.order = BatchOrder()
        self.interventions = 0
        self._config = config
        self._every = examine_every_steps
        self._pending: list[tuple[int, Tensor]] = []
        self._window: list[float] = []
        self._high_steps = 0
        self._bad_step: int | None = None

    def look(self, step: int, loss: Tensor, gradient_norm: Tensor) -> None:
        """Examines a step before its update, or notes it for later.

        Raises:
            Trouble: This step, or one that was noted, must not count.
        """
        self._pending.append((step, torch.stack([loss.detach().float(), gradient_norm.float()])))
        if len(self._pending) >= self._every:
            self.settle(before_update_of=step)

    def settle(self, *, before_update_of: int | None = None) -> None:
        """Examines what was noted; before anything that must not see a bad state, such as a save.

        Raises:
            Trouble: The first step that must not count.
        """
        pending, self._pending = self._pending, []
        if not pending:
            return
        values = torch.stack([both for _, both in pending]).tolist()  # waits for the device once
        for (step, _), (loss_nats, gradient_norm) in zip(pending, values, strict=True):
            self._examine(step, loss_nats, gradient_norm, whole=step == before_update_of)

    def _examine(self, step: int, loss_nats: float, gradient_norm: float, *, whole: bool) -> None:
        for quantity, value in [("loss_nats", loss_nats), ("gradient_norm", gradient_norm)]:
            if not math.isfinite(value):
                whole = whole and step != self._bad_step
                self._bad_step = step
                raise Trouble(step, quantity, value, limit=math.inf, weights_are_whole=whole)
        limit = self._limit()
        if loss_nats <= limit:
            self._high_steps = 0
            self._window = [*self._window, loss_nats][-self._config.window_steps :]
            return
        self._high_steps += 1
        if self._high_steps >= self._config.spike_steps:
            raise Trouble(step, "loss_nats", loss_nats, limit=limit, weights_are_whole=False)

    def _limit(self) -> float:
        """Highest loss that is no sign of trouble; infinite until the window is full."""
        full = len(self._window) == self._config.window_steps
        if not full or self._config.max_interventions == 0:
            return math.inf
        middle = statistics.median(self._window)
        spread = statistics.median(abs(loss - middle) for loss in self._window)
        excess = self._config.spike_deviations * GAUSSIAN * spread
        return middle + max(excess, LEAST_EXCESS_NATS)

    def skip(self, trouble: Trouble) -> int:
        """Leaves out the batch of a step that changed no weight; returns the step to take.

        Raises:
            NumericalError: That has been done too often.
        """
        self._intervene(trouble)
        self.order.skip_from(trouble.step, trouble.step)
        return trouble.step

    def roll_back(self, trouble: Trouble, to_step: int, state: Mapping[str, Any]) -> int:
        """Leaves out all batches from `to_step` to the trouble; returns the step to take.

        Args:
            to_step: Steps that the restored weights have seen.
            state: The guard's state at that time; the count of interventions is not undone.

        Raises:
            NumericalError: That has been done too often.
        """
        self._intervene(trouble)
        self.order.skip_from(to_step, trouble.step)
        self._take_window(state)
        return to_step

    def _intervene(self, trouble: Trouble) -> None:
        self._pending = []
        if self.interventions >= self._config.max_interventions:
            raise exhausted(trouble, self.interventions)
        self.interventions += 1

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps.

        Raises:
            Trouble: A noted step must not count, so neither must this state.
        """
        self.settle()
        return {
            "skipped_batches": self.order.state(),
            "interventions": self.interventions,
            "window": list(self._window),
            "high_steps": self._high_steps,
            "bad_step": self._bad_step,
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        """Goes on from what `state` returned."""
        self.order = BatchOrder.of(state["skipped_batches"])
        self.interventions = int(state["interventions"])
        self._take_window(state)

    def _take_window(self, state: Mapping[str, Any]) -> None:
        self._window = [float(loss) for loss in state["window"]]
        self._high_steps = int(state["high_steps"])
        self._bad_step = state["bad_step"]


def exhausted(trouble: Trouble, interventions: int) -> NumericalError:
    """The error that ends a run which cannot be helped."""
    above = f", above {trouble.limit:.4g}" if trouble.is_spike else ""
    helped = f" after {interventions} interventions" if interventions else ""
    untouched = "; the weights are not touched" if trouble.weights_are_whole else ""
    return NumericalError(
        f"{trouble.quantity} is {trouble.value:.4g} at step {trouble.step}{above}{helped}"
        f"{untouched}",
        hint="lower the learning rates, add warmup_steps, or set clip_norm in [optimizer];"
        " checkpoints/ holds a state from before",
        step=trouble.step,
        quantity=trouble.quantity,
    )
