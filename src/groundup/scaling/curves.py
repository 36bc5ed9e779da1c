"""Curves of one ability over tokens, compute or size: thresholds, knees and jumps.

x is always a base-10 logarithm, so widths are in decades.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

__all__ = ["Jump", "Logistic", "fit_logistic", "knee", "largest_jump", "onset"]

WIDTH_PER_SCALE = 2.0 * math.log(9.0)  # from 10% to 90% of the rise, in units of s
NORMAL = 1.96
CLEAR = 0.02  # an accuracy counts as above chance when its lower end is this far above
_CENTRES, _SCALES = 40, np.geomspace(0.01, 1.0, 16)


@dataclass(frozen=True, slots=True)
class Logistic:
    """Accuracy = low + (high - low) / (1 + exp(-(x - middle) / scale)).

    Attributes:
        low: Accuracy before, at least 0.
        high: Accuracy after.
        middle: x of half the rise.
        scale: Width of the rise, in decades over 4.39.
    """

    low: float
    high: float
    middle: float
    scale: float

    @property
    def width(self) -> float:
        """Decades from 10% to 90% of the rise."""
        return WIDTH_PER_SCALE * self.scale


@dataclass(frozen=True, slots=True)
class Jump:
    """The largest change between two neighbouring checkpoints.

    Attributes:
        share: Of the whole change.
        decades: How far apart the two are.
        low: x of the first.
        high: x of the second.
    """

    share: float
    decades: float
    low: float
    high: float


def fit_logistic(x: np.ndarray, accuracy: np.ndarray, items: np.ndarray) -> Logistic:
    """The likeliest logistic for `items` right-or-wrong answers at each x.

    The start is the best of a grid over middle and scale, the two levels solved for by weighted
    least squares; the polish follows the binomial likelihood.
    """
    weights = items / np.maximum(accuracy * (1.0 - accuracy), 0.25 / np.maximum(items, 4.0))
    best: tuple[float, np.ndarray] | None = None
    for middle in np.linspace(x.min(), x.max(), _CENTRES):
        for scale in _SCALES:
            rise = _rise(x, float(middle), float(scale))
            design = np.stack([np.ones_like(x), rise], axis=1) * np.sqrt(weights)[:, None]
            solved, *_ = np.linalg.lstsq(design, accuracy * np.sqrt(weights), rcond=None)
            low, high = np.clip([solved[0], solved.sum()], 1e-4, 1.0 - 1e-4)
            misfit = float(weights @ (low + (high - low) * rise - accuracy) ** 2)
            if best is None or misfit < best[0]:
                best = misfit, np.array([low, high, middle, math.log(scale)])
    assert best is not None, "the grid is not empty"

    def unlikelihood(theta: np.ndarray) -> float:
        low, high, middle, log_scale = theta
        p = low + (high - low) * _rise(x, float(middle), math.exp(float(log_scale)))
        p = np.clip(p, 1e-6, 1.0 - 1e-6)
        total = items @ (accuracy * np.log(p) + (1.0 - accuracy) * np.log1p(-p))
        return -float(total) / float(items.sum())

    span = (float(x.min()), float(x.max()))
    bounds = [(0.0, 1.0), (0.0, 1.0), span, (math.log(0.005), math.log(3.0))]
    done = minimize(unlikelihood, best[1], method="L-BFGS-B", bounds=bounds)
    low, high, middle, log_scale = (float(value) for value in done.x)
    return Logistic(low, high, middle, math.exp(log_scale))


def _rise(x: np.ndarray, middle: float, scale: float) -> np.ndarray:
    rise: np.ndarray = 1.0 / (1.0 + np.exp(-np.clip((x - middle) / scale, -60.0, 60.0)))
    return rise


def onset(x: np.ndarray, accuracy: np.ndarray, error: np.ndarray, chance: float) -> int | None:
    """Index of the first checkpoint from which accuracy stays clearly above chance; None if none.

    A checkpoint counts when the lower end of its 95% interval is two points above chance, and it
    must be followed by one more, unless it is the last.
    """
    above = accuracy - NORMAL * error > chance + CLEAR
    for index in range(len(x)):
        if above[index] and (index + 1 == len(x) or above[index + 1]):
            return index
    return None


def largest_jump(x: np.ndarray, values: np.ndarray) -> Jump:
    """The largest step between neighbours in the direction of the whole change."""
    change = float(values[-1] - values[0])
    if change == 0.0:
        return Jump(0.0, float(x[1] - x[0]), float(x[0]), float(x[1]))
    steps = np.diff(values) / change
    at = int(np.argmax(steps))
    return Jump(float(steps[at]), float(x[at + 1] - x[at]), float(x[at]), float(x[at + 1]))


def knee(x: np.ndarray, values: np.ndarray) -> tuple[float, float] | None:
    """X where two straight lines meet best, and by how much BIC prefers them to one line.

    None with fewer than six checkpoints.
    """
    if len(x) < 6:
        return None
    straight = _misfit(np.stack([np.ones_like(x), x], axis=1), values)
    best = math.inf, math.nan
    for at in x[2:-2]:
        bent = np.stack([np.ones_like(x), x, np.maximum(x - at, 0.0)], axis=1)
        best = min(best, (_misfit(bent, values), float(at)))
    count = len(x)
    tiny = 1e-300
    gain = count * math.log(max(straight, tiny) / max(best[0], tiny)) - 2.0 * math.log(count)
    return best[1], gain


def _misfit(design: np.ndarray, values: np.ndarray) -> float:
    solved, *_ = np.linalg.lstsq(design, values, rcond=None)
    return float(((design @ solved - values) ** 2).sum())
