"""An earlier run's shards, less the documents of an opt-out list.

Documents are removed from the shards themselves: no later stage can read what is not there. Shards
without such a document are hard links to the earlier ones, the others are copied in spans; no text
is tokenised again.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from groundup.core.artifact import Artifact, RunDir
from groundup.core.console import progress
from groundup.core.lines import read_rows
from groundup.tokens.index import PLACES, read_index
from groundup.tokens.opt_out import OptOut
from groundup.tokens.pack import INDEX, Counts

__all__ = ["take_over"]

_LANGUAGE_UNKNOWN = "und"  # ISO 639-2: undetermined; the index of a shard does not name languages

Bools = NDArray[np.bool_]


def take_over(
    before: Artifact, opt_out: OptOut, out: RunDir, *, dtype: np.dtype[np.unsignedinteger]
) -> dict[str, Any]:
    """Makes the shards of `before`, less the documents of the list, those of `out`.

    Resumes at the first unfinished shard.

    Returns:
        What was removed: documents, tokens and bytes, and the entries that named no document.

    Raises:
        CorruptArtifact: A file of `before` has changed, or index and ids disagree.
    """
    rows = {row["shard"]: row for row in read_rows(before.file("shards.jsonl", check=True))}
    with progress("applying the opt-out list", len(rows), "shards") as bar:
        for name, row in sorted(rows.items()):
            if name not in out.shards:
                _take_over_shard(before, name, row["stats"]["languages"], opt_out, out, dtype)
            bar.update()
    removed, matched = Counts(), set[str]()
    for row in out.shards.rows():
        removed.add(Counts(**row["stats"]["removed"]))
        matched.update(row["stats"]["matched"])
    unmatched = [entry for entry in opt_out.entries() if entry not in matched]
    return {"entries": len(opt_out.entries()), **asdict(removed), "unmatched": unmatched}


def _take_over_shard(
    before: Artifact,
    name: str,
    languages: Mapping[str, Any],
    opt_out: OptOut,
    out: RunDir,
    dtype: np.dtype[np.unsignedinteger],
) -> None:
    ids_file = before.file(f"{name}.bin", check=True)
    index_file = before.file(f"{name}.parquet", check=True)
    n_tokens = ids_file.stat().st_size // dtype.itemsize
    columns = [column for column in INDEX.names if column not in PLACES]
    index = read_index(before, name, n_tokens=n_tokens, columns=columns)
    places = zip(index["id"].to_pylist(), index["url"].to_pylist(), strict=True)
    matches = [opt_out.matches(id, url) for id, url in places]
    gone = np.array([bool(found) for found in matches], dtype=bool)
    with out.publish(f"{name}.parquet") as new_index, out.publish(f"{name}.bin") as new_ids:
        if gone.any():
            _copy_spans(~gone, index, ids_file, new_ids, dtype)
            _write_index(~gone, index, new_index)
        else:
            _link(ids_file, new_ids)
            _link(index_file, new_index)
    kept = _counts(~gone, index)
    if gone.any():
        language = next(iter(languages)) if len(languages) == 1 else _LANGUAGE_UNKNOWN
        languages = {language: asdict(kept)} if kept.documents else {}
    out.shards.add(
        name,
        out.file(f"{name}.bin"),
        rows=kept.documents,
        languages=dict(languages),
        removed=asdict(_counts(gone, index)),
        matched=sorted({entry for found in matches for entry in found}),
    )


def _copy_spans(
    keep: Bools, index: pa.Table, ids_file: Path, target: Path, dtype: np.dtype[np.unsignedinteger]
) -> None:
    """Copies the ids of the documents that stay, neighbours together."""
    ids = np.memmap(ids_file, dtype, mode="r")
    edges = np.flatnonzero(np.diff(np.concatenate([[False], keep, [False]])))
    ends = np.concatenate([index["start"].to_numpy(), [len(ids)]])
    with target.open("wb") as file:
        for first, last in edges.reshape(-1, 2):
            ids[ends[first] : ends[last]].tofile(file)


def _write_index(keep: Bools, index: pa.Table, target: Path) -> None:
    kept = index.filter(pa.array(keep))
    starts = np.concatenate([[0], np.cumsum(kept["n_tokens"].to_numpy())])[:-1]
    columns = {name: kept[name] for name in INDEX.names} | {"start": pa.array(starts, pa.int64())}
    pq.write_table(pa.table(columns, schema=INDEX), target)


def _counts(which: Bools, index: pa.Table) -> Counts:
    return Counts(
        documents=int(which.sum()),
        tokens=int(index["n_tokens"].to_numpy()[which].sum()),
        size_bytes=int(index["n_bytes"].to_numpy()[which].sum()),
    )


def _link(source: Path, target: Path) -> None:
    """One file under two names, or a copy where the disk has no links or it is another disk."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
