"""The last pass: what is left of each shard becomes documents, in page order."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from groundup.core.records import DOCUMENT_COLUMNS
from groundup.corpus.clean import CLEAN, REMOVED, removed_row
from groundup.corpus.config import CorpusConfig
from groundup.corpus.funnel import Tally
from groundup.corpus.pages import Shard, page_slice, read_rows, row_writer
from groundup.corpus.paragraphs import without_repeats
from groundup.corpus.verdict import Verdict

__all__ = ["DOCUMENT", "Losers", "WriteShard"]

TYPES = {"string": pa.string(), "int64": pa.int64()}
DOCUMENT = pa.schema({name: TYPES[kind] for name, kind in DOCUMENT_COLUMNS.items()})


@dataclass(frozen=True, slots=True)
class Losers:
    """Folders that say what the relations found; None where the rule is off."""

    same_text: Path | None
    near: Path | None
    paragraphs: Path | None


class WriteShard:
    """Writes `documents/train-*`, `documents/validation-*` and the shard's removed pages.

    Args:
        config: Limits of the paragraphs.
        work: Folder of intermediate files.
        documents: Folder of the results.
        losers: What duplicates what.
        threshold: Documents whose draw is below it are for validation.
    """

    name = "write-marks"
    label = "writing documents"
    processes = False  # compression and Parquet release the interpreter lock

    def __init__(
        self,
        config: CorpusConfig,
        work: Path,
        documents: Path,
        losers: Losers,
        threshold: float,
    ) -> None:
        self._config, self._work, self._documents = config, work, documents
        self._losers, self._threshold = losers, threshold

    def __call__(self, shard: Shard) -> dict[str, Any]:
        """Publishes the files; returns the tally, documents and bytes of both splits."""
        tally = Tally()
        judge = _Judge(self._config, self._losers, shard)
        removed = [row for _, row in read_rows(self._file("dropped", shard), REMOVED.names)]
        numbers = {"train": 0, "validation": 0, "text_bytes": 0, "repeated_chars": 0}
        with (
            row_writer(self._document("train", shard), DOCUMENT, keep_empty=False) as train,
            row_writer(
                self._document("validation", shard), DOCUMENT, keep_empty=False
            ) as validation,
        ):
            for _, row in read_rows(self._file("clean", shard), CLEAN.names):
                text, verdict, twin = judge.look_at(row)
                if verdict is not None:
                    tally.drop(row, verdict, partial(str, row["text"]))
                    removed.append(removed_row(row["page"], row, verdict, twin=twin))
                    continue
                writer = validation if row["draw"] < self._threshold else train
                writer.add({**row, "text": text})
                numbers["text_bytes"] += len(text.encode())
                numbers["repeated_chars"] += len(row["text"]) - len(text)
        numbers["train"], numbers["validation"] = train.n_rows, validation.n_rows
        removed.sort(key=lambda row: int(row["page"]))
        with row_writer(self._file("removed", shard), REMOVED) as rows:
            for row in removed:
                rows.add(row)
        return {**tally.numbers(), **numbers}

    def _file(self, folder: str, shard: Shard) -> Path:
        return self._work / folder / f"{shard.name}.parquet"

    def _document(self, split: str, shard: Shard) -> Path:
        return self._documents / f"{split}-{shard.name}.parquet"


class _Judge:
    """Says of each clean text of a shard what duplicates leave of it."""

    def __init__(self, config: CorpusConfig, losers: Losers, shard: Shard) -> None:
        self._limits, self._bands = config.paragraphs, config.near.bands
        self._same = _by_page(losers.same_text, shard, ["page", "twin"])
        self._near = _by_page(losers.near, shard, ["page", "twin", "n"])
        self._take_out = losers.paragraphs is not None
        self._gone: dict[int, set[int]] = {}
        if losers.paragraphs is not None:
            for row in page_slice(losers.paragraphs, shard, ["page", "key"]):
                self._gone.setdefault(row["page"], set()).add(row["key"])

    def look_at(self, row: Mapping[str, Any]) -> tuple[str, Verdict | None, str]:
        """The text that stays, or why it goes, and the id of what it repeats."""
        text: str = row["text"]
        if same := self._same.get(row["page"]):
            return (
                text,
                Verdict("same_text", same["twin"], "unlike every earlier text"),
                same["twin"],
            )
        if near := self._near.get(row["page"]):
            value = f"{near['n']} of {self._bands} bands"
            return text, Verdict("near_duplicate", value, "0 bands"), near["twin"]
        if not self._take_out:
            return text, None, ""
        left = without_repeats(text, self._gone.get(row["page"], set()), self._limits.min_chars)
        n_words = len(left.split())
        if left != text and n_words < self._limits.min_words_left:
            return text, Verdict("repeated_paragraphs", n_words, self._limits.min_words_left), ""
        return left, None, ""


def _by_page(folder: Path | None, shard: Shard, columns: list[str]) -> dict[int, dict[str, Any]]:
    if folder is None:
        return {}
    return {row["page"]: row for row in page_slice(folder, shard, columns)}
