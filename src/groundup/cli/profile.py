"""`groundup pretrain RECIPE --profile`: where the time of a training step goes."""

from pathlib import Path

from groundup.cli.pipeline import Graph, build, with_keys
from groundup.core import console
from groundup.core.artifact import Artifact
from groundup.training.config import PretrainConfig
from groundup.training.profile import PARTS, Profile, profile

__all__ = ["rows_of", "show_profile"]


def show_profile(graph: Graph, runs: Path) -> None:
    """Builds what the recipe's tokens need, takes some steps on them, and prints the table.

    The recipe's own run directory is neither made nor touched.
    """
    *before, target = with_keys(graph, runs).values()
    built = build({node.name: node for node in before})
    source = target.inputs["tokens"]
    tokens = built[source] if isinstance(source, str) else Artifact.open(source)
    assert isinstance(target.config, PretrainConfig)
    found = profile(target.config, tokens)
    console.say(found.says)
    console.table("A training step", ("part", "ms", "share", "of the limit"), rows_of(found))
    seconds = found.step_seconds
    flops = sum(found.flops.values())
    console.say(
        f"{found.tokens / seconds:,.0f} tokens/s, {flops / seconds / 1e9:,.0f} GFLOP/s, "
        f"{flops / seconds / found.limit_flops:.0%} of the {found.limit_flops / 1e9:,.0f} GFLOP/s "
        "that a large matrix product reaches here"
    )


def rows_of(found: Profile) -> list[tuple[str, str, str, str]]:
    """The table: part, milliseconds, share of the step, share of the limit; the sum last."""
    total = found.step_seconds
    rows = []
    for part in PARTS:
        fraction = found.limit_fraction(part)
        rows.append(
            (
                part,
                f"{1e3 * found.seconds[part]:,.1f}",
                f"{found.seconds[part] / total:.0%}",
                "" if fraction is None else f"{fraction:.0%}",
            )
        )
    flops = sum(found.flops.values())
    share = f"{flops / total / found.limit_flops:.0%}"
    return [*rows, ("the whole step", f"{1e3 * total:,.1f}", "100%", share)]
