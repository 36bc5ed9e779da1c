"""`groundup tokens report`: how well a run's tokenizer fits its texts, beside other tokenizers."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from groundup.core import console
from groundup.core.artifact import Artifact
from groundup.core.errors import DataError
from groundup.tokens.fertility import Counter, Fit, Passage, measure
from groundup.tokens.tokenizer import Tokenizer

__all__ = ["print_report"]

GROUP_BYTES = 2**20
"""Text of a language in a source beyond which the numbers no longer move in their third digit."""

MAX_ROWS = 30

# tiktoken's names and where it would download them from: the key of its cache
_PUBLISHED = {
    "gpt2": (
        "r50k_base",
        "https://openaipublic.blob.core.windows.net/encodings/r50k_base.tiktoken",
    ),
    "cl100k": (
        "cl100k_base",
        "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken",
    ),
}
_LANGUAGE_FIELDS = ("language", "lang", "bcp47")


def print_report(
    run: Artifact, *, texts: Sequence[Path], against: Sequence[Path], as_json: bool
) -> None:
    """Measures and prints.

    Args:
        run: A finished tokens run; its corpus is measured on.
        texts: Further files, `.txt`, `.jsonl` or `.jsonl.zst`, each a source of its own.
        against: Files `tokenizer.json` to compare with.
        as_json: JSON instead of tables.

    Raises:
        ArtifactError: A tokenizer cannot be read, or the corpus is gone.
        DataError: A file of texts cannot be read; says where.
    """
    tokenizers: dict[str, Counter] = {run.manifest.name: _counter(run.file("tokenizer.json"))}
    for path in against:
        short = path.parent.name if path.name == "tokenizer.json" else path.stem
        tokenizers[str(path) if short in tokenizers else short] = _counter(path)
    published, missing = _published()
    tokenizers |= published
    passages = [*_passages(run), *(p for path in texts for p in _read(path))]
    fits = measure(passages, tokenizers, group_bytes=GROUP_BYTES)
    if as_json:
        print_json(fits, missing)
        return
    for by, groups in fits.items():
        console.table(f"by {by}", _columns(by, tokenizers), _rows(groups, list(tokenizers)))
    console.say(
        "bytes per token: more is better; tokens per word: fewer is better. Up to "
        f"{GROUP_BYTES >> 20} MiB of each language in each source were read."
    )
    for name in missing:
        console.say(f"{name}: not available offline; give a tokenizer.json of it with --against")


def print_json(fits: Mapping[str, Mapping[str, Fit]], missing: Sequence[str]) -> None:
    """Prints every number as one JSON object."""
    value: dict[str, Any] = {
        f"by_{by}": {name: fit.to_json() for name, fit in groups.items()}
        for by, groups in fits.items()
    }
    console.say(json.dumps({**value, "not_available_offline": list(missing)}, ensure_ascii=False))


def _columns(by: str, tokenizers: Mapping[str, Counter]) -> list[str]:
    each = [f"{name}: {what}" for name in tokenizers for what in ("bytes/token", "tokens/word")]
    return [by, "texts", "bytes", *each]


def _rows(groups: Mapping[str, Fit], tokenizers: Sequence[str]) -> list[list[str]]:
    rows = [[name, *_cells(fit, tokenizers)] for name, fit in list(groups.items())[:MAX_ROWS]]
    if len(groups) > MAX_ROWS:
        rows.append([f"and {len(groups) - MAX_ROWS} more: --json", *[""] * (len(rows[0]) - 1)])
    return rows


def _cells(fit: Fit, tokenizers: Sequence[str]) -> list[str]:
    cells = [f"{fit.texts:,}", f"{fit.size_bytes:,}"]
    for name in tokenizers:
        fertility = fit.tokens_per_word(name)
        cells += [
            f"{fit.bytes_per_token(name):.2f}",
            "" if fertility is None else f"{fertility:.2f}",
        ]
    return cells


def _counter(path: Path) -> Counter:
    tokenizer = Tokenizer.load(path)
    return lambda text: len(tokenizer.encode(text))


def _published() -> tuple[dict[str, Counter], list[str]]:
    """Tokenizers whose files tiktoken has from an earlier download, and the names of the others."""
    import tiktoken

    found: dict[str, Counter] = {}
    for name, (encoding, url) in _PUBLISHED.items():
        if (_cache() / hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()).is_file():
            encode = tiktoken.get_encoding(encoding).encode_ordinary
            found[name] = lambda text, encode=encode: len(encode(text))  # type: ignore[misc]
    return found, [name for name in _PUBLISHED if name not in found]


def _cache() -> Path:
    """Where tiktoken keeps what it downloads. Source: tiktoken/load.py, `read_file_cached`."""
    for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        if variable in os.environ:
            return Path(os.environ[variable])
    return Path(tempfile.gettempdir()) / "data-gym-cache"


def _passages(run: Artifact) -> Iterator[Passage]:
    """The documents of the run's corpora.

    A source is a named corpus of several, else an archive or file that pages came from.
    """
    for name, corpus in _corpora(run):
        for path in corpus.files("documents/*.parquet"):
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(256, columns=["text", "language", "source"]):
                    for row in batch.to_pylist():
                        yield Passage(row["text"], row["language"], name or row["source"])


def _corpora(run: Artifact) -> Iterator[tuple[str, Artifact]]:
    """Name and run of each corpus; the name is empty where there is only one."""
    for role, reference in run.manifest.inputs.items():
        if reference.stage == "corpus":
            yield role.partition(".")[2], run.input(role)
        elif role == "tokens":  # its shards were taken over from another run
            yield from _corpora(run.input(role))


def _read(path: Path) -> Iterator[Passage]:
    """Texts of a file: one of a `.txt`, those of the lines of a `.jsonl` or `.jsonl.zst`."""
    try:
        compression = "zstd" if path.suffix == ".zst" else None
        with pa.input_stream(str(path), compression=compression) as stream:
            content = stream.read().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} cannot be read as text: {error}",
            hint="give .txt, .jsonl or .jsonl.zst in UTF-8",
            source=str(path),
        ) from error
    if ".jsonl" not in path.suffixes:
        yield Passage(content, "unknown", path.name)
        return
    for number, line in enumerate(content.splitlines(), start=1):
        yield _passage(line, path, number)


def _passage(line: str, path: Path, number: int) -> Passage:
    try:
        row = json.loads(line)
        languages = [row[name] for name in _LANGUAGE_FIELDS if row.get(name)]
        return Passage(row["text"], str(languages[0] if languages else "unknown"), path.name)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"line {number} of {path} is no JSON object with a text: {error}",
            hint='one object a line: {"text": "...", "language": "..."}',
            source=str(path),
            offset=number,
        ) from error
