"""The funnel: how many pages each rule removed, with samples, and proof that it adds up."""

import heapq
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from groundup.core import seeds
from groundup.core.errors import DataError
from groundup.corpus.config import RULES
from groundup.corpus.verdict import Verdict

__all__ = ["Tally", "build_funnel", "crawl_rows", "explain_nothing_kept"]

SAMPLES = 5
SAMPLE_CHARS = 300

HINTS = {
    "language": "add the languages to keep to `languages`, or set it to [] to keep all",
    "language_confidence": "lower min_language_confidence",
    "no_text": 'set extraction = "all"',
    "same_payload": "the crawl holds one page only, many times",
}


class Tally:
    """Counts what each rule removed and keeps a few samples, the same ones in any order.

    Samples are those whose id has the smallest hash: a fair draw over the whole crawl that needs
    no memory of the rest and does not depend on how the crawl is cut into shards.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._samples: dict[str, list[tuple[float, dict[str, Any]]]] = {}

    def drop(self, page: Mapping[str, Any], verdict: Verdict, text: Callable[[], str]) -> None:
        """Notes a removed page; `text` is asked only when the page becomes a sample."""
        self.counts[verdict.rule] += 1
        draw = seeds.fraction(0, f"corpus/sample/{page['id']}/{page['url']}")
        held = self._samples.setdefault(verdict.rule, [])
        if len(held) == SAMPLES and draw >= held[-1][0]:
            return
        sample = {
            "id": page["id"],
            "url": page["url"],
            "text": text()[:SAMPLE_CHARS],
            "value": verdict.value,
            "limit": verdict.limit,
        }
        self._keep(verdict.rule, [(draw, sample)])

    def _keep(self, rule: str, samples: Iterable[tuple[float, dict[str, Any]]]) -> None:
        pool = [*self._samples.get(rule, []), *samples]
        self._samples[rule] = heapq.nsmallest(SAMPLES, pool, key=lambda item: item[0])

    def numbers(self) -> dict[str, Any]:
        """What it holds, as JSON values."""
        return {"dropped": dict(self.counts), "samples": self._samples}

    def add(self, numbers: Mapping[str, Any]) -> None:
        """Takes in what another tally held."""
        self.counts.update(numbers["dropped"])
        for rule, samples in numbers["samples"].items():
            self._keep(rule, ((draw, sample) for draw, sample in samples))

    def row(self, rule: str) -> dict[str, Any]:
        """One row of the funnel."""
        samples = [sample for _, sample in self._samples.get(rule, [])]
        return {
            "rule": rule,
            "stage": RULES[rule],
            "dropped": self.counts[rule],
            "samples": samples,
        }


def crawl_rows(counts: Path, n_pages: int) -> tuple[int, list[dict[str, Any]]]:
    """Records that the crawl read, and a row for each of its own reasons.

    Raises:
        DataError: Its counts do not fit its pages.
    """
    try:
        values = json.loads(counts.read_text("utf-8"))
        read, dropped = int(values["read"]), dict(values["dropped"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{counts} does not say what the crawl read: {error}",
            hint="build the crawl again",
            source=str(counts),
        ) from error
    if read - sum(dropped.values()) != n_pages:
        raise DataError(
            f"{counts} says {read} read and {sum(dropped.values())} dropped, "
            f"but the crawl holds {n_pages} pages",
            hint="build the crawl again",
            source=str(counts),
        )
    rows = [
        {"rule": reason, "stage": "crawl", "dropped": count, "samples": []}
        for reason, count in dropped.items()
    ]
    return read, rows


def build_funnel(
    read: int, rows: list[dict[str, Any]], *, train: int, validation: int
) -> dict[str, Any]:
    """The funnel as written to `funnel.json`.

    Raises:
        DataError: A page is neither kept nor dropped, or is both.
    """
    kept = train + validation
    dropped = sum(row["dropped"] for row in rows)
    if read - dropped != kept:
        raise DataError(
            f"the funnel does not add up: {read} read - {dropped} dropped is not {kept} kept",
            hint="delete the run directory and run the recipe again; please report this",
        )
    return {"read": read, "rows": rows, "kept": kept, "train": train, "validation": validation}


def explain_nothing_kept(rows: list[dict[str, Any]], *, source: Path) -> DataError:
    """The error for a corpus of no documents: names the rule that removed most."""
    worst = max(rows, key=lambda row: row["dropped"], default=None)
    if worst is None or worst["dropped"] == 0:
        return DataError(
            f"{source} has no pages", hint="look at the crawl's counts.json", source=str(source)
        )
    rule = worst["rule"]
    example = worst["samples"][0] if worst["samples"] else None
    measured = (
        f", such as {example['url']} with {example['value']} against {example['limit']}"
        if example
        else ""
    )
    return DataError(
        f"no document of {source} is left: {rule} removed {worst['dropped']} pages{measured}",
        hint=HINTS.get(rule, f'loosen its limit, or switch it off: off = ["{rule}"]'),
        source=str(source),
    )
