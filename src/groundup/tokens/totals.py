"""How much a tokens run holds, by split, source and language: `tokens.json`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from groundup.core.artifact import RunDir
from groundup.core.errors import DataError
from groundup.tokens.pack import Counts, dtype_for
from groundup.tokens.tokenizer import Tokenizer

__all__ = ["SPLITS", "write_totals"]

SPLITS = ("train", "validation")

_BySplit = dict[str, Counts]


def write_totals(tokenizer: Tokenizer, out: RunDir, *, sources: Sequence[str]) -> None:
    """Writes `tokens.json` and the summary from the counts of the finished shards.

    Args:
        sources: Names of the corpora; none when there is one without a name.

    Raises:
        DataError: A split is empty, or a source has nothing to train on.
    """
    total, by_source = _no_counts(), {name: _no_counts() for name in sources}
    languages: dict[str, Counts] = {}
    for row in out.shards.rows():
        split, *source, _number = row["shard"].split("/")
        for language, stats in row["stats"]["languages"].items():
            count = Counts(**stats)
            total[split].add(count)
            languages.setdefault(language, Counts()).add(count)
            if source:
                by_source[source[0]][split].add(count)
    _check_not_empty(total, by_source)
    about: dict[str, Any] = {
        "dtype": dtype_for(tokenizer.vocab_size).name,
        "vocab_size": tokenizer.vocab_size,
        "pattern": tokenizer.pattern,
        "special": tokenizer.special,
        **_named(total),
        "bytes_per_token": round(total["train"].bytes_per_token, 4),
        "languages": {
            language: {**asdict(count), "bytes_per_token": round(count.bytes_per_token, 4)}
            for language, count in sorted(languages.items())
        },
    }
    if by_source:
        about["sources"] = {name: _named(counts) for name, counts in by_source.items()}
    out.write_json("tokens.json", about)
    out.summary.update(
        vocab_size=tokenizer.vocab_size,
        train_tokens=total["train"].tokens,
        validation_tokens=total["validation"].tokens,
        bytes_per_token=round(total["train"].bytes_per_token, 2),
    )


def _no_counts() -> _BySplit:
    return {split: Counts() for split in SPLITS}


def _named(counts: _BySplit) -> dict[str, int]:
    """`train_documents` and so on."""
    found: dict[str, int] = {}
    for split, count in counts.items():
        found[f"{split}_documents"] = count.documents
        found[f"{split}_tokens"] = count.tokens
        found[f"{split}_bytes"] = count.size_bytes
    return found


def _check_not_empty(total: _BySplit, by_source: Mapping[str, _BySplit]) -> None:
    for split, count in total.items():
        if count.documents == 0:
            raise DataError(
                f"the corpus has no {split} documents",
                hint="crawl more pages, or change validation_fraction in the corpus recipe",
            )
    for name, counts in by_source.items():
        if counts["train"].documents == 0:
            raise DataError(
                f"the corpus of source {name!r} has no train documents",
                hint=f"take {name} out of [corpora], or crawl more pages for it",
            )
