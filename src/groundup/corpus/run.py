"""The corpus stage: pages to documents, in five steps that a killed run takes up again.

1. `payloads`: which pages have the bytes of an earlier page; they are not parsed.
2. `clean`: each page to text, language, quality rules (most of the work, in processes).
3. `same_text`, `near`, `paragraphs`: which texts repeat an earlier one.
4. `write`: documents for training and validation.
5. `funnel.json` and `removed.parquet`; the intermediate files go.

Results do not depend on the number of workers: everything is decided by page numbers and hashes.
"""

import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from resiliparse.parse.html import CSSParserException, HTMLTree

from groundup.core.artifact import Artifact, RunDir
from groundup.core.errors import ConfigError
from groundup.core.machine import cores
from groundup.corpus import dedup
from groundup.corpus.clean import FOLDERS, REMOVED, CleanShard
from groundup.corpus.config import CorpusConfig
from groundup.corpus.extract import extract_html
from groundup.corpus.funnel import Tally, build_funnel, crawl_rows, explain_nothing_kept
from groundup.corpus.pages import Shard, list_shards
from groundup.corpus.payloads import PayloadShard
from groundup.corpus.workers import each_shard
from groundup.corpus.write import Losers, WriteShard

__all__ = ["VERSION", "run"]

log = logging.getLogger(__name__)

VERSION = 1
WORK = "work"


TOTALS = ("train", "validation", "text_bytes", "repeated_chars")


def run(config: CorpusConfig, inputs: Mapping[str, Artifact], out: RunDir) -> None:
    """Cleans the pages of `inputs["crawl"]` into documents.

    Raises:
        ConfigError: A CSS selector in the config is wrong.
        DataError: The crawl has no pages or its counts contradict them; no document is left; the
            funnel does not add up.
    """
    check_selectors(config)
    crawl = inputs["crawl"]
    shards = list_shards(crawl.files("pages/*.parquet"), source=crawl.path)
    n_pages = sum(shard.rows for shard in shards)
    read, rows = crawl_rows(crawl.path / "counts.json", n_pages)
    work = _work_folder(out, crawl)
    spread = partial(each_shard, shards=shards, work=work, workers=config.workers or cores())

    twins = _same_payloads(config, work, spread)
    cleaned = spread(CleanShard(config, work, twins))
    tally = Tally()
    for numbers in cleaned:
        tally.add(numbers)
    n_clean = sum(numbers["kept"] for numbers in cleaned)
    log.info("%d of %d pages passed the page rules", n_clean, n_pages)
    if n_clean:
        losers = _duplicates(config, work)
        written = spread(_writer(config, out, work, losers))
    else:
        written = []
    for numbers in written:
        tally.add(numbers)

    rows += [tally.row(rule) for rule in config.dropping_rules()]
    totals = {name: sum(numbers[name] for numbers in written) for name in TOTALS}
    funnel = build_funnel(read, rows, train=totals["train"], validation=totals["validation"])
    if funnel["kept"] == 0:
        raise explain_nothing_kept(rows, source=crawl.path)
    _join_removed(out, work, shards)
    out.write_json("funnel.json", funnel)
    out.summary.update(read=read, pages=n_pages, kept=funnel["kept"], **totals)
    _report(funnel, totals)
    _remove_work(work)


def check_selectors(config: CorpusConfig) -> None:
    """Tries every CSS selector of the config.

    Raises:
        ConfigError: Names the one that is wrong.
    """
    tree = HTMLTree.parse("<p>text</p>")
    for selector in config.skip_elements:
        try:
            extract_html(tree, main=False, skip=[selector])
        except CSSParserException as error:
            raise ConfigError(
                f"skip_elements has {selector!r}, which is not a CSS selector",
                hint="write it as in a style sheet, such as table.infobox",
            ) from error


def _work_folder(out: RunDir, crawl: Artifact) -> Path:
    """The folder of intermediate files; emptied when they were made from another crawl."""
    work = out.path / WORK
    origin = work / "crawl.json"
    if work.exists() and not (origin.exists() and json.loads(origin.read_text()) == crawl.digest):
        shutil.rmtree(work)
    for folder in (*FOLDERS, "payload_keys", "removed"):
        (work / folder).mkdir(parents=True, exist_ok=True)
    (out.path / "documents").mkdir(exist_ok=True)
    out.write_json(f"{WORK}/crawl.json", crawl.digest)
    return work


def _same_payloads(config: CorpusConfig, work: Path, spread: Any) -> Path | None:
    if not config.is_on("same_payload"):
        return None
    spread(PayloadShard(work))
    keys = work / "payload_keys"
    return dedup.twins_of(dedup.not_first(keys, work / "payloads"), keys, work / "payload_twins")


def _duplicates(config: CorpusConfig, work: Path) -> Losers:
    """Finds repeated texts, near duplicates among the rest, and repeated paragraphs."""
    clean = work / "clean"
    same = near = paragraphs = None
    if config.is_on("same_text"):
        later = dedup.not_first(work / "texts", work / "same_text")
        same = dedup.twins_of(later, clean, work / "same_text_twins")
    without = [folder for folder in (same,) if folder is not None]
    if config.is_on("near_duplicate"):
        log.info("comparing texts by MinHash")
        bands = dedup.band_keys(clean, work / "bands", config.near, without=without)
        near = dedup.twins_of(dedup.not_first(bands, work / "near"), clean, work / "near_twins")
        without.append(near)
    if config.is_on("repeated_paragraphs"):
        keys = work / "paragraphs"
        paragraphs = dedup.not_first(keys, work / "repeated_paragraphs", without=without)
    return Losers(same, near, paragraphs)


def _writer(config: CorpusConfig, out: RunDir, work: Path, losers: Losers) -> WriteShard:
    """The last pass; where documents are few, the one with the smallest draw validates."""
    threshold = config.validation_fraction
    if threshold > 0:
        gone = [folder for folder in (losers.same_text, losers.near) if folder is not None]
        smallest = dedup.smallest_draw(work / "clean", without=gone)
        threshold = max(threshold, smallest + 1e-12)
    return WriteShard(config, work, out.path / "documents", losers, threshold)


def _join_removed(out: RunDir, work: Path, shards: Sequence[Shard]) -> None:
    """One file that says of every page that is gone why, in page order."""
    names = [name for name in REMOVED.names if name != "page"]
    schema = REMOVED.remove(REMOVED.get_field_index("page"))
    with (
        out.publish("removed.parquet") as partial_path,
        pq.ParquetWriter(partial_path, schema, compression="zstd") as writer,
    ):
        for shard in shards:
            path = work / "removed" / f"{shard.name}.parquet"
            writer.write_table(pq.read_table(path, columns=names).cast(schema))


def _report(funnel: Mapping[str, Any], totals: Mapping[str, int]) -> None:
    worst = sorted(funnel["rows"], key=lambda row: -row["dropped"])[:3]
    most = ", ".join(f"{row['rule']} {row['dropped']:,}" for row in worst if row["dropped"])
    log.info(
        "kept %s of %s: %s documents to train on, %s to validate, %.1f MB of text%s",
        f"{funnel['kept']:,}",
        f"{funnel['read']:,}",
        f"{totals['train']:,}",
        f"{totals['validation']:,}",
        totals["text_bytes"] / 1e6,
        f"; removed most: {most}" if most else "",
    )


def _remove_work(work: Path) -> None:
    """Removes the intermediate files at one stroke: a run killed here is not left with half."""
    gone = work.with_name(f"{work.name}.partial")
    shutil.rmtree(gone, ignore_errors=True)
    work.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)  # a worker of a killed run may still write into it
