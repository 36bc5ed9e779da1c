"""Whether a law can be trusted beyond its runs: the largest run is forecast from all the others.

The interval of a forecast holds both the spread of the law over resamples and the scatter of single
runs about it, which a resample of residuals adds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from groundup.core import seeds
from groundup.core.errors import DataError
from groundup.scaling.fit import DELTA, check_enough, errors, fit
from groundup.scaling.forms import FORMS, Form
from groundup.scaling.laws import Law
from groundup.scaling.points import Points
from groundup.scaling.resample import interval, resampled_laws

__all__ = ["Choice", "HeldOut", "choose", "forecast_interval", "hold_out"]

_NORMAL = 1.959964  # quantile .975 of the normal distribution
_MOST_FREE = 5  # free numbers of the largest form
EXTRAPOLATION = 10.0  # times the largest fitted C: beyond, a number is stamped


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The forecast of one run that the fit has not seen.

    Attributes:
        n: Its parameters.
        d: Its training tokens.
        loss: What it reached.
        forecast: What the law of the others says.
        low: Lower end of the forecast's 95% interval; None without resamples.
        high: Upper end.
        times_flops: Its C over the largest C of the fitted runs.
        runs_left_out: Rows of its trunk, all left out of the fit.
    """

    n: float
    d: float
    loss: float
    forecast: float
    low: float | None
    high: float | None
    times_flops: float
    runs_left_out: int

    @property
    def error(self) -> float:
        """Forecast over truth, less one."""
        return self.forecast / self.loss - 1.0

    def as_json(self) -> dict[str, float | int | bool | None]:
        """The same as a JSON object."""
        return {
            "N": self.n,
            "D": self.d,
            "loss": self.loss,
            "forecast": self.forecast,
            "error": self.error,
            "low": self.low,
            "high": self.high,
            "times_flops": self.times_flops,
            "extrapolation": self.times_flops > EXTRAPOLATION,
            "runs_left_out": self.runs_left_out,
        }


def hold_out(
    form: Form,
    points: Points,
    *,
    replicates: int = 0,
    seed: int = 0,
    delta: float | None = DELTA,
    restarts: int = 0,
) -> HeldOut | None:
    """Forecasts the run of most C; None when the others do not determine the law."""
    largest = int(np.argmax(points.c))
    same = np.array([trunk == points.trunk[largest] for trunk in points.trunk])
    rest = points.take(~same)
    try:
        check_enough(form, rest)
    except DataError:
        return None
    fitted = fit(form, rest, delta=delta, restarts=restarts)
    n, d, loss = float(points.n[largest]), float(points.d[largest]), float(points.loss[largest])
    laws = resampled_laws(fitted, rest, replicates, seed=seed, delta=delta) if replicates else []
    low, high = forecast_interval(laws, fitted.law, rest, n, d, seed=seed)
    return HeldOut(
        n,
        d,
        loss,
        fitted.law.loss(n, d),
        low,
        high,
        float(points.c[largest] / rest.c.max()),
        int(same.sum()),
    )


def forecast_interval(
    laws: Sequence[Law], law: Law, points: Points, n: float, d: float, *, seed: int
) -> tuple[float | None, float | None]:
    """95% interval of a single run at (n, d): the laws' spread and the scatter about `law`.

    Residuals are too small by the freedom that the fit used, and a bootstrap of few trunks is too
    narrow. Both are widened as for a mean of as many: by sqrt(P / (P - 5)), and by Student's over
    the normal quantile with sqrt(G / (G - 1)) for G trunks (Cameron and Miller 2015, section VI).
    """
    if not laws:
        return None, None
    generator = seeds.generator(seed, "scaling/residuals")
    freedom = math.sqrt(len(points) / max(len(points) - _MOST_FREE, 1))
    scatter = freedom * generator.choice(errors(law, points), size=len(laws))
    ends = interval(np.array([drawn.loss(n, d) for drawn in laws]) * np.exp(-scatter))
    groups = len(set(points.trunk))
    wider = float(stdtrit(groups - 1, 0.975)) / _NORMAL
    wider *= math.sqrt(groups / (groups - 1))
    centre = law.loss(n, d)
    return centre + wider * (ends.low - centre), centre + wider * (ends.high - centre)


@dataclass(frozen=True, slots=True)
class Choice:
    """One form beside the others.

    Attributes:
        form: Its name.
        n_free: Its free numbers.
        objective: Its minimum on all runs.
        mean_error: Mean of |ln predicted - ln observed| over all runs.
        bic: Bayesian information criterion of the log residuals, lower is better.
        held_out_error: Error of the forecast of the largest run; None when it cannot be made.
    """

    form: str
    n_free: int
    objective: float
    mean_error: float
    bic: float
    held_out_error: float | None

    def as_json(self) -> dict[str, float | int | str | None]:
        """The same as a JSON object."""
        return {
            "law": self.form,
            "n_free": self.n_free,
            "objective": self.objective,
            "mean_error": self.mean_error,
            "bic": self.bic,
            "held_out_error": self.held_out_error,
        }


def choose(points: Points) -> list[Choice]:
    """All forms that the runs determine, the best first.

    The error on the held-out run decides; forms within a tenth of a percent of the best there are
    told apart by BIC.
    """
    found = []
    for form in FORMS.values():
        try:
            fitted = fit(form, points, restarts=0)
        except DataError:
            continue
        off = errors(fitted.law, points)
        held = hold_out(form, points)
        count = len(points)
        variance = max(float(np.mean(off**2)), 1e-30)
        found.append(
            Choice(
                form.name,
                form.n_free,
                fitted.objective,
                float(np.abs(off).mean()),
                count * math.log(variance) + form.n_free * math.log(count),
                None if held is None else held.error,
            )
        )
    known = [abs(c.held_out_error) for c in found if c.held_out_error is not None]
    best = min(known, default=0.0)

    def order(choice: Choice) -> tuple[float, float]:
        off = choice.held_out_error
        behind = math.inf if off is None and known else abs(off or 0.0) - best
        return (0.0 if behind < 1e-3 else behind, choice.bic)

    return sorted(found, key=order)
