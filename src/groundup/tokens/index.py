"""What lies where in a shard: the table of documents beside its ids."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from groundup.core.artifact import Artifact
from groundup.core.errors import CorruptArtifact

__all__ = ["PLACES", "read_index"]

PLACES = ("start", "n_tokens", "n_bytes")
"""Columns that say which of the shard's tokens a document is."""


def read_index(
    artifact: Artifact, shard: str, *, n_tokens: int, columns: Sequence[str]
) -> pa.Table:
    """One row for each document of a shard, in order.

    Args:
        shard: Its name, such as `train/00000`.
        n_tokens: Ids that the shard's `.bin` file holds.
        columns: Columns beside `PLACES`.

    Raises:
        MissingArtifact: The index is gone.
        CorruptArtifact: Index and ids disagree.
    """
    path = artifact.file(f"{shard}.parquet")
    try:
        table = pq.read_table(path, columns=[*columns, *PLACES])
    except pa.ArrowInvalid as error:
        raise _corrupt(artifact, f"{path} is not a Parquet file") from error
    starts, lengths = table["start"].to_numpy(), table["n_tokens"].to_numpy()
    ends = np.cumsum(lengths)
    if not np.array_equal(starts[1:], ends[:-1]) or (len(ends) and starts[0] != 0):
        raise _corrupt(artifact, f"{path} does not say where every document begins")
    total = int(ends[-1]) if len(ends) else 0
    if total != n_tokens:
        raise _corrupt(
            artifact,
            f"{path} counts {total:,} tokens and the ids beside it are {n_tokens:,}",
        )
    return table


def _corrupt(artifact: Artifact, message: str) -> CorruptArtifact:
    return CorruptArtifact(message, hint=f"delete {artifact.path} and run its recipe again")
