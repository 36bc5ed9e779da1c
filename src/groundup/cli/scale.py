"""`groundup scale`: laws from finished runs."""

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from groundup.core import console
from groundup.core.errors import ConfigError

if TYPE_CHECKING:
    from groundup.scaling.analysis import Analysis

__all__ = ["fit_law", "scale"]

FIGURES_HINT = "--to FOLDER keeps fit.json and the figures"


def scale(known: argparse.Namespace, _rest: Sequence[str]) -> None:
    """Does what the verb after `scale` says."""
    from groundup.cli.emergence import emergence

    {"fit": fit_law, "emergence": emergence}[known.what](known)


def fit_law(known: argparse.Namespace) -> None:
    """Fits a law to a table of runs; prints it, and keeps it with `--to`."""
    from groundup.scaling.analysis import Request, analyse

    request = Request(
        known.points,
        law=known.law,
        columns=columns_of(known.columns),
        where=known.where,
        drop_worst=known.drop_worst,
        replicates=known.bootstrap,
        squares=known.objective == "squares",
        seed=known.seed,
    )
    analysis = analyse(request)
    result = analysis.as_json()
    if known.to is not None:
        from groundup.scaling.fit_figures import draw_fit
        from groundup.scaling.saved import save_fit

        save_fit(known.to / "fit.json", result, analysis.law, analysis.draws)
        draw_fit(analysis, known.to / "figures")
    if known.json:
        console.say(json.dumps(result, indent=1))
        return
    _show(analysis)
    console.say(str(known.to) if known.to is not None else FIGURES_HINT)


def columns_of(text: str | None) -> Mapping[str, str]:
    """`N=params,D=tokens` as a mapping.

    Raises:
        ConfigError: An entry has no `=`.
    """
    pairs = [entry.partition("=") for entry in (text or "").split(",") if entry]
    for name, equals, column in pairs:
        if not equals or not column:
            raise ConfigError(
                f"--columns {text}: {name!r} names no column",
                hint="--columns N=params,D=tokens,C=flops,loss=val_loss",
            )
    return {name.strip(): column.strip() for name, _, column in pairs}


def _show(analysis: "Analysis") -> None:
    law, ends = analysis.law, analysis.intervals
    result = analysis.as_json()
    read = ", ".join(f"{name} = {column}" for name, column in analysis.points.columns.items())
    console.say(f"{len(analysis.points)} runs of {analysis.request.path.name}; {read}")
    for reason, count in analysis.points.dropped.items():
        console.say(f"  left out: {count} rows, {reason}")
    rows = []
    for name in ("E", "A", "B", "alpha", "beta", "a"):
        end = ends.get(name)
        without = getattr(analysis.with_all, name) if analysis.with_all else None
        rows.append(
            (
                name,
                f"{getattr(law, name):.5g}",
                f"[{end.low:.4g}, {end.high:.4g}]" if end else "",
                f"{without:.5g}" if without is not None else "",
            )
        )
    console.table(
        f"L = {result['form']}",
        ("", "value", "95%", "nothing dropped" if analysis.with_all else ""),
        rows,
    )
    console.say(
        f"objective {analysis.objective:.10g} ({result['objective_is']}); mean error "
        f"{100 * result['mean_error']:.2f}%, largest {100 * result['max_error']:.2f}%"
    )
    _show_forecasts(analysis)


def _show_forecasts(analysis: "Analysis") -> None:
    held = analysis.held_out
    if held is None:
        console.say("held out: without the largest run the others do not determine this law")
    else:
        ends = f" [{held.low:.4f}, {held.high:.4f}]" if held.low is not None else ""
        beyond = ", extrapolation" if held.as_json()["extrapolation"] else ""
        console.say(
            f"held out, {held.times_flops:.2g} times the compute of the others{beyond}: forecast "
            f"{held.forecast:.4f}{ends}, observed {held.loss:.4f}, error {100 * held.error:+.2f}%"
        )
    if analysis.law.flops_range is not None:
        flops = 10.0 * analysis.law.flops_range[1]
        n, d = analysis.law.optimum(flops)
        ratio, loss = (
            analysis.intervals.get(name) for name in ("tokens_per_param_at_10x", "loss_at_10x")
        )
        console.say(
            f"at {flops:.2g} operations, ten times the largest run (extrapolation from here on): "
            f"N {n:.3g}, D {d:.3g}, D/N {d / n:.3g}"
            + (f" [{ratio.low:.3g}, {ratio.high:.3g}]" if ratio else "")
            + f", loss {analysis.law.loss(n, d):.4f}"
            + (f" [{loss.low:.4f}, {loss.high:.4f}]" if loss else "")
        )
    lines = [
        (name, f"{line.a:.4f}", f"{line.k:.4g}", line.n_points, _ends(line.a_interval))
        for name, line in analysis.lines.items()
        if line
    ]
    console.table("N_opt = k C^a", ("approach", "a", "k", "points", "95% of a"), lines)
    if analysis.choices:
        rows = [
            (
                choice.form,
                choice.n_free,
                f"{100 * choice.held_out_error:+.2f}%" if choice.held_out_error is not None else "",
                f"{100 * choice.mean_error:.2f}%",
                f"{choice.bic:.1f}",
            )
            for choice in analysis.choices
        ]
        console.table(
            "forms, by the error of the largest run, then BIC",
            ("law", "free", "held-out error", "mean error", "BIC"),
            rows,
        )


def _ends(interval: object) -> str:
    from groundup.scaling.resample import Interval

    return f"[{interval.low:.3f}, {interval.high:.3f}]" if isinstance(interval, Interval) else ""
