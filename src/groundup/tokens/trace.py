"""From a training row back to the documents it shows, and from a document to the rows that show it.

Nothing is kept while training: rows are a pure function of seed and number, so both ways are
computed again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from groundup.core.artifact import Artifact
from groundup.tokens.index import read_index
from groundup.tokens.loader import TokenRows, TrainingRows
from groundup.tokens.mixture import MixedRows, source_seed
from groundup.tokens.tokenizer import Tokenizer

__all__ = ["Passage", "RowTrace", "document_visits", "trace_row"]

_PAGE = ("id", "url", "source", "offset")
_NO_SOURCE = "corpus"


@dataclass(frozen=True, slots=True)
class Passage:
    """The part of one document that a row shows. Ranges are half open and count from 0.

    Attributes:
        source: Name of the corpus in the mixture; `corpus` where there is only one.
        id: Of the document, as are `url`, `file` (an archive, such as WARC) and `offset` in it.
        shard: File of ids that holds it, without ending.
        columns: Which of the row's T + 1 ids are its.
        tokens: Which tokens of the document these are; its end token is the last of `n_tokens`.
        bytes: Which UTF-8 bytes of its text they stand for.
        characters: Which characters, those cut in two included.
        text: The passage itself.
    """

    source: str
    id: str
    url: str
    file: str
    offset: int
    shard: str
    columns: tuple[int, int]
    tokens: tuple[int, int]
    n_tokens: int
    bytes: tuple[int, int]
    n_bytes: int
    characters: tuple[int, int]
    text: str


@dataclass(frozen=True, slots=True)
class RowTrace:
    """One training row.

    Attributes:
        source: Where it comes from in the mixture; empty when the sources are one stream.
        epoch: How often its stream had been read before it, from 0.
        ids: T inputs and the last target: T + 1 token ids.
        text: The row, decoded.
        passages: What it shows, document by document. The end token that stands before the first
            document of a stream belongs to none.
    """

    source: str
    epoch: int
    ids: list[int]
    text: str
    passages: list[Passage]


def trace_row(
    tokens: Artifact, rows: TrainingRows, tokenizer: Tokenizer, *, seed: int, number: int
) -> RowTrace:
    """Says what row `number` of the whole training sequence shows.

    Args:
        rows: The opened training rows of `tokens`.

    Raises:
        ArtifactError: A shard or its index is gone or damaged.
    """
    source = ""
    if isinstance(rows, MixedRows):
        ((source, number),) = rows.interleave.rows(number, number + 1)
        stream, seed = rows.sources[source], source_seed(seed, source)
    else:
        assert isinstance(rows, TokenRows)
        stream = rows
    start = stream.place(seed, number)
    ids = stream.row(seed, number).tolist()
    return RowTrace(
        source=source,
        epoch=number // stream.n_rows,
        ids=ids,
        text=tokenizer.decode(ids),
        passages=list(_passages(tokens, stream, tokenizer, start - 1, start + len(ids) - 1)),
    )


def _passages(
    tokens: Artifact, stream: TokenRows, tokenizer: Tokenizer, first: int, last: int
) -> Iterator[Passage]:
    """The documents at positions `first` to `last` of a stream; -1 is the virtual end token."""
    for number, shard in enumerate(stream.names):
        begin, end = int(stream.starts[number]), int(stream.starts[number + 1])
        if end <= first or last <= begin:
            continue
        index = read_index(tokens, shard, n_tokens=end - begin, columns=_PAGE)
        starts = index["start"].to_numpy()
        ends = starts + index["n_tokens"].to_numpy()
        shown = np.flatnonzero((ends > first - begin) & (starts < last - begin))
        for row in index.take(shown).to_pylist():
            yield _passage(row, shard, begin + row["start"], stream, tokenizer, (first, last))


def _passage(
    row: dict[str, Any],
    shard: str,
    begin: int,
    stream: TokenRows,
    tokenizer: Tokenizer,
    wanted: tuple[int, int],
) -> Passage:
    """The part of a document, which begins at position `begin`, that lies in a wanted range."""
    first = max(wanted[0], begin) - begin
    last = min(wanted[1], begin + row["n_tokens"]) - begin
    ids = stream.read(begin, begin + last)[1:].tolist()
    text = [b"" if id == tokenizer.end_id else tokenizer.token_bytes(id) for id in ids]
    before, inside = b"".join(text[:first]), b"".join(text[first:])
    return Passage(
        source=_source_of(shard),
        id=row["id"],
        url=row["url"],
        file=row["source"],
        offset=row["offset"],
        shard=shard,
        columns=(begin + first - wanted[0], begin + last - wanted[0]),
        tokens=(first, last),
        n_tokens=row["n_tokens"],
        bytes=(len(before), len(before) + len(inside)),
        n_bytes=row["n_bytes"],
        characters=_characters(before, inside),
        text=tokenizer.decode(ids[first:]),
    )


def _source_of(shard: str) -> str:
    _split, *source, _number = shard.split("/")
    return source[0] if source else _NO_SOURCE


def _characters(before: bytes, inside: bytes) -> tuple[int, int]:
    """Which characters have a byte inside; UTF-8 continues a character with bytes 10xxxxxx."""
    first, begun = (sum(byte & 0xC0 != 0x80 for byte in part) for part in (before, inside))
    cut = bool(inside) and inside[0] & 0xC0 == 0x80
    return (first - cut, first + begun)


def document_visits(
    tokens: Artifact, rows: TrainingRows, *, seed: int, name: str, n_rows: int
) -> dict[str, list[int]]:
    """Document id to the rows below `n_rows` that show any of it, for a URL or a document id.

    Args:
        name: The URL, as `trace_row` gives it, or the id.
        n_rows: Rows of the whole training run.
    """
    streams = rows.sources if isinstance(rows, MixedRows) else {"": rows}
    found: dict[str, list[int]] = {}
    for source, stream in streams.items():
        assert isinstance(stream, TokenRows)
        for number, shard in enumerate(stream.names):
            for row in _named(tokens, shard, name):
                begin = int(stream.starts[number]) + row["start"]
                span = (begin, begin + row["n_tokens"])
                visits = found.setdefault(row["id"], [])
                visits += _visits(rows, stream, source, seed, span, n_rows)
    return {id: sorted(visits) for id, visits in found.items()}


def _named(tokens: Artifact, shard: str, name: str) -> list[dict[str, Any]]:
    table = pq.read_table(
        tokens.file(f"{shard}.parquet"), columns=["id", "url", "start", "n_tokens"]
    )
    is_named = pc.or_(pc.equal(table["url"], name), pc.equal(table["id"], name))
    rows: list[dict[str, Any]] = table.filter(is_named).to_pylist()
    return rows


def _visits(
    rows: TrainingRows,
    stream: TokenRows,
    source: str,
    seed: int,
    span: tuple[int, int],
    n_rows: int,
) -> list[int]:
    if not isinstance(rows, MixedRows):
        return stream.visits(seed, *span, before=n_rows)
    interleave = rows.interleave
    before = dict(zip(interleave.names, interleave.counts(n_rows), strict=True))[source]
    numbers = stream.visits(source_seed(seed, source), *span, before=before)
    return [interleave.row_of(source, number) for number in numbers]
