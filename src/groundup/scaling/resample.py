"""How sure a fit is: the same fit on many resamples, all descended at once.

A resample draws whole training runs with replacement (the cluster bootstrap, Field and Welsh 2007):
checkpoints or cooldown branches of one trunk rise and fall together. Every resample starts at the
fit of all runs and takes Levenberg-Marquardt steps on the reweighted squares that have the Huber
loss's minimum (Holland and Welsch 1977); numpy does the small systems of all resamples in one call,
so that 1000 of them take seconds.

Letters: R resample, P point, K free number.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from groundup.core import seeds
from groundup.scaling.fit import DELTA, Fit
from groundup.scaling.laws import Law
from groundup.scaling.points import Points

__all__ = ["Interval", "draw_counts", "interval", "resampled_laws", "spread_of"]

STEPS = 60
CLOSE = 1e-8  # relative fall of the objective at which a resample is done
LEAST_TRUNKS = 3
_TAILS = (2.5, 97.5)
_LEAST_DAMPING = 1e-7  # keeps the systems of odd resamples regular


@dataclass(frozen=True, slots=True)
class Interval:
    """The middle 95% of a quantity over resamples.

    Attributes:
        low: 2.5th percentile.
        high: 97.5th percentile.
        std: Standard deviation.
    """

    low: float
    high: float
    std: float

    def as_json(self) -> dict[str, float]:
        """The same as a JSON object."""
        return {"low": self.low, "high": self.high, "std": self.std}


def interval(values: Sequence[float] | np.ndarray) -> Interval:
    """The middle 95% of the values."""
    array = np.asarray(values, dtype=np.float64)
    low, high = np.percentile(array, _TAILS)
    return Interval(float(low), float(high), float(array.std()))


def draw_counts(points: Points, replicates: int, generator: np.random.Generator) -> np.ndarray:
    """How often each point is in each resample of whole trunks: (R, P).

    Resamples of fewer than three different trunks determine no law and are drawn again. A table of
    fewer than three trunks is resampled by rows.
    """
    trunks = points.trunk if len(set(points.trunk)) >= LEAST_TRUNKS else range(len(points))
    names, member = np.unique(np.asarray(trunks), return_inverse=True)
    share = np.full(len(names), 1.0 / len(names))
    drawn = generator.multinomial(len(names), share, size=replicates)
    while len(poor := np.flatnonzero((drawn > 0).sum(axis=1) < LEAST_TRUNKS)):
        drawn[poor] = generator.multinomial(len(names), share, size=len(poor))
    return drawn[:, member].astype(np.float64)


def resampled_laws(
    fitted: Fit, points: Points, replicates: int, *, seed: int, delta: float | None = DELTA
) -> list[Law]:
    """The laws of `replicates` resamples of the runs."""
    generator = seeds.generator(seed, "scaling/resample")
    counts = draw_counts(points, replicates, generator)
    thetas = _descend_all(fitted, points, counts, delta)
    return [
        replace(
            fitted.form.law(theta, *fitted.centre, name=fitted.law.name),
            counts=fitted.law.counts,
            flops_range=fitted.law.flops_range,
        )
        for theta in thetas
    ]


def spread_of(
    laws: Sequence[Law], quantities: Mapping[str, Callable[[Law], float]]
) -> dict[str, Interval]:
    """The interval of each quantity over the laws."""
    return {name: interval([value(law) for law in laws]) for name, value in quantities.items()}


def _descend_all(
    fitted: Fit, points: Points, counts: np.ndarray, delta: float | None
) -> np.ndarray:
    form = fitted.form
    mean_x, mean_y = fitted.centre
    x, y = np.log(points.n) - mean_x, np.log(points.d) - mean_y
    log_loss = np.log(points.loss)
    exponents = slice(2, form.n_free - form.floor)

    def linearised(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Residuals (R, P) and their slopes (R, K, P)."""
        predicted, slopes = form.log_loss(theta, x, y)
        if delta is not None:
            return predicted - log_loss, slopes
        estimate = np.exp(np.minimum(predicted, 50.0))
        return estimate - points.loss, slopes * estimate[..., None, :]

    def objective(residual: np.ndarray, weight: np.ndarray) -> np.ndarray:
        pull = residual if delta is None else np.clip(residual, -delta, delta)
        total: np.ndarray = (weight * pull * (residual - 0.5 * pull)).sum(axis=-1)
        return total

    thetas = np.repeat(fitted.theta[None], len(counts), axis=0)
    damping = np.full(len(counts), 1e-3)
    active = np.arange(len(counts))
    for _ in range(STEPS):
        if not len(active):
            break
        residual, slopes = linearised(thetas[active])
        weight = counts[active]
        before = objective(residual, weight)
        if delta is not None:  # squares with these weights have the Huber loss's slope here
            weight = weight * np.minimum(1.0, delta / np.maximum(np.abs(residual), 1e-12))
        step = _damped_step(residual, slopes, weight, damping[active])
        trial = thetas[active] + step
        trial[:, exponents] = np.maximum(trial[:, exponents], 0.0)
        after = objective(linearised(trial)[0], counts[active])
        better = after < before
        thetas[active[better]] = trial[better]
        damping[active] = np.where(
            better, np.maximum(damping[active] / 3.0, _LEAST_DAMPING), damping[active] * 5.0
        )
        fallen = (before - after) / np.maximum(before, 1e-300)
        settled = (better & (fallen < CLOSE)) | (damping[active] > 1e9)
        active = active[~settled]
    return thetas


def _damped_step(
    residual: np.ndarray, slopes: np.ndarray, weight: np.ndarray, damping: np.ndarray
) -> np.ndarray:
    weighted = slopes * weight[:, None, :]
    normal = weighted @ np.swapaxes(slopes, -1, -2)
    gradient = (weighted @ residual[..., None])[..., 0]
    diagonal = np.einsum("rkk->rk", normal)
    scale = np.maximum(diagonal, 1e-6 * diagonal.max(axis=-1, keepdims=True) + 1e-300)
    identity = np.eye(normal.shape[-1])
    damped = normal + identity * (damping[:, None] * scale)[:, None, :]
    solved: np.ndarray = np.linalg.solve(damped, gradient[..., None])[..., 0]
    return -solved
