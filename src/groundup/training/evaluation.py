"""Measuring a model while it is trained: bits per byte of held-out text, and samples to read."""

import logging

from groundup.core.metrics import Metrics
from groundup.evaluate.bits_per_byte import measure
from groundup.model.transformer import Transformer
from groundup.tokens.loader import TokenRows
from groundup.training.expected import Expected
from groundup.training.loop import Step
from groundup.training.samples import Samples

__all__ = ["Evaluation"]

log = logging.getLogger(__name__)


class Evaluation:
    """Measures every so often; the last step is measured on the whole validation split.

    Args:
        model: What is trained.
        validation: The validation split.
        samples: Lets the model write.
        metrics: Where measurements go.
        every_steps: Steps between measurements.
        n_steps: Steps of the whole run.
        max_tokens: Validation tokens used before the last step; None takes all.
        expected: What to compare with.

    Attributes:
        bits_per_byte: The last measurement; None before the first.
    """

    def __init__(
        self,
        model: Transformer,
        validation: TokenRows,
        samples: Samples,
        metrics: Metrics,
        *,
        every_steps: int,
        n_steps: int,
        max_tokens: int | None,
        expected: Expected,
    ) -> None:
        self._model, self._validation = model, validation
        self._samples, self._metrics = samples, metrics
        self._every_steps, self._n_steps, self._max_tokens = every_steps, n_steps, max_tokens
        self._expected = expected
        self.bits_per_byte: float | None = None

    def when_due(self, step: Step) -> None:
        """The hook of the loop."""
        if step.number == self._n_steps or step.number % self._every_steps == 0:
            self.measure(step.number)

    def measure(self, step: int) -> None:
        """Measures now, logs it, and writes samples.

        Args:
            step: Steps that the weights have seen.
        """
        last = step == self._n_steps
        found = measure(
            self._model, self._validation, max_tokens=None if last else self._max_tokens
        )
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
        self._samples.write(self._model, step)
