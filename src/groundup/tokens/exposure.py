"""How often a run will see each source: the table before training, and its limits.

Source: Muennighoff et al. 2023, "Scaling Data-Constrained Language Models", arXiv 2305.16264. Up to
4 epochs of repeated data change the loss negligibly against as much unique data (abstract). Beyond,
U unique tokens in R + 1 epochs are worth U + U R* (1 - exp(-R / R*)) fresh ones, with R* = 15.39
(section 5, eq. 5 and its fit): 16 epochs are worth 10.6, and the last of them .38 of a fresh one.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from groundup.core import console
from groundup.core.artifact import Artifact
from groundup.core.errors import ConfigError
from groundup.tokens.interleave import Interleave
from groundup.tokens.mixture import check_sources

__all__ = ["MANY_EPOCHS", "TOO_MANY_EPOCHS", "Exposure", "check_epochs", "exposures", "show"]

MANY_EPOCHS = 4
TOO_MANY_EPOCHS = 16

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Exposure:
    """What training takes of one source.

    Attributes:
        source: Its name; `corpus` where there is only one.
        available_tokens: Training tokens that it has.
        weight: Share of all training rows; 0 for a source that is left out.
        drawn_tokens: Tokens that training takes, repeats counted.
    """

    source: str
    available_tokens: int
    weight: float
    drawn_tokens: int

    @property
    def epochs(self) -> float:
        """How often each of its tokens is seen on average."""
        return self.drawn_tokens / self.available_tokens


def exposures(
    tokens: Artifact, weights: Mapping[str, float], *, n_rows: int, context_length: int
) -> list[Exposure]:
    """What `n_rows` training rows take of each source.

    Raises:
        ConfigError: A weight is for a source that the tokens run does not have.
    """
    check_sources(tokens, weights)
    about = json.loads(tokens.file("tokens.json").read_text(encoding="utf-8"))
    sources = about.get("sources") or {"corpus": about}
    available = {name: int(counts["train_tokens"]) for name, counts in sources.items()}
    drawn = n_rows * context_length
    if not weights:
        total = sum(available.values())
        return [
            Exposure(name, there, there / total, round(drawn * there / total))
            for name, there in available.items()
        ]
    interleave = Interleave(weights)
    rows = dict(zip(interleave.names, interleave.counts(n_rows), strict=True))
    shares = dict(zip(interleave.names, interleave.shares, strict=True))
    return [
        Exposure(name, there, shares.get(name, 0.0), rows.get(name, 0) * context_length)
        for name, there in available.items()
    ]


def show(table: Sequence[Exposure]) -> None:
    """Prints the table."""
    console.table(
        "What training will read",
        ("source", "tokens available", "weight", "tokens drawn", "epochs"),
        [
            (
                row.source,
                f"{row.available_tokens:,}",
                f"{row.weight:.4f}",
                f"{row.drawn_tokens:,}",
                f"{row.epochs:.2f}",
            )
            for row in table
        ],
    )


def check_epochs(table: Sequence[Exposure], *, allow_many: bool) -> None:
    """Warns of sources that are repeated often, and refuses what hardly teaches any more.

    Raises:
        ConfigError: A source is seen more than `TOO_MANY_EPOCHS` times and `allow_many` is off.
    """
    for row in table:
        if row.epochs > TOO_MANY_EPOCHS and not allow_many:
            raise ConfigError(
                f"training would see source {row.source!r} {row.epochs:.1f} times: "
                f"{row.drawn_tokens:,} tokens from {row.available_tokens:,}; after "
                f"{TOO_MANY_EPOCHS} times repeats teach little (arXiv 2305.16264)",
                hint="lower budget_tokens or its weight, add text, or set "
                "allow_epochs_above_16 = true",
            )
        if row.epochs > MANY_EPOCHS:
            log.warning(
                "source %s is seen %.1f times; repeats cost little up to %d (Muennighoff et al. "
                "2023, arXiv 2305.16264)",
                row.source,
                row.epochs,
                MANY_EPOCHS,
            )
