"""The tokens stage: learn merges, then encode every document."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from groundup.core.artifact import Artifact, RunDir
from groundup.core.console import progress
from groundup.core.errors import DataError
from groundup.core.seeds import fraction
from groundup.tokens.bpe import train
from groundup.tokens.config import TokensConfig
from groundup.tokens.pack import Counts, dtype_for, read_texts, write_shard
from groundup.tokens.tokenizer import SPECIAL, Tokenizer

__all__ = ["VERSION", "run"]

VERSION = 2

log = logging.getLogger(__name__)

_SPLITS = ("train", "validation")


def run(config: TokensConfig, inputs: Mapping[str, Artifact], out: RunDir) -> None:
    """Writes the tokenizer, the shards of both splits and `tokens.json`.

    Resumes at the first unfinished shard. The files are the same however often it was stopped.

    Raises:
        ConfigError: The corpus is too small for the vocabulary.
        DataError: A split has no documents.
        CorruptArtifact: A file of the corpus has changed.
    """
    documents = {split: _documents(inputs["corpus"], split) for split in _SPLITS}
    tokenizer = _tokenizer(config, documents["train"], out)
    for split, paths in documents.items():
        _encode(split, paths, tokenizer, out, workers=config.workers)
    _summarise(tokenizer, out)


def _documents(corpus: Artifact, split: str) -> list[Path]:
    """The split's files, every byte checked."""
    paths = corpus.files(f"documents/{split}-*.parquet")
    return [corpus.file(path.relative_to(corpus.path).as_posix(), check=True) for path in paths]


def _tokenizer(config: TokensConfig, paths: Sequence[Path], out: RunDir) -> Tokenizer:
    """The run's tokenizer; trained unless an earlier process has."""
    path = out.file("tokenizer.json")
    if not path.exists():
        special = (*SPECIAL, *config.special)
        tokens = train(
            _Sample(config, paths),
            vocab_size=config.vocab_size,
            pattern=config.pattern,
            n_special=len(special),
        )
        with out.publish(path.name) as partial:
            Tokenizer(tokens, pattern=config.pattern, special=special).save(partial)
        log.info("trained a vocabulary of %s ids", f"{config.vocab_size:,}")
    return Tokenizer.load(path)


class _Sample:
    """Texts to learn merges from: all, or documents drawn by a hash of their id."""

    def __init__(self, config: TokensConfig, paths: Sequence[Path]) -> None:
        self._config, self._paths = config, paths
        self._size_bytes = sum(len(text.encode()) for path in paths for _, text in read_texts(path))

    def __iter__(self) -> Iterator[str]:
        left = self._config.sample_bytes
        kept_fraction = min(1.0, left / max(self._size_bytes, 1))
        with progress("learning merges", self._size_bytes, "bytes") as bar:
            for path in self._paths:
                for id, text in read_texts(path):
                    size = len(text.encode())
                    bar.update(size)
                    draw = fraction(self._config.seed, f"tokens/sample/{id}")
                    if draw < kept_fraction and size <= left:
                        left -= size
                        yield text


def _encode(
    split: str, paths: Sequence[Path], tokenizer: Tokenizer, out: RunDir, *, workers: int
) -> None:
    with progress(f"encoding {split}", len(paths), "files") as bar:
        for number, path in enumerate(paths):
            name = f"{split}/{number:05d}"
            if name in out.shards:
                bar.resume_at(number + 1)
                continue
            with out.publish(f"{name}.parquet") as index, out.publish(f"{name}.bin") as ids:
                languages = write_shard(
                    path, tokenizer, ids_file=ids, index_file=index, workers=workers
                )
            counts = {language: asdict(count) for language, count in languages.items()}
            rows = sum(count.documents for count in languages.values())
            out.shards.add(name, out.file(f"{name}.bin"), rows=rows, languages=counts)
            bar.update()


def _summarise(tokenizer: Tokenizer, out: RunDir) -> None:
    """Writes `tokens.json` and the summary.

    Raises:
        DataError: A split is empty.
    """
    totals = {split: Counts() for split in _SPLITS}
    languages: dict[str, Counts] = {}
    for row in out.shards.rows():
        for language, count in row["stats"]["languages"].items():
            totals[row["shard"].partition("/")[0]].add(Counts(**count))
            languages.setdefault(language, Counts()).add(Counts(**count))
    for split, total in totals.items():
        if total.documents == 0:
            raise DataError(
                f"the corpus has no {split} documents",
                hint="crawl more pages, or change validation_fraction in the corpus recipe",
            )
    about: dict[str, Any] = {
        "dtype": dtype_for(tokenizer.vocab_size).name,
        "vocab_size": tokenizer.vocab_size,
        "pattern": tokenizer.pattern,
        "special": tokenizer.special,
    }
    for split, total in totals.items():
        about[f"{split}_documents"] = total.documents
        about[f"{split}_tokens"] = total.tokens
        about[f"{split}_bytes"] = total.size_bytes
    about["bytes_per_token"] = round(totals["train"].bytes_per_token, 4)
    about["languages"] = {
        language: {**asdict(count), "bytes_per_token": round(count.bytes_per_token, 4)}
        for language, count in sorted(languages.items())
    }
    out.write_json("tokens.json", about)
    out.summary.update(
        vocab_size=tokenizer.vocab_size,
        train_tokens=totals["train"].tokens,
        validation_tokens=totals["validation"].tokens,
        bytes_per_token=round(totals["train"].bytes_per_token, 2),
    )
    log.info("tokens: %s", json.dumps(out.summary))
