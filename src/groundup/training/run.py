"""Pretraining, the stage: a tokens run in, a model out.

Reads `tokens`. Writes `baselines.json`, `metrics.jsonl`, `samples.jsonl`, `model/` and
`result.json`; `checkpoints/` only while it runs, or with `keep_optimizer` the last one.

A run that was killed goes on from its last checkpoint. Its metrics.jsonl then holds some steps
twice, with equal values; the later line counts.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from groundup.core.artifact import Artifact, RunDir
from groundup.core.console import duration
from groundup.evaluate.ngram import baselines
from groundup.tokens.loader import TokenRows
from groundup.tokens.tokenizer import Tokenizer
from groundup.training import checkpoint
from groundup.training.config import PretrainConfig
from groundup.training.data import (
    TOKENS_DIGEST,
    check_same_tokens,
    preview,
    source_summary,
    training_streams,
)
from groundup.training.publish import publish_model
from groundup.training.ranks import ALONE, Ranks
from groundup.training.session import Session

__all__ = ["VERSION", "preview", "run"]

log = logging.getLogger(__name__)

VERSION = 1

BASELINES, RESULT = "baselines.json", "result.json"


def run(
    config: PretrainConfig,
    inputs: Mapping[str, Artifact],
    out: RunDir,
    ranks: Ranks = ALONE,
) -> None:
    """Trains a model; called again after a crash, it finishes with the same weights.

    Args:
        config: The recipe.
        inputs: The tokens run.
        out: Where to write; only rank 0 does, but for shards of checkpoints.
        ranks: Who trains; all of them call this.

    Raises:
        ConfigError: A source is not there, would be repeated too often, or there
            are more ranks than rows in a batch.
        DataError: The tokens run has too few tokens.
        DeviceError: The device is not there or too small.
        NumericalError: Training diverged.
        CorruptArtifact: All checkpoints are damaged, or the tokens are not those of before.
        Cancelled: A signal came; the state is saved.
    """
    if not ranks.first_does(lambda: (out.path / RESULT).exists()):  # else only to be tidied
        tokens = inputs["tokens"]
        tokenizer = Tokenizer.load(tokens.file("tokenizer.json"))
        preview(config, inputs)
        ranks.first_does(lambda: check_same_tokens(tokens, out))
        bar_to_beat = ranks.first_does(lambda: _baselines(config, tokens, tokenizer, out))
        session = Session(config, tokens, tokenizer, out, ranks)
        session.train()
        whole = session.parallel.whole_model()
        if whole is not None:
            publish_model(out, whole, tokenizer)
            out.write_json(RESULT, session.result(bar_to_beat) | source_summary(config, tokens))
    if not ranks.is_first:
        return
    checkpoint.drop_all(
        out,
        keep=1 if config.keep_optimizer else 0,
        keep_every_steps=config.keep_every_steps,
    )
    (out.path / TOKENS_DIGEST).unlink(missing_ok=True)
    out.summary.update(json.loads((out.path / RESULT).read_text(encoding="utf-8")))
    _say_result(out.summary)


def _baselines(
    config: PretrainConfig, tokens: Artifact, tokenizer: Tokenizer, out: RunDir
) -> dict[str, Any]:
    """What counting n-grams reaches on the validation text; measured once."""
    path = out.path / BASELINES
    if not path.exists():
        found = baselines(
            training_streams(config, tokens),
            TokenRows.open(tokens, "validation", config.model.context_length),
            vocab_size=tokenizer.vocab_size,
            order=config.ngram_order,
            max_train_tokens=config.ngram_tokens,
        )
        out.write_json(BASELINES, asdict(found))
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    log.info(
        "to beat on the validation text: unigram %.3f, %d-gram %.3f bits per byte",
        values["unigram_bits_per_byte"],
        values["ngram_order"],
        values["ngram_bits_per_byte"],
    )
    return values


def _say_result(summary: Mapping[str, Any]) -> None:
    log.info(
        "validation %.3f bits per byte (%d-gram %.3f, unigram %.3f) after %s tokens in %s, "
        "%s tokens/s, %.0f%% of this machine's measured limit",
        summary["validation_bits_per_byte"],
        summary["ngram_order"],
        summary["ngram_bits_per_byte"],
        summary["unigram_bits_per_byte"],
        f"{summary['tokens']:,}",
        duration(summary["train_seconds"]),
        f"{summary['tokens_per_s']:,.0f}",
        100 * summary["limit_fraction"],
    )
