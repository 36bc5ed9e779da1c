"""Measuring a model while it is trained: bits per byte of held-out text, and samples to read."""

import logging
from collections.abc import Callable

from groundup.core.metrics import Metrics
from groundup.evaluate.bits_per_byte import measure
from groundup.tokens.loader import TokenRows
from groundup.training.expected import Expected
from groundup.training.loop import Step
from groundup.training.parallel import Whole
from groundup.training.ranks import Ranks
from groundup.training.samples import Samples

__all__ = ["Evaluation"]

log = logging.getLogger(__name__)


class _Left(Exception):
    """A measurement was given up because the run is to stop."""


class Evaluation:
    """Measures every so often; the last step is measured on the whole validation split.

    Args:
        parallel: What is trained.
        validation: The validation split.
        samples: Lets the model write, on rank 0.
        metrics: Where measurements go.
        every_steps: Steps between measurements.
        n_steps: Steps of the whole run.
        max_tokens: Validation tokens used before the last step; None takes all.
        expected: What to compare with.
        ranks: Each measures its part of the text.

    Attributes:
        bits_per_byte: The last measurement; None before the first.
        is_pending: Whether a measurement that was due has been given up; the process that goes on
            from here makes it.
        stop: Whether to give up; asked by all ranks together.
    """

    def __init__(
        self,
        parallel: Whole,
        validation: TokenRows,
        samples: Samples,
        metrics: Metrics,
        *,
        every_steps: int,
        n_steps: int,
        max_tokens: int | None,
        expected: Expected,
        ranks: Ranks,
    ) -> None:
        self._parallel, self._validation, self._ranks = parallel, validation, ranks
        self._samples, self._metrics = samples, metrics
        self._every_steps, self._n_steps, self._max_tokens = every_steps, n_steps, max_tokens
        self._expected = expected
        self.bits_per_byte: float | None = None
        self.is_pending = False
        self.stop: Callable[[], bool] = lambda: False

    def when_due(self, step: Step) -> None:
        """The hook of the loop."""
        if step.number == self._n_steps or step.number % self._every_steps == 0:
            self.measure(step.number)

    def measure(self, step: int) -> None:
        """Measures now, logs it, and writes samples; leaves off as soon as the run is to stop.

        Args:
            step: Steps that the weights have seen.
        """
        self.is_pending = True
        try:
            with self._parallel.measuring():
                found = measure(
                    self._parallel.model,
                    self._validation,
                    max_tokens=None if step == self._n_steps else self._max_tokens,
                    sharing=self._ranks,
                    between=self._leave_when_asked,
                )
        except _Left:
            return
        self.bits_per_byte = found.bits_per_byte
        self._metrics.log(
            step,
            validation__bits_per_byte=round(found.bits_per_byte, 5),
            validation__loss_nats=round(found.nats_per_token, 5),
            **self._expected.measures(step),
        )
        log.info(
            "step %d: validation %.3f bits per byte%s",
            step,
            found.bits_per_byte,
            self._expected.says(step, found.bits_per_byte),
        )
        if self._ranks.first_does(lambda: self._samples.are_due(step)):
            whole = self._parallel.whole_model()
            self._ranks.first_does(lambda: self._samples.write(whole, step) if whole else None)
        self.is_pending = False

    def _leave_when_asked(self) -> None:
        if self.stop():
            raise _Left
