"""What pretraining reads: the rows of its tokens run, and how much of each source that is."""

from collections.abc import Mapping
from typing import Any

from groundup.core.artifact import Artifact, RunDir
from groundup.core.errors import CorruptArtifact
from groundup.core.seeds import derive
from groundup.tokens.exposure import Exposure, check_epochs, exposures, show
from groundup.tokens.loader import TokenRows, TrainingRows
from groundup.tokens.mixture import open_training_rows, sources_of
from groundup.training.config import PretrainConfig

__all__ = [
    "TOKENS_DIGEST",
    "batch_rows",
    "check_same_tokens",
    "open_rows",
    "preview",
    "rows_seed",
    "source_summary",
    "training_streams",
]

TOKENS_DIGEST = "tokens.digest"
"""While a run is unfinished, the digest of the tokens that it reads."""


def open_rows(config: PretrainConfig, tokens: Artifact) -> TrainingRows:
    """The training rows that a config asks for.

    Raises:
        ConfigError: `mixture` names a source that the tokens run does not have.
        DataError: Too few tokens for one row.
    """
    return open_training_rows(tokens, config.model.context_length, config.mixture)


def training_streams(config: PretrainConfig, tokens: Artifact) -> list[TokenRows]:
    """The text that the rows come from, each source in order."""
    width = config.model.context_length
    names: list[str | None] = [*sorted(config.mixture or sources_of(tokens))]
    return [TokenRows.open(tokens, "train", width, source=name) for name in names or [None]]


def rows_seed(config: PretrainConfig) -> int:
    """Seed of the order in which rows are visited."""
    return derive(config.seed, "pretrain/rows")


def batch_rows(config: PretrainConfig) -> int:
    """Rows of one optimizer step, over all ranks."""
    return config.batch_tokens // config.model.context_length


def preview(config: PretrainConfig, inputs: Mapping[str, Artifact]) -> None:
    """Prints how much of each source training will read, and refuses too many repeats.

    Raises:
        ConfigError: A source is seen more than 16 times without leave, or is not there.
    """
    table = _table(config, inputs["tokens"])
    show(table)
    check_epochs(table, allow_many=config.allow_epochs_above_16)


def check_same_tokens(tokens: Artifact, out: RunDir) -> None:
    """Notes which tokens an unfinished run reads, so that it cannot go on with others.

    Raises:
        CorruptArtifact: The run was begun on other tokens: another vocabulary, other documents.
    """
    path = out.path / TOKENS_DIGEST
    if not path.exists():
        with out.publish(TOKENS_DIGEST) as partial:
            partial.write_text(tokens.digest, encoding="utf-8")
    elif path.read_text(encoding="utf-8") != tokens.digest:
        raise CorruptArtifact(
            f"{out.path} was begun on other tokens than those that {tokens.path} now holds",
            hint=f"put the tokens run back as it was, or delete {out.path} and start again",
        )


def source_summary(config: PretrainConfig, tokens: Artifact) -> dict[str, Any]:
    """Epochs of each source, for the summary; empty for a single corpus."""
    table = _table(config, tokens)
    if len(table) == 1:
        return {}
    return {"epochs_by_source": {row.source: round(row.epochs, 3) for row in table}}


def _table(config: PretrainConfig, tokens: Artifact) -> list[Exposure]:
    return exposures(
        tokens,
        config.mixture,
        n_rows=config.n_steps * batch_rows(config),
        context_length=config.model.context_length,
    )
