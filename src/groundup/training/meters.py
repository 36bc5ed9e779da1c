"""Speed and loss of a run in progress: what the progress bar and metrics.jsonl say."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from groundup.training.loop import Step

__all__ = ["Meter"]

RECENT_STEPS = 20  # long enough to be steady, short enough to show a machine that slows down


@dataclass
class Meter:
    """Counts steps, tokens and seconds; its whole state is a small JSON object.

    Attributes:
        flops_per_token: Operations to train on one token.
        limit_flops: Operations per second that a large matrix product reaches here.
        tokens: Trained on so far, over all processes that worked on the run.
        seconds: Time of all steps so far, without measuring and saving.
        window_nats: Sum of losses since the last line of metrics.
        window_steps: Steps since then.
    """

    flops_per_token: float
    limit_flops: float
    tokens: int = 0
    seconds: float = 0.0
    window_nats: float = 0.0
    window_steps: int = 0
    _recent: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=RECENT_STEPS))

    def add(self, step: Step) -> None:
        """Counts a step."""
        self.tokens += step.tokens
        self.seconds += step.seconds
        self.window_nats += step.loss_nats
        self.window_steps += 1
        self._recent.append((step.tokens, step.seconds))

    def take_loss(self) -> float:
        """Mean loss in nats since the last call."""
        mean = self.window_nats / max(self.window_steps, 1)
        self.window_nats, self.window_steps = 0.0, 0
        return mean

    @property
    def recent_tokens_per_s(self) -> float:
        """Speed over the last steps of this process."""
        seconds = sum(seconds for _, seconds in self._recent)
        return sum(tokens for tokens, _ in self._recent) / max(seconds, 1e-9)

    @property
    def tokens_per_s(self) -> float:
        """Speed over the whole run."""
        return self.tokens / max(self.seconds, 1e-9)

    def limit_fraction(self, tokens_per_s: float) -> float:
        """Share of the measured hardware limit that a speed makes use of."""
        return tokens_per_s * self.flops_per_token / self.limit_flops

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "tokens": self.tokens,
            "seconds": self.seconds,
            "window_nats": self.window_nats,
            "window_steps": self.window_steps,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Goes on from what `state` returned."""
        self.tokens, self.seconds = int(state["tokens"]), float(state["seconds"])
        self.window_nats = float(state["window_nats"])
        self.window_steps = int(state["window_steps"])
