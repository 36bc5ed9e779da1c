"""A law from a table of optima: one best size, amount of data and loss for each budget.

Such runs lie on one line, where no form in N and D can be fitted freely. That they are optima gives
the missing equations: along the optimum of L = E + A N^-alpha + B D^-beta,

    N = k C^a,   L - E = K C^-g,   a = beta / (alpha + beta),   g = alpha beta / (alpha + beta),

so alpha = g / a, beta = g / (1 - a), and at each optimum alpha A N^-alpha = beta B D^-beta.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from groundup.core import seeds
from groundup.core.errors import DataError
from groundup.scaling.fit import DELTA, Fit, fit
from groundup.scaling.forecast import HeldOut, forecast_interval
from groundup.scaling.forms import FORMS
from groundup.scaling.isoflop import Line, line_through
from groundup.scaling.laws import Law
from groundup.scaling.points import Points

__all__ = ["Frontier", "fit_frontier", "forecast_largest", "is_frontier", "resampled_frontiers"]

LEAST_OPTIMA = 5


@dataclass(frozen=True, slots=True)
class Frontier:
    """A law read off its optima.

    Attributes:
        law: The law, in the sum form.
        line: N = k C^a through the optima.
        objective: Sum of Huber losses of ln L along C.
    """

    law: Law
    line: Line
    objective: float


def is_frontier(points: Points) -> bool:
    """Whether the table holds optima and not runs."""
    return points.columns["N"].endswith("_opt")


def fit_frontier(points: Points) -> Frontier:
    """The law whose optima the points are.

    Raises:
        DataError: There are fewer than five budgets.
    """
    if len(points) < LEAST_OPTIMA:
        raise DataError(
            f"{len(points)} optima do not determine a law", hint="give five budgets or more"
        )
    line = line_through(points.c.tolist(), points.n.tolist(), points.std)
    assert line is not None, "there are five"
    # Along C alone: half of the sum in N and half in D at equal exponents is one term in C.
    along = _along_compute(points)
    return Frontier(_law_of(points, line, along.law), line, along.objective)


def _along_compute(points: Points) -> Fit:
    """E + K C^-g, as the equal-exponent form with both variables set to C."""
    at_compute = replace(points, n=points.c, d=points.c)
    return fit(FORMS["equal-exponent"], at_compute, delta=DELTA, restarts=0)


def _law_of(points: Points, line: Line, along: Law) -> Law:
    g = along.alpha
    alpha, beta = g / line.a, g / (1.0 - line.a)
    excess = (along.A + along.B) * points.c**-g
    term_n = excess * beta / (alpha + beta)
    term_d = excess * alpha / (alpha + beta)
    scale_n = math.exp(float(np.mean(np.log(term_n) + alpha * np.log(points.n))))
    scale_d = math.exp(float(np.mean(np.log(term_d) + beta * np.log(points.d))))
    return Law(
        "frontier",
        along.E,
        scale_n,
        scale_d,
        alpha,
        beta,
        counts=points.counts,
        source=f"{len(points)} optima",
        flops_range=(float(points.c.min()), float(points.c.max())),
    )


def resampled_frontiers(points: Points, replicates: int, *, seed: int) -> list[Law]:
    """The laws of resamples of the budgets; a resample with fewer than five budgets is redrawn."""
    generator = seeds.generator(seed, "scaling/frontier")
    laws: list[Law] = []
    while len(laws) < replicates:
        drawn = np.sort(generator.integers(0, len(points), len(points)))
        if len(set(drawn.tolist())) >= LEAST_OPTIMA:
            laws.append(fit_frontier(points.take(drawn)).law)
    return laws


def forecast_largest(points: Points, replicates: int, *, seed: int) -> HeldOut | None:
    """Forecasts the optimum of most C from the others; None with fewer than five others."""
    largest = int(np.argmax(points.c))
    rest = points.take(np.arange(len(points)) != largest)
    if len(rest) < LEAST_OPTIMA:
        return None
    law = fit_frontier(rest).law
    n, d = float(points.n[largest]), float(points.d[largest])
    laws = resampled_frontiers(rest, replicates, seed=seed)
    low, high = forecast_interval(laws, law, rest, n, d, seed=seed)
    times = float(points.c[largest] / rest.c.max())
    return HeldOut(n, d, float(points.loss[largest]), law.loss(n, d), low, high, times, 1)
