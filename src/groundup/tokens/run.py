"""The tokens stage: learn merges, then encode every document; or take over an earlier run's shards.

A run over one corpus has its shards in `train/` and `validation/`; one over several has a folder
for each source in them, such as `train/books/00000.bin`.
"""

import json
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from groundup.core.artifact import Artifact, RunDir, digest_file
from groundup.core.config import expand_paths
from groundup.core.console import progress
from groundup.core.seeds import fraction
from groundup.tokens.bpe import train
from groundup.tokens.config import TokensConfig
from groundup.tokens.opt_out import read_opt_out
from groundup.tokens.pack import dtype_for, read_texts, write_shard
from groundup.tokens.take_over import take_over
from groundup.tokens.tokenizer import SPECIAL, Tokenizer
from groundup.tokens.totals import SPLITS, write_totals

__all__ = ["VERSION", "outside", "run"]

VERSION = 2
OPT_OUT = "opt_out.json"

log = logging.getLogger(__name__)


def outside(config: TokensConfig) -> dict[str, str]:
    """sha256 of each opt-out list, by place and name.

    Raises:
        DataError: A path or pattern matches nothing.
    """
    paths = expand_paths(config.opt_out)
    return {f"{place}:{path.name}": digest_file(path) for place, path in enumerate(paths)}


def run(config: TokensConfig, inputs: Mapping[str, Artifact], out: RunDir) -> None:
    """Writes the tokenizer, the shards of both splits and `tokens.json`.

    Resumes at the first unfinished shard. The files are the same however often it was stopped.

    Raises:
        ConfigError: The corpus is too small for the vocabulary.
        DataError: A split or a source has no documents, or an opt-out list is wrong.
        CorruptArtifact: A file of the corpus has changed.
    """
    if config.tokens:
        _without_opt_out(config, inputs["tokens"], out)
        return
    corpora = _corpora(inputs)
    tokenizer = _tokenizer(config, corpora, inputs.get("tokenizer"), out)
    for split in SPLITS:
        for source, corpus in corpora.items():
            folder = f"{split}/{source}" if source else split
            _encode(folder, _documents(corpus, split), tokenizer, out, workers=config.workers)
    write_totals(tokenizer, out, sources=[source for source in corpora if source])
    log.info("tokens: %s", json.dumps(out.summary))


def _corpora(inputs: Mapping[str, Artifact]) -> dict[str, Artifact]:
    """Source name to corpus, in order of name; a single corpus has no name."""
    if "corpus" in inputs:
        return {"": inputs["corpus"]}
    found = {role.partition(".")[2]: corpus for role, corpus in inputs.items() if "." in role}
    return dict(sorted(found.items()))


def _without_opt_out(config: TokensConfig, before: Artifact, out: RunDir) -> None:
    """Takes over a finished run, less the documents that the lists name."""
    opt_out = read_opt_out(config.opt_out)
    tokenizer = _same_tokenizer(before, out)
    removed = take_over(before, opt_out, out, dtype=dtype_for(tokenizer.vocab_size))
    out.write_json(OPT_OUT, removed)
    about = json.loads(before.file("tokens.json").read_text(encoding="utf-8"))
    write_totals(tokenizer, out, sources=list(about.get("sources", ())))
    out.summary.update(removed_documents=removed["documents"], removed_tokens=removed["tokens"])
    unmatched = removed["unmatched"]
    log.info(
        "opt-out: %s entries removed %s documents, %s tokens; %d entries name no document%s. "
        "Their text is still in %s and its corpus",
        f"{removed['entries']:,}",
        f"{removed['documents']:,}",
        f"{removed['tokens']:,}",
        len(unmatched),
        f", such as {', '.join(unmatched[:3])}" if unmatched else "",
        before.path,
    )


def _documents(corpus: Artifact, split: str) -> list[Path]:
    """The split's files, every byte checked."""
    paths = corpus.files(f"documents/{split}-*.parquet")
    return [corpus.file(path.relative_to(corpus.path).as_posix(), check=True) for path in paths]


def _tokenizer(
    config: TokensConfig, corpora: Mapping[str, Artifact], other: Artifact | None, out: RunDir
) -> Tokenizer:
    """The run's tokenizer; trained unless an earlier process has, or another run's is wanted."""
    if other is not None:
        return _same_tokenizer(other, out)
    path = out.file("tokenizer.json")
    if not path.exists():
        documents = [path for corpus in corpora.values() for path in _documents(corpus, "train")]
        special = (*SPECIAL, *config.special)
        tokens = train(
            _Sample(config, documents),
            vocab_size=config.vocab_size,
            pattern=config.pattern,
            n_special=len(special),
        )
        with out.publish(path.name) as partial:
            Tokenizer(tokens, pattern=config.pattern, special=special).save(partial)
        log.info("trained a vocabulary of %s ids", f"{config.vocab_size:,}")
    return Tokenizer.load(path)


def _same_tokenizer(other: Artifact, out: RunDir) -> Tokenizer:
    with out.publish("tokenizer.json") as partial:
        shutil.copyfile(other.file("tokenizer.json", check=True), partial)
    return Tokenizer.load(out.file("tokenizer.json"))


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
    folder: str, paths: Sequence[Path], tokenizer: Tokenizer, out: RunDir, *, workers: int
) -> None:
    with progress(f"encoding {folder}", len(paths), "files") as bar:
        for number, path in enumerate(paths):
            name = f"{folder}/{number:05d}"
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
