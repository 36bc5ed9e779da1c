"""Speed and loss of a run in progress: what the progress bar and metrics.jsonl say."""

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from groundup.training.loop import Step

__all__ = ["Meter"]

RECENT_STEPS = 20  # long enough to be steady, short enough to show a machine that slows down


@dataclass
class Meter:
    """Counts steps, tokens and seconds; its whole state is a small JSON object.

    Attributes:
        flops_per_token: Operations to train on one token.
        limit_flops: Operations per second that a large matrix product reaches here.
        peak_flops: Operations per second by the device's data sheet; the measured limit when there
            is none.
        tokens: Trained on so far, over all processes that worked on the run.
        seconds: Time of all steps so far, without measuring and saving.
        window_nats: Sum of losses since the last line of metrics.
        window_steps: Steps since then.
        last_loss_nats: The last loss that could be read without waiting for the device.
    """

    flops_per_token: float
    limit_flops: float
    peak_flops: float
    tokens: int = 0
    seconds: float = 0.0
    window_nats: float = 0.0
    window_steps: int = 0
    last_loss_nats: float = math.nan
    _unread: list[Tensor] = field(default_factory=list)
    _recent: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=RECENT_STEPS))

    def add(self, step: Step) -> None:
        """Counts a step."""
        self.tokens += step.tokens
        self.seconds += step.seconds
        self._unread.append(step.loss)
        if step.loss.device.type == "cpu":
            self._read()
        self._recent.append((step.tokens, step.seconds))

    def _read(self) -> None:
        """Adds up the losses that are still where the model is."""
        unread, self._unread = self._unread, []
        for loss_nats in torch.stack(unread).tolist() if unread else ():
            self.window_nats += loss_nats
            self.window_steps += 1
            self.last_loss_nats = loss_nats

    def take_loss(self) -> float:
        """Mean loss in nats since the last call."""
        self._read()
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

    def mfu(self, tokens_per_s: float) -> float:
        """Model FLOPs utilisation: share of the device's peak (PaLM, arXiv 2204.02311, app. B)."""
        return tokens_per_s * self.flops_per_token / self.peak_flops

    def shares(self, tokens_per_s: float) -> str:
        """What a speed is of the possible, in words; the peak only where it is known."""
        limit = f"{self.limit_fraction(tokens_per_s):.0%} of limit"
        if self.peak_flops == self.limit_flops:
            return limit
        return f"MFU {self.mfu(tokens_per_s):.0%}, {limit}"

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        self._read()
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
        self._unread = []

    def go_back(self, state: dict[str, Any]) -> None:
        """As `resume`, for steps that are undone: the time they took stays counted."""
        seconds = self.seconds
        self.resume(state)
        self.seconds = seconds
