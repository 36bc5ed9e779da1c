"""`groundup plan`: prints what a budget, a loss or a model comes to."""

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from groundup.cli.quantities import short
from groundup.core import console
from groundup.core.errors import ConfigError

if TYPE_CHECKING:
    from groundup.scaling.plan import Alternative, Plan

__all__ = ["plan"]


def plan(known: argparse.Namespace, _rest: Sequence[str]) -> None:
    """Plans a model, or with `corpus` a crawl."""
    if known.task == "corpus":
        _plan_corpus(known)
    elif known.families:
        _show_families()
    else:
        _plan_model(known)


def _plan_model(known: argparse.Namespace) -> None:
    from groundup.scaling.devices import machine_named
    from groundup.scaling.plan import make_plan
    from groundup.scaling.saved import epoch_fit, load_fit
    from groundup.scaling.sizing import Ask

    here = None
    if known.device.startswith("here"):
        from groundup.cli.here import measured_device

        here = measured_device()
    machine = machine_named(known.device, here=here, mfu=known.mfu, price=known.price)
    ask = Ask(
        hours=known.hours,
        dollars=known.dollars,
        flops=known.flops,
        loss=known.loss,
        model=known.model,
        tokens=known.tokens,
        tokens_per_param=known.tokens_per_param,
        unique_tokens=known.unique_tokens,
        served_tokens=known.inference_tokens,
        vocab_size=known.vocab_size,
        context=known.context,
        allow_repeats=known.allow_repeats,
    )
    made = make_plan(ask, machine, epoch_fit() if known.fit is None else load_fit(known.fit))
    if known.to is not None:
        from groundup.core.publish import publish
        from groundup.scaling.plan_figures import draw_plan

        with publish(known.to / "plan.json") as partial:
            partial.write_text(json.dumps(made.as_json(), indent=1) + "\n", encoding="utf-8")
        draw_plan(made, known.to / "figures")
    if known.json:
        console.say(json.dumps(made.as_json(), indent=1))
        return
    _show(made)
    if known.to is not None:
        console.say(str(known.to))


def _show(made: "Plan") -> None:
    from groundup.scaling.plan import epochs_note

    config, law = made.shape.config, made.fit.law
    ends = f" [{made.interval[0]:.4f}, {made.interval[1]:.4f}]" if made.interval else ""
    outside = made.times_outside
    stamp = f"; EXTRAPOLATION, {outside:.3g} times outside its runs" if outside > 1 else ""
    memory = made.memory
    dollars, kwh = made.machine.dollars(made.hours), made.machine.kwh(made.hours)
    rows = [
        (
            "model",
            f"{short(made.shape.n_total)} parameters: {config.n_layers} layers of width "
            f"{config.d_model}, {config.n_heads} heads, {config.vocab_size:,} token ids",
        ),
        (
            "data",
            f"{short(made.tokens)} tokens, {made.tokens / made.shape.n_total:.3g} a parameter"
            + (f", {made.epochs:.1f} passes" if made.ask.unique_tokens else ""),
        ),
        (
            "operations",
            f"{made.flops:.3g} = {short(made.shape.train_flops)} a token (6 x "
            f"{short(made.shape.n_matrix)} + 12 L d {config.context_length}) x "
            f"{short(made.tokens)}",
        ),
        ("loss", f"{made.loss:.4f}{ends} nats per token, 95% of the law's resamples{stamp}"),
        (
            "time",
            f"{console.duration(made.hours * 3600)} on {made.machine.count} x "
            f"{made.machine.device.name} at {made.machine.device.mfu:.0%} of "
            f"{short(made.machine.device.peak_flops)} operations a second",
        ),
        ("money", f"{dollars:,.2f} dollars" if dollars is not None else "no price is known"),
        ("energy", f"{kwh:,.1f} kWh with cooling" if kwh is not None else "no power is known"),
        (
            "memory",
            f"{memory.persistent_bytes / 1e9:.1f} GB of weights and optimizer on each device"
            f"{' (sharded)' if memory.sharded else ''}, {memory.row_bytes / 1e9:.2f} GB a row",
        ),
        (
            "micro-batch",
            f"{memory.rows} rows, {memory.accumulation} to a step"
            if memory.rows
            else "not one row fits: more devices, or a shorter --context",
        ),
        (
            "settings",
            f"peak lr {made.lr:.2g}, batch {short(made.batch_tokens)} tokens (Step Law"
            f"{'' if made.within_step_law else ', outside its runs: the centre of a sweep'})",
        ),
    ]
    console.table(f"plan by {law.name}", ("", ""), rows)
    console.say(f"law: {law.source}")
    console.say(f"device: {made.machine.device.source}")
    if made.beyond_sense:
        console.say(
            f"guessing all {config.vocab_size:,} ids alike has a loss of "
            f"{math.log(config.vocab_size):.2f}: the law says nothing about runs so small"
        )
    if note := epochs_note(made):
        console.say(note)
    _show_alternatives(made)
    _show_overhead(made)


