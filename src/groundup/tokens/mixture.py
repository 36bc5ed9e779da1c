"""Rows of several sources, mixed by weight: as stateless as the rows of one.

Row k of the mixture is row n of some source, where k decides both (`interleave`), and each source
has epochs and an order of its own: it shows every row once before it shows any again.
"""

import json
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from groundup.core.artifact import Artifact
from groundup.core.errors import ConfigError
from groundup.core.seeds import derive
from groundup.tokens.interleave import Interleave
from groundup.tokens.loader import TokenRows, TrainingRows

__all__ = ["MixedRows", "check_sources", "open_training_rows", "source_seed", "sources_of"]


class MixedRows:
    """Rows of several sources.

    Attributes:
        context_length: T, targets in a row.
        n_tokens: Tokens of all sources.
        sources: The rows of each, by name.
        interleave: Which source comes when.
    """

    def __init__(self, sources: Mapping[str, TokenRows], weights: Mapping[str, float]) -> None:
        self.sources = dict(sources)
        self.interleave = Interleave({name: weights[name] for name in sources})
        self.context_length = next(iter(sources.values())).context_length
        self.n_tokens = sum(rows.n_tokens for rows in sources.values())

    def batch(
        self, seed: int, step: int, rows: int, *, first: int = 0, count: int | None = None
    ) -> NDArray[np.int64]:
        """As `TokenRows.batch`."""
        last = rows if count is None else first + count
        chosen = self.interleave.rows(step * rows + first, step * rows + last)
        return np.stack(
            [self.sources[name].row(source_seed(seed, name), number) for name, number in chosen]
        )


def source_seed(seed: int, name: str) -> int:
    """Seed of one source's own order."""
    return derive(seed, f"tokens/source/{name}")


def sources_of(tokens: Artifact) -> dict[str, dict[str, int]]:
    """Counts of each source of a tokens run; empty for a run over one corpus without a name."""
    about = json.loads(tokens.file("tokens.json").read_text(encoding="utf-8"))
    found: dict[str, dict[str, int]] = about.get("sources", {})
    return found


def open_training_rows(
    tokens: Artifact, context_length: int, weights: Mapping[str, float]
) -> TrainingRows:
    """The training split of a tokens run, mixed by weight.

    Args:
        weights: Source to weight; a source without one is left out. Empty: all documents as one
            stream, so that each source comes up in proportion to its size.

    Raises:
        ConfigError: A weight is for a source that the run does not have.
        DataError: A source has less than one row.
        ArtifactError: As `TokenRows.open`.
    """
    if not weights:
        return TokenRows.open(tokens, "train", context_length)
    check_sources(tokens, weights)
    return MixedRows(
        {
            name: TokenRows.open(tokens, "train", context_length, source=name)
            for name in sorted(weights)
        },
        weights,
    )


def check_sources(tokens: Artifact, weights: Mapping[str, float]) -> None:
    """Raises ConfigError when a weight is for a source that the tokens run does not have."""
    known = sources_of(tokens)
    unknown = sorted(set(weights) - set(known))
    if unknown:
        there = f"has the sources {', '.join(known)}" if known else "is over one corpus, unnamed"
        raise ConfigError(
            f"[mixture] has a weight for {unknown[0]!r}, but {tokens.path} {there}",
            hint="correct the name in [mixture]"
            if known
            else "take [mixture] out, or name the corpora in the tokens recipe, under [corpora]",
        )
