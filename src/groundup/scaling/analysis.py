"""`groundup scale fit` from a table to everything that is known about its law."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from groundup.core.errors import ConfigError
from groundup.scaling.fit import DELTA, Fit, errors, fit
from groundup.scaling.forecast import Choice, HeldOut, choose, hold_out
from groundup.scaling.forms import form_named
from groundup.scaling.frontier import (
    fit_frontier,
    forecast_largest,
    is_frontier,
    resampled_frontiers,
)
from groundup.scaling.isoflop import Budget, Line, budgets_of, envelope, isoflop_line
from groundup.scaling.laws import Law
from groundup.scaling.points import Points, read_points
from groundup.scaling.resample import Interval, resampled_laws, spread_of

__all__ = ["Analysis", "Request", "analyse"]

CONSTANTS = ("alpha", "beta", "E", "A", "B", "a")


@dataclass(frozen=True, slots=True)
class Request:
    """What `groundup scale fit` was asked for.

    Attributes:
        path: The table.
        law: Name of the form.
        columns: Quantity to column, over what is recognised.
        where: Conditions on rows.
        drop_worst: How many of the highest losses are left out.
        replicates: Resamples; 0 for no intervals.
        squares: Plain squares of the loss in place of the Huber loss of its logarithm.
        seed: Root of all randomness.
    """

    path: Path
    law: str = "chinchilla"
    columns: Mapping[str, str] | None = None
    where: Sequence[str] = ()
    drop_worst: int = 0
    replicates: int = 1000
    squares: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Analysis:
    """A law and all that was found about it.

    Attributes:
        request: What was asked for.
        points: The runs it was fitted on.
        law: The law.
        objective: Its minimum.
        draws: The laws of the resamples.
        intervals: Constant, and D/N and loss at ten times the largest C, to its 95% interval.
        held_out: The forecast of the largest run; None when the others do not determine a law.
        choices: All forms, the best first; empty for a table of optima.
        with_all: The law with nothing dropped, when `drop_worst` left runs out.
        budgets: Budgets of approach 2.
        lines: Approach to the line N_opt = k C^a.
        rivals: Other minima nearly as deep.
    """

    request: Request
    points: Points
    law: Law
    objective: float
    draws: list[Law]
    intervals: dict[str, Interval]
    held_out: HeldOut | None
    choices: list[Choice]
    with_all: Law | None
    budgets: list[Budget]
    lines: dict[str, Line | None]
    rivals: tuple[Law, ...]

    def as_json(self) -> dict[str, Any]:
        """The result as a JSON object, units and counting of N included."""
        off = np.abs(errors(self.law, self.points))
        chosen = self.law
        return {
            "law": chosen.name,
            "form": "[(A/N)^(alpha/beta) + B/D]^beta"
            if chosen.bracket
            else "E + A/N^alpha + B/D^beta",
            "units": {"N": f"parameters ({chosen.counts})", "D": "tokens", "loss": "nats/token"},
            **{name: getattr(chosen, name) for name in CONSTANTS},
            "objective": self.objective,
            "objective_is": "sum of squares of the loss"
            if self.request.squares
            else f"sum of Huber losses of ln L, delta {DELTA}",
            "n_points": len(self.points),
            "mean_error": float(off.mean()),
            "max_error": float(off.max()),
            "flops_range": list(chosen.flops_range or ()),
            "intervals": {name: ends.as_json() for name, ends in self.intervals.items()},
            "n_resamples": len(self.draws),
            "n_trunks": len(set(self.points.trunk)),
            "held_out": self.held_out.as_json() if self.held_out else None,
            "choice": [choice.as_json() for choice in self.choices],
            "with_all_points": {name: getattr(self.with_all, name) for name in CONSTANTS}
            if self.with_all
            else None,
            "approaches": {
                name: line.as_json() if line else None for name, line in self.lines.items()
            },
            "other_minima": [
                {name: getattr(law, name) for name in CONSTANTS} for law in self.rivals
            ],
            "columns": dict(self.points.columns),
            "rows": dict(self.points.chosen),
            "dropped": dict(self.points.dropped),
            "source": self.request.path.name,
            "seed": self.request.seed,
        }


def analyse(request: Request) -> Analysis:
    """Reads, fits, resamples, forecasts the largest run and compares the forms.

    Raises:
        ConfigError: The request does not fit the table.
        DataError: The table does not determine the law.
    """
    everything = read_points(request.path, columns=request.columns, where=request.where)
    if not 0 <= request.drop_worst < len(everything):
        raise ConfigError(
            f"--drop-worst {request.drop_worst} of {len(everything)} runs",
            hint="leave out fewer runs",
        )
    points = everything.without_worst(request.drop_worst)
    if is_frontier(points):
        return _analyse_optima(request, points)
    delta = None if request.squares else DELTA
    form = form_named(request.law)
    fitted = fit(form, points, delta=delta)
    draws = (
        resampled_laws(fitted, points, request.replicates, seed=request.seed, delta=delta)
        if request.replicates
        else []
    )
    budgets = budgets_of(points)
    held = hold_out(form, points, replicates=request.replicates, seed=request.seed, delta=delta)
    return Analysis(
        request,
        points,
        fitted.law,
        fitted.objective,
        draws,
        _intervals(draws, fitted.law),
        held,
        choose(points),
        fit(form, everything, delta=delta, restarts=0).law if request.drop_worst else None,
        budgets,
        _lines(request, points, budgets, fitted),
        fitted.rivals,
    )


def _analyse_optima(request: Request, points: Points) -> Analysis:
    frontier = fit_frontier(points)
    draws = resampled_frontiers(points, min(request.replicates, 100), seed=request.seed)
    return Analysis(
        request,
        points,
        frontier.law,
        frontier.objective,
        draws,
        _intervals(draws, frontier.law),
        forecast_largest(points, len(draws), seed=request.seed),
        [],
        None,
        [],
        {"optima": frontier.line},
        (),
    )


def _intervals(draws: Sequence[Law], law: Law) -> dict[str, Interval]:
    if not draws or law.flops_range is None:
        return {}
    beyond = 10.0 * law.flops_range[1]

    def ratio(drawn: Law) -> float:
        n, d = drawn.optimum(beyond)
        return d / n

    constants = {name: (lambda drawn, key=name: float(getattr(drawn, key))) for name in CONSTANTS}
    return spread_of(
        draws,
        {
            **constants,
            "tokens_per_param_at_10x": ratio,
            "loss_at_10x": lambda drawn: drawn.loss(*drawn.optimum(beyond)),
        },
    )


def _lines(
    request: Request, points: Points, budgets: Sequence[Budget], fitted: Fit
) -> dict[str, Line | None]:
    """N_opt = k C^a by all three approaches."""
    n_at_one = fitted.law.optimum(1.0)[0]
    return {
        "1 envelope": envelope(points)[0],
        **{
            f"2 isoFLOP, {method}": isoflop_line(
                budgets, method=method, replicates=min(request.replicates, 500), seed=request.seed
            )
            for method in ("parabola", "akima")
        },
        "3 parametric": Line(fitted.law.a, n_at_one, len(points)),
    }
