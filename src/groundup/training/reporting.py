"""What a run says of every step: a line of metrics every so often, and the bar beside it."""

from groundup.core.console import Bar
from groundup.core.metrics import Metrics
from groundup.training.loop import Step
from groundup.training.meters import Meter

__all__ = ["Reporting"]


class Reporting:
    """Two hooks of the loop, `log` and `show`.

    Args:
        metrics: Where lines go.
        meter: Counts every step.
        bar: Shows how far the run is.
        every_steps: Steps between lines; the last step always has one.
        n_steps: Steps of the whole run.
    """

    def __init__(
        self, metrics: Metrics, meter: Meter, bar: Bar, *, every_steps: int, n_steps: int
    ) -> None:
        self._metrics, self._meter, self._bar = metrics, meter, bar
        self._every_steps, self._n_steps = every_steps, n_steps

    def log(self, step: Step) -> None:
        """Counts a step, and writes a line when one is due."""
        meter = self._meter
        meter.add(step)
        if step.number % self._every_steps and step.number < self._n_steps:
            return
        speed = meter.recent_tokens_per_s
        self._metrics.log(
            step.number,
            train__loss_nats=round(meter.take_loss(), 5),
            train__gradient_norm=round(float(step.norm), 5),
            train__lr_factor=round(step.lr_factor, 5),
            train__tokens=step.number * step.tokens,
            train__tokens_per_s=round(speed, 1),
            train__limit_fraction=round(meter.limit_fraction(speed), 4),
            train__mfu=round(meter.mfu(speed), 4),
        )

    def show(self, step: Step) -> None:
        """Moves the bar."""
        speed = self._meter.recent_tokens_per_s
        self._bar.update(
            1,
            f"loss {self._meter.last_loss_nats:.2f}, {speed:,.0f} tok/s, "
            f"{self._meter.shares(speed)}",
            value=self._meter.last_loss_nats,
        )
