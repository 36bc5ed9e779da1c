"""Where the best size lies, without a law of loss: Hoffmann's approaches 1 and 2.

Approach 1 takes the runs that no cheaper run beats (the lower envelope). Approach 2 cuts the runs
into budgets and takes the minimum of loss against ln N in each, by a parabola and by an Akima
spline (Akima 1970), which follows lopsided valleys; a minimum at the edge of its budget's sizes is
no minimum and is discarded. Both end in a line N_opt = k C^a through the logarithms.

Approach 2 is biased even without noise where the valley is lopsided: by some 4% in k when sizes
span a factor of 16 to each side, by .3% at a factor of 2. Narrow, centred grids are needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.interpolate import Akima1DInterpolator

from groundup.core import seeds
from groundup.scaling.points import Points
from groundup.scaling.resample import Interval, interval

__all__ = ["Budget", "Line", "budgets_of", "envelope", "isoflop_line", "line_through"]

SAME_BUDGET = 0.05  # runs closer than this in ln C share a budget
LEAST_SIZES = 4
_FINE = 4000


@dataclass(frozen=True, slots=True)
class Budget:
    """The runs of one budget and the minimum of their valley.

    Attributes:
        flops: Geometric mean of C.
        n: Sizes, ascending.
        loss: Their losses.
        parabola: Coefficients of loss against ln N, highest power first.
        n_parabola: N at the parabola's minimum; None when it lies outside the sizes.
        n_akima: N at the spline's minimum; None when it lies at an edge.
    """

    flops: float
    n: np.ndarray
    loss: np.ndarray
    parabola: tuple[float, float, float]
    n_parabola: float | None
    n_akima: float | None


@dataclass(frozen=True, slots=True)
class Line:
    """N_opt = k C^a.

    Attributes:
        a: Exponent.
        k: Factor.
        n_points: Minima or runs it goes through.
        a_interval: 95% interval of a over resamples; None when not asked for.
    """

    a: float
    k: float
    n_points: int
    a_interval: Interval | None = None

    def at(self, flops: float) -> float:
        """N_opt at a budget."""
        return float(self.k * flops**self.a)

    def as_json(self) -> dict[str, object]:
        """The same as a JSON object."""
        ends = self.a_interval.as_json() if self.a_interval else None
        return {"a": self.a, "k": self.k, "n_points": self.n_points, "interval": ends}


def line_through(
    flops: Sequence[float], best_n: Sequence[float], std: np.ndarray | None = None
) -> Line | None:
    """Least squares of ln N on ln C, weighted by `std` of ln N; None with fewer than three."""
    if len(flops) < 3:
        return None
    weights = None if std is None else 1.0 / std
    a, log_k = np.polyfit(np.log(flops), np.log(best_n), 1, w=weights)
    return Line(float(a), float(np.exp(log_k)), len(flops))


def envelope(points: Points) -> tuple[Line | None, np.ndarray]:
    """Approach 1: the line, and the indices of the runs that no cheaper run beats."""
    order = np.argsort(points.c, kind="stable")
    best, kept = np.inf, []
    for index in order:
        if points.loss[index] < best:
            best = float(points.loss[index])
            kept.append(int(index))
    index = np.array(kept)
    return line_through(points.c[index].tolist(), points.n[index].tolist()), index


def budgets_of(points: Points) -> list[Budget]:
    """Runs grouped by C, budgets with at least four sizes, cheapest first."""
    order = np.argsort(points.c)
    log_c = np.log(points.c[order])
    cuts = np.flatnonzero(np.diff(log_c) > SAME_BUDGET) + 1
    found = []
    for group in np.split(order, cuts):
        if len(np.unique(points.n[group])) >= LEAST_SIZES and np.ptp(np.log(points.c[group])) < 1.0:
            found.append(_budget(points.c[group], points.n[group], points.loss[group]))
    return found


def _budget(c: np.ndarray, n: np.ndarray, loss: np.ndarray) -> Budget:
    sizes = np.unique(n)
    best = np.array([loss[n == size].min() for size in sizes])
    x = np.log(sizes)
    centre = x.mean()  # keeps the powers small
    curved, slope, level = (float(v) for v in np.polyfit(x - centre, best, 2))
    lowest = centre - slope / (2.0 * curved) if curved > 0 else None
    inside = lowest is not None and x[0] < lowest < x[-1]
    fine = np.linspace(x[0], x[-1], _FINE)
    at = int(np.argmin(Akima1DInterpolator(x, best)(fine)))
    return Budget(
        float(np.exp(np.log(c).mean())),
        sizes,
        best,
        (curved, slope - 2.0 * curved * centre, level - slope * centre + curved * centre**2),
        float(np.exp(lowest)) if inside and lowest is not None else None,
        float(np.exp(fine[at])) if 0 < at < _FINE - 1 else None,
    )


def isoflop_line(
    budgets: Sequence[Budget], *, method: str = "akima", replicates: int = 0, seed: int = 0
) -> Line | None:
    """Approach 2: the line through the minima, `method` being `akima` or `parabola`.

    The interval resamples budgets.
    """

    def minimum(budget: Budget) -> float | None:
        return budget.n_akima if method == "akima" else budget.n_parabola

    pairs = [(b.flops, low) for b in budgets if (low := minimum(b)) is not None]
    line = line_through([c for c, _ in pairs], [n for _, n in pairs])
    if line is None or not replicates:
        return line
    generator = seeds.generator(seed, f"scaling/isoflop/{method}")
    slopes: list[float] = []
    for _ in range(replicates):
        drawn = [pairs[i] for i in generator.integers(0, len(pairs), len(pairs))]
        if len({c for c, _ in drawn}) >= 3:
            log_c, log_n = np.log(np.array(drawn)).T
            slopes.append(float(np.polyfit(log_c, log_n, 1)[0]))
    return replace(line, a_interval=interval(slopes)) if len(slopes) > 1 else line
