"""`source = "pydoc"`: pages of a documentation server to examples of every split."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from groundup.core.artifact import Artifact
from groundup.core.console import progress
from groundup.core.errors import DataError
from groundup.core.records import Example
from groundup.core.seeds import derive
from groundup.instruct import statistics
from groundup.instruct.catalogue import SPLITS, Entry, build_catalogue
from groundup.instruct.config import InstructConfig
from groundup.instruct.pydoc_pages import ApiObject, read_page
from groundup.instruct.reading import Reading
from groundup.instruct.selection import Limits, ask, ask_readings, name_pool

__all__ = ["Asked", "ask_about_pages", "read_objects"]

log = logging.getLogger(__name__)

_PAGES_AT_ONCE = 64  # a page of pydoc may have megabytes


@dataclass(frozen=True, slots=True)
class Asked:
    """The examples of each split, and what they are like."""

    examples: dict[str, list[Example]]
    statistics: dict[str, Any]


def read_objects(crawl: Artifact) -> Iterator[ApiObject]:
    """The objects of all pages of a crawl, in the crawl's order."""
    files = crawl.files("pages/*.parquet")
    n_pages = sum(pq.read_metadata(file).num_rows for file in files)
    with progress("reading documentation", n_pages, "pages") as bar:
        for file in files:
            with pq.ParquetFile(file) as shard:
                batches = shard.iter_batches(_PAGES_AT_ONCE, columns=["media_type", "payload"])
                for batch in batches:
                    for page in batch.to_pylist():
                        if page["media_type"] == "text/html":
                            yield from read_page(page["payload"].decode("utf-8", "replace"))
                        bar.update()


def ask_about_pages(config: InstructConfig, crawl: Artifact) -> Asked:
    """Reads the pages, splits the objects, and asks.

    Raises:
        DataError: No page describes an object that can be asked about.
    """
    entries = build_catalogue(
        read_objects(crawl),
        seed=config.seed,
        heldout_fraction=config.heldout_fraction,
        validation_fraction=config.validation_fraction,
    )
    log.info("%s distinct objects", f"{len(entries):,}")
    if not entries:
        raise DataError(
            f"{crawl.path} holds no page of Python documentation",
            hint='crawl a pydoc server (recipes/demo/crawl.toml), or use source = "files"',
            source=str(crawl.path),
        )
    readings: dict[str, list[Reading]] = {}
    examples: dict[str, list[Example]] = {}
    taken: set[object] = set()
    for split in SPLITS:
        about = [entry for entry in entries if entry.split == split]
        readings[split], asked = _ask_split(about, entries, split, config)
        examples[split] = list(_unasked(asked, taken))
        examples[split].sort(key=lambda e: derive(config.seed, f"instruct/order/{e.id}"))
    return Asked(examples, _describe(entries, examples, readings))


def _ask_split(
    about: list[Entry], entries: list[Entry], split: str, config: InstructConfig
) -> tuple[list[Reading], list[Example]]:
    """All questions about one split's objects."""
    limits = Limits(
        config.max_prompt_chars, config.max_answer_chars, config.max_share_of_one_answer
    )
    wanted = {
        field.removeprefix("n_"): _scaled(count, split, config)
        for field, count in config.counts.model_dump().items()
    }
    # Names of held-out signatures too: a name alone is no object that is held out.
    pool = name_pool(entries)
    readings = ask_readings(about, wanted["read"], limits=limits, seed=config.seed)
    asked = ask(about, wanted, limits=limits, seed=config.seed, pool=pool)
    flat = [reading.example for reading in readings]
    return readings, flat + [example for task in asked.values() for example in task]


def _scaled(count: int, split: str, config: InstructConfig) -> int:
    """The number of examples wanted in a split, from the number wanted in training."""
    if split == "heldout":
        return min(count, config.heldout_per_task)
    return count if split == "train" else round(count * config.validation_fraction)


def _unasked(examples: Iterable[Example], taken: set[object]) -> Iterator[Example]:
    """Examples whose prompt has not been asked yet, in this split or an earlier one."""
    for example in examples:
        if example.messages not in taken:
            taken.add(example.messages)
            yield example


def _describe(
    entries: list[Entry], examples: dict[str, list[Example]], readings: dict[str, list[Reading]]
) -> dict[str, Any]:
    by_name = {entry.object.name: entry for entry in entries}
    heldout, tuning = examples["heldout"], examples["train"] + examples["validation"]
    kinds = sorted({entry.object.kind for entry in entries})
    return {
        "objects": len(entries),
        "objects_by_kind": {
            kind: sum(entry.object.kind == kind for entry in entries) for kind in kinds
        },
        "examples": {split: statistics.count_by_task(found) for split, found in examples.items()},
        "heldout_best_constant": statistics.best_constant(heldout),
        "heldout_must_by_first_names": statistics.first_names_scores(heldout, by_name, "must"),
        "heldout_has_by_name": statistics.guess_by_name(tuning, heldout, "has"),
        "heldout_in_tuning": statistics.leaks(tuning, heldout),
        "read": {split: statistics.describe_readings(found) for split, found in readings.items()},
    }
