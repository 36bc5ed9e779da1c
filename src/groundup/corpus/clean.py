"""One page at a time: payload to clean text, or the verdict of the rule that drops it."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from resiliparse.parse.html import HTMLParserException, HTMLTree

from groundup.core import seeds
from groundup.core.records import PAGE_COLUMNS
from groundup.corpus.config import CorpusConfig
from groundup.corpus.encoding import broken_fraction, decode
from groundup.corpus.extract import MAX_NESTING, extract_html, nesting, plain_space, set_off
from groundup.corpus.funnel import Tally
from groundup.corpus.language import LanguageModel
from groundup.corpus.pages import RowWriter, Shard, page_slice, read_rows, row_writer
from groundup.corpus.paragraphs import key_of, paragraph_keys
from groundup.corpus.quality import c4, gopher, repetition
from groundup.corpus.verdict import TextView, Verdict, first_failure

__all__ = ["CLEAN", "FOLDERS", "KEYS", "REMOVED", "CleanShard", "Cleaned", "Cleaner", "removed_row"]

MAX_BROKEN_FRACTION = 0.02  # of a page's characters: above it the page was never text

CLEAN = pa.schema(
    {
        **{name: pa.string() for name in ("id", "url", "source", "language", "text")},
        **{name: pa.int64() for name in ("page", "offset")},
        "draw": pa.float64(),
    }
)
REMOVED = pa.schema(
    {
        "page": pa.int64(),
        **{name: pa.string() for name in ("id", "url", "rule", "value", "limit", "twin")},
    }
)

KEYS = pa.schema({"key": pa.uint64(), "page": pa.int64()})
FOLDERS = {"clean": CLEAN, "dropped": REMOVED, "texts": KEYS, "paragraphs": KEYS}


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A page that passed every rule."""

    language: str
    text: str


class Cleaner:
    """Turns pages into text under one config; loads the language model when first needed."""

    def __init__(self, config: CorpusConfig) -> None:
        self._config = config
        self._on = config.is_on

    @cached_property
    def _language(self) -> LanguageModel:
        return LanguageModel()

    def clean(self, page: Mapping[str, Any]) -> Cleaned | Verdict:
        """Applies every rule to a page in the order of the funnel."""
        text = self.text_of(page)
        if isinstance(text, Verdict):
            return text
        language, confidence = self._language.detect(text)
        verdict = self._judge_language(language, confidence) or self._judge(text, language)
        if verdict is not None:
            return verdict
        if reason := c4.drop_reason(text, self._config.c4, self._on):
            return reason
        text = c4.clean_lines(text, self._config.c4, self._on)
        if reason := c4.too_few_sentences(text, self._config.c4, self._on):
            return reason
        return Cleaned(language, text) if text.strip() else Verdict("no_text", 0, 1)

    def text_of(self, page: Mapping[str, Any]) -> str | Verdict:
        """The text of a page before any quality rule."""
        payload: bytes = page["payload"] or b""
        if not payload.strip():
            return Verdict("empty_page", len(payload), 1)
        if self._on("page_size") and len(payload) > self._config.max_page_bytes:
            return Verdict("page_size", len(payload), self._config.max_page_bytes)
        html = page["media_type"] != "text/plain"
        decoded = decode(payload, page["charset"] or "", html=html)
        broken = broken_fraction(decoded)
        if self._on("broken_encoding") and broken > MAX_BROKEN_FRACTION:
            return Verdict("broken_encoding", round(broken, 4), MAX_BROKEN_FRACTION)
        text = self._extract(decoded) if html else plain_space(decoded)
        if isinstance(text, str) and not text.strip():
            return Verdict("no_text", 0, 1)
        return text

    def _extract(self, html: str) -> str | Verdict:
        try:
            tree = HTMLTree.parse(set_off(html, self._config.paragraph_tags))
        except HTMLParserException:
            return ""
        depth = nesting(html, tree)
        if depth > MAX_NESTING:
            return Verdict("nesting", depth, MAX_NESTING)
        return extract_html(
            tree,
            main=self._config.extraction == "main",
            skip=self._config.skip_elements,
        )

    def _judge_language(self, language: str, confidence: float) -> Verdict | None:
        wanted = self._config.languages
        if self._on("language") and language not in wanted:
            return Verdict("language", language or "none", " ".join(wanted))
        floor = self._config.min_language_confidence
        if self._on("language_confidence") and confidence < floor:
            return Verdict("language_confidence", round(confidence, 4), floor)
        return None

    def _judge(self, text: str, language: str) -> Verdict | None:
        view = TextView(text, language)
        config = self._config
        return first_failure(gopher.RULES, view, config.gopher, self._on) or first_failure(
            repetition.RULES, view, config.repetition, self._on
        )


