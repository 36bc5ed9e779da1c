"""Fits a law to finished runs: a start without guessing, then one descent with exact gradients.

The objective is Hoffmann's (arXiv 2203.15556, appendix D.2): the sum over runs of the Huber loss of
ln predicted - ln observed, with delta 1e-3. Three things decide whether its minimum is found:

- The sum is multiplied by `SCALE`. With a mean instead of a sum, L-BFGS takes the small gradient
  for convergence and stops early; that error is in the original paper (Besiroglu et al. 2024).
- The start comes from variable projection (Golub and Pereyra 1973): for exponents on a grid, the
  scales and the floor are a non-negative least-squares problem with one solution.
- ln N and ln D are centred, without which A and alpha can hardly be told apart.
"""

import logging
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize, nnls

from groundup.core import seeds
from groundup.core.errors import DataError
from groundup.scaling.forms import Form
from groundup.scaling.laws import Law
from groundup.scaling.points import Points

__all__ = ["DELTA", "Fit", "check_enough", "errors", "fit"]

log = logging.getLogger(__name__)

DELTA = 1e-3
SCALE = 1e4
GRID = np.geomspace(0.05, 1.2, 24)
RESTARTS = 8
BASIN = 0.01  # another minimum this near in objective is reported
APART = 0.05  # if an exponent differs by more than this
_LEAST_LEVELS = 3  # sizes and budgets, for five free numbers


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted law.

    Attributes:
        law: The law in plain N and D.
        form: Its form.
        theta: Its free numbers in centred coordinates.
        objective: The sum of Huber losses, or of squares, at the minimum.
        centre: Means of ln N and ln D.
        rivals: Other minima that are nearly as deep, as laws.
    """

    law: Law
    form: Form
    theta: np.ndarray
    objective: float
    centre: tuple[float, float]
    rivals: tuple[Law, ...] = ()


def check_enough(form: Form, points: Points) -> None:
    """Refuses a form that the runs cannot determine.

    Raises:
        DataError: Too few runs, sizes or budgets for the form's free numbers.
    """
    sizes, budgets = len(np.unique(points.n)), len(np.unique(points.d))
    least = _LEAST_LEVELS if form.n_free > 4 else 2
    if len(points) >= form.least_points and sizes >= least and budgets >= least:
        return
    raise DataError(
        f"{len(points)} runs of {sizes} sizes and {budgets} amounts of data do not determine the "
        f"{form.n_free} numbers of the law {form.name!r}, which needs {form.least_points} runs "
        f"and {least} of each",
        hint="--law equal-exponent or power needs less; or train more runs",
    )


def fit(
    form: Form, points: Points, *, delta: float | None = DELTA, restarts: int = RESTARTS
) -> Fit:
    """The law of a form that fits the runs best.

    Args:
        form: What is free.
        points: The runs.
        delta: Where the Huber loss turns from squares to absolute values; None takes plain squares
            of the loss itself, as Gadre et al. 2024 do.
        restarts: Random starts beside the found one, as a check.

    Raises:
        DataError: The runs do not determine the form.
    """
    check_enough(form, points)
    x, y, centre = _centred(points)
    start = _projected_start(form, x, y, points.loss)
    theta, objective = _descend(form, start, x, y, points.loss, delta)
    generator = seeds.generator(0, "scaling/restarts")
    found = []
    for _ in range(restarts):
        spread = np.where(np.arange(form.n_free) < 2, 1.0, 0.3)
        trial = start + generator.normal(0.0, 1.0, form.n_free) * spread
        found.append(_descend(form, trial, x, y, points.loss, delta))
    best = theta
    rivals: list[np.ndarray] = []
    exponents = slice(2, form.n_free - form.floor)
    for other, value in found:
        if value < objective * (1.0 - 1e-6):
            best, objective = other, value
    for other, value in [*found, (theta, objective)]:
        known = [best, *rivals]
        apart = (
            min(float(np.abs(other[exponents] - seen[exponents]).max()) for seen in known) > APART
        )
        if apart and value <= objective * (1.0 + BASIN):
            rivals.append(other)
    if rivals:
        log.warning(
            "other exponents fit within %.0f%% as well (%d minima): see other_minima",
            100.0 * BASIN,
            len(rivals),
        )
    law = form.law(best, *centre, name=form.name)
    span = (float(points.c.min()), float(points.c.max()))
    law = replace(law, counts=points.counts, flops_range=span, source=f"{len(points)} runs")
    others = tuple(form.law(rival, *centre, name=form.name) for rival in rivals)
    return Fit(law, form, best, objective, centre, others)


def errors(law: Law, points: Points) -> np.ndarray:
    """How far ln predicted is from ln observed, for every run."""
    difference: np.ndarray = np.log(law.losses(points.n, points.d)) - np.log(points.loss)
    return difference


def _centred(points: Points) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    log_n, log_d = np.log(points.n), np.log(points.d)
    mean_x, mean_y = float(log_n.mean()), float(log_d.mean())
    return log_n - mean_x, log_d - mean_y, (mean_x, mean_y)


def _projected_start(form: Form, x: np.ndarray, y: np.ndarray, loss: np.ndarray) -> np.ndarray:
    """Best grid point of the exponents, the linear numbers solved for at each."""
    best: tuple[float, np.ndarray] | None = None
    for first in GRID:
        for second in [first] if form.shared else GRID:
            target = loss ** (1.0 / second) if form.bracket else loss
            by_d = np.exp(-y) if form.bracket else np.exp(-second * y)
            columns = [np.exp(-first * x), by_d]
            if form.floor:
                columns.append(np.ones_like(x))
            design = np.stack(columns, axis=1) / target[:, None]
            solved, distance = nnls(design, np.ones_like(x))
            distance = distance * second if form.bracket else distance
            if best is None or distance < best[0]:
                scales = np.log(np.maximum(solved, 1e-3))
                slopes = [first] if form.shared else [first, second]
                best = distance, np.array([*scales[:2], *slopes, *scales[2:]])
    assert best is not None, "the grid is not empty"
    return best[1]


def _descend(
    form: Form,
    start: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    loss: np.ndarray,
    delta: float | None,
) -> tuple[np.ndarray, float]:
    log_loss = np.log(loss)

    def value_and_gradient(theta: np.ndarray) -> tuple[float, np.ndarray]:
        predicted, slopes = form.log_loss(theta, x, y)
        if delta is None:
            estimate = np.exp(np.minimum(predicted, 50.0))
            residual = estimate - loss
            return SCALE * float(residual @ residual), SCALE * 2.0 * (
                slopes @ (residual * estimate)
            )
        residual = predicted - log_loss
        pull = np.clip(residual, -delta, delta)
        huber = pull * (residual - 0.5 * pull)
        return SCALE * float(huber.sum()), SCALE * (slopes @ pull)

    exponents = range(2, form.n_free - form.floor)
    done = minimize(
        value_and_gradient,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0 if i in exponents else None, None) for i in range(form.n_free)],
        options={"maxiter": 2000, "maxfun": 5000, "ftol": 1e-14, "gtol": 1e-9, "maxcor": 20},
    )
    return np.asarray(done.x), float(done.fun) / SCALE