def _show_alternatives(made: "Plan") -> None:
    others: list[Alternative] = list(made.same_loss) + ([made.served] if made.served else [])
    rows = []
    for other in others:
        train = other.train_flops
        hours = None if train is None else train / made.machine.flops_per_s
        rows.append(
            (
                other.label,
                short(other.shape.n_total),
                "never" if other.tokens is None else short(other.tokens),
                "" if train is None else f"{train:.3g}",
                "" if hours is None else console.duration(hours),
                short(other.serve_flops),
            )
        )
    columns = ("the same loss with", "N", "D", "training", "time", "operations a token served")
    console.table(f"loss {made.loss:.3f} in other ways", columns, rows)


def _show_overhead(made: "Plan") -> None:
    from groundup.scaling.plan import OVERHEAD

    parts = [
        f"{name} +{share:.0%} ({console.duration(share * made.hours * 3600)})"
        for name, share in OVERHEAD
    ]
    console.say(f"not in these figures: {', '.join(parts)}")


def _show_families() -> None:
    from groundup.model.presets import PRESETS
    from groundup.scaling.families import FAMILIES, GPT3
    from groundup.scaling.laws import EPOCH

    rows = []
    for model in FAMILIES:
        n, d = model.n_params, model.tokens
        both = n is not None and d is not None
        rows.append(
            (
                model.name,
                "undisclosed" if n is None else short(n),
                "undisclosed" if d is None else short(d),
                f"{d / n:.3g}" if n is not None and d is not None and both else "",
                f"{6 * n * d:.2g}" if n is not None and d is not None and both else "",
                f"{EPOCH.loss(n, d):.3f}" if n is not None and d is not None and both else "",
                model.source,
            )
        )
    columns = ("model", "N", "D", "D/N", "6 N D", "loss by Epoch's law", "source")
    console.table("known models", columns, rows)
    sizes = [
        (
            row.preset,
            short(row.n_params),
            PRESETS[row.preset].shape.n_layers,
            PRESETS[row.preset].shape.d_model,
            short(row.batch_tokens),
            f"{row.lr:.1e}",
            f"{row.train_flops:.3g}",
            f"{row.pf_days:g}",
            f"{row.hellaswag:.3f}",
            f"{row.lambada:.3f}",
        )
        for row in GPT3
    ]
    columns_3 = ("", "N", "L", "d", "batch", "lr", "FLOP", "PF-days", "HellaSwag", "LAMBADA")
    console.table("GPT-3: 300B tokens each, accuracy without examples", columns_3, sizes)


def _plan_corpus(known: argparse.Namespace) -> None:
    from groundup.scaling import corpus_plan

    if (known.run is None) == (known.rate is None):
        raise ConfigError(
            "a rate is needed: measured or stated, one of the two",
            hint="groundup plan corpus runs/corpus/NAME, or groundup plan corpus --rate 200",
        )
    shares = {"kept_fraction": known.kept_fraction, "kept_bytes": known.kept_bytes}
    rate = (
        corpus_plan.stated_rate(known.rate, **shares)
        if known.run is None
        else corpus_plan.measured_rate(known.run, **shares)
    )
    found = corpus_plan.costs(
        rate, known.files or corpus_plan.SCALES, dollars_per_core_hour=known.core_price
    )
    if known.json:
        result = {"rate": asdict(rate), "costs": [asdict(cost) for cost in found]}
        console.say(json.dumps(result, indent=1))
        return
    rows = [
        (
            f"{cost.files:,}",
            short(cost.pages),
            _bytes(cost.compressed_bytes),
            short(cost.documents),
            _bytes(cost.text_bytes),
            short(cost.tokens),
            _range(cost.core_hours),
            _range(cost.dollars),
            _bytes(cost.index_bytes),
        )
        for cost in found
    ]
    columns = ("WARC files", "pages", "to fetch", "documents", "text", "tokens", "core-hours",
               "dollars", "index")  # fmt: skip
    console.table("cleaning Common Crawl", columns, rows)
    for line in corpus_plan.arithmetic(rate, known.core_price):
        console.say(line)


def _bytes(value: float) -> str:
    return f"{short(value).replace('B', 'G')}B"


def _range(ends: tuple[float, float]) -> str:
    low, high = ends
    return short(low) if high <= low * 1.005 else f"{short(low)} to {short(high)}"