class CleanShard:
    """Cleans the pages of a shard into `clean/`, `dropped/`, `texts/` and `paragraphs/`.

    The last two hold the keys (key, page) of whole texts and of their paragraphs.

    Args:
        config: Rules and limits.
        work: Folder of intermediate files.
        twins: Folder that names pages with the payload of an earlier one; None when not asked.
    """

    name = "clean-marks"
    label = "cleaning pages"
    processes = True

    def __init__(self, config: CorpusConfig, work: Path, twins: Path | None) -> None:
        self._config, self._work, self._twins = config, work, twins
        self._cleaner = Cleaner(config)

    def __call__(self, shard: Shard) -> dict[str, Any]:
        """Publishes the files; returns the tally and the number of clean texts."""
        tally = Tally()
        twins = self._twins_of(shard)
        with ExitStack() as stack:
            files = {
                folder: stack.enter_context(
                    row_writer(self._work / folder / f"{shard.name}.parquet", schema)
                )
                for folder, schema in FOLDERS.items()
            }
            for row, page in read_rows(shard.path, list(PAGE_COLUMNS)):
                number = shard.first_page + row
                twin = twins.get(number)
                result = (
                    self._cleaner.clean(page)
                    if twin is None
                    else Verdict("same_payload", twin, "unlike every earlier page")
                )
                if isinstance(result, Cleaned):
                    self._keep(files, number, page, result)
                else:
                    tally.drop(page, result, partial(self._sample_text, page))
                    files["dropped"].add(removed_row(number, page, result, twin=twin or ""))
        return {**tally.numbers(), "kept": files["clean"].n_rows}

    def _twins_of(self, shard: Shard) -> dict[int, str]:
        if self._twins is None:
            return {}
        rows = page_slice(self._twins, shard, ["page", "twin"])
        return {row["page"]: row["twin"] for row in rows}

    def _keep(
        self, files: Mapping[str, RowWriter], number: int, page: Mapping[str, Any], result: Cleaned
    ) -> None:
        row = {
            **{name: page[name] for name in ("id", "url", "source", "offset")},
            "language": result.language,
            "text": result.text,
            "page": number,
            "draw": seeds.fraction(self._config.seed, f"corpus/split/{page['id']}"),
        }
        files["clean"].add(row)
        files["texts"].add({"key": key_of(result.text), "page": number})
        if self._config.is_on("repeated_paragraphs"):
            for key in paragraph_keys(result.text, self._config.paragraphs.min_chars):
                files["paragraphs"].add({"key": key, "page": number})

    def _sample_text(self, page: Mapping[str, Any]) -> str:
        text = self._cleaner.text_of(page)
        return text if isinstance(text, str) else ""


def removed_row(
    number: int, page: Mapping[str, Any], verdict: Verdict, *, twin: str = ""
) -> dict[str, Any]:
    """A row of `removed.parquet`; `twin` is the id of the page that was kept in its place."""
    return {
        "page": number,
        "id": page["id"],
        "url": page["url"],
        "rule": verdict.rule,
        "value": str(verdict.value),
        "limit": str(verdict.limit),
        "twin": twin,
    }
