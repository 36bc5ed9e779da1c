"""Which pages repeat an earlier one: relations on Daft, in bounded memory.

Everything here is one question: given rows (key, page), which pages are not the first with their
key? Keys are payload hashes, text hashes, MinHash bands or paragraph hashes. A group-by finds the
first page of each key, a join finds the others. Near duplicates need no connected components: a
document goes when any of its bands occurs in an earlier document, which keeps the first of every
cluster and is one shuffle.

Keys are spread over ranges that are worked off in turn, so that memory does not grow with the
corpus. Each answer is a folder of Parquet that appears whole: a resumed run reads what is there.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from groundup.core.artifact import publish
from groundup.corpus.config import NearDuplicates
from groundup.corpus.workers import engine

__all__ = ["ROWS_PER_RANGE", "band_keys", "not_first", "read", "smallest_draw", "twins_of"]

ROWS_PER_RANGE = 4_000_000  # rows of (key, page) in one hash table, about half a gigabyte


def read(folder: Path) -> Any:
    """A lazy frame over the Parquet files of a folder."""
    return engine().read_parquet(f"{folder}/*.parquet")


def _leave_out(frame: Any, without: Sequence[Path]) -> Any:
    """The rows whose page is in none of the folders."""
    for folder in without:
        frame = frame.join(read(folder).select("page"), on="page", how="anti")
    return frame


def not_first(
    keys: Path,
    answer: Path,
    *,
    without: Sequence[Path] = (),
    rows_per_range: int = ROWS_PER_RANGE,
) -> Path:
    """Writes (page, key, first) for every row (key, page) whose key an earlier page has.

    Args:
        keys: Folder of Parquet files with columns `key` (uint64) and `page` (int64).
        answer: Folder to write; left alone when it is there.
        without: Folders with a column `page`: pages that do not count.
        rows_per_range: How many rows one hash table holds.

    Returns:
        `answer`.
    """
    if answer.exists():
        return answer
    col = engine().col
    frame = read(keys)
    n_ranges = max(1, math.ceil(frame.count_rows() / rows_per_range))
    with publish(answer) as partial:
        partial.mkdir()
        for number in range(n_ranges):
            part = frame.where(col("key") % n_ranges == number) if n_ranges > 1 else frame
            part = _leave_out(part, without)
            first = part.groupby("key").agg(
                col("page").min().alias("first"), col("page").count().alias("n")
            )
            later = part.join(first.where(col("n") > 1), on="key")
            later = later.where(col("page") != col("first")).select("page", "key", "first")
            later.write_parquet(str(partial), write_mode="append")
    return answer


def twins_of(later: Path, names: Path, answer: Path) -> Path:
    """Writes (page, twin, n): for each page of `not_first`, the id of the earlier page.

    Args:
        later: Folder of `not_first`.
        names: Folder of Parquet files with columns `page` and `id`.
        answer: Folder to write, sorted by page; left alone when it is there. `n` says how many
            keys the page shares with earlier pages.
    """
    if answer.exists():
        return answer
    col = engine().col
    pages = read(later).groupby("page")
    pages = pages.agg(col("first").min().alias("first"), col("key").count().alias("n"))
    ids = read(names).select(col("page").alias("first"), col("id").alias("twin"))
    named = pages.join(ids, on="first").select("page", "twin", "n").sort("page")
    with publish(answer) as partial:
        named.write_parquet(str(partial), write_mode="overwrite")
    return answer


def band_keys(
    clean: Path, answer: Path, limits: NearDuplicates, *, without: Sequence[Path] = ()
) -> Path:
    """Writes (key, page): the MinHash bands of every text.

    Args:
        clean: Folder of clean texts with columns `page` and `text`.
        answer: Folder to write; left alone when it is there.
        limits: Bands, hashes and length of the n-grams.
        without: Folders with a column `page`: texts to leave out.

    Texts are compared in lower case, without ASCII punctuation and with single spaces; a text of
    which nothing is left has no bands. Words end at white space, so in scripts without spaces an
    n-gram is n phrases.
    """
    if answer.exists():
        return answer
    daft = engine()
    col, functions = daft.col, daft.functions
    frame = _leave_out(read(clean).select("page", "text"), without)
    plain = col("text").normalize(
        remove_punct=True, lowercase=True, nfd_unicode=False, white_space=True
    )
    hashes = functions.minhash(
        col("plain"),
        num_hashes=limits.bands * limits.hashes_per_band,
        ngram_size=limits.words,
        hash_function="xxhash3_64",
    )
    bands = functions.list_map(
        functions.chunk(hashes, limits.hashes_per_band), functions.hash(daft.element())
    )
    frame = frame.select("page", plain.alias("plain")).where(col("plain") != "")
    rows = frame.select("page", bands.alias("key")).explode("key")
    with publish(answer) as partial:
        rows.write_parquet(str(partial), write_mode="overwrite")
    return answer


def smallest_draw(clean: Path, *, without: Sequence[Path] = ()) -> float:
    """The smallest of the remaining texts' numbers for the split; 1.0 when none is left."""
    col = engine().col
    frame = _leave_out(read(clean).select("page", "draw"), without)
    draw = frame.agg(col("draw").min().alias("draw")).to_pylist()[0]["draw"]
    return 1.0 if draw is None else float(draw)
