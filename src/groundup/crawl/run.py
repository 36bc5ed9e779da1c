"""The crawl stage: pages from archives, a folder, a site or pydoc, one shard for each file."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from groundup.core.artifact import Artifact, RunDir, digest_file
from groundup.core.config import expand_paths
from groundup.core.console import progress
from groundup.core.errors import DataError
from groundup.core.machine import cores
from groundup.crawl.config import CrawlConfig
from groundup.crawl.folder import file_to_shard, folder_files
from groundup.crawl.pages import archive_to_shard
from groundup.crawl.pydoc_source import (
    package_versions,
    pydoc_journey,
    pydoc_manners,
    pydoc_server,
)
from groundup.crawl.site import crawl, site_journey, site_manners
from groundup.crawl.tally import Tally

__all__ = ["VERSION", "outside", "run"]

log = logging.getLogger(__name__)

VERSION = 1
_ARCHIVE = "archive/00000.warc.gz"
_JOURNAL = "archive/frontier.jsonl"
_WORKER_BYTES = 64 * 2**20
"""Compressed input that is worth the second that another process takes to start."""
_FILES_TOGETHER = 1000
"""Small files of a folder that share a shard."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A Parquet file to make.

    Attributes:
        make: Writes it at a path and returns its tally as JSON; may run in another process.
        size_bytes: Of what it is made from.
    """

    name: str
    make: Callable[[Path], dict[str, Any]]
    size_bytes: int


def outside(config: CrawlConfig) -> dict[str, str]:
    """What decides the result and is not in the recipe: digests of files, versions of packages.

    Raises:
        DataError: A file is missing.
        ConfigError: A package is not installed.
    """
    if config.kind == "archives":
        return {path.as_posix(): digest_file(path) for path in _archive_files(config)}
    if config.kind == "folder":
        return {path.as_posix(): digest_file(path) for path in folder_files(config.paths)}
    return package_versions(config.pydoc) if config.kind == "pydoc" else {}


def run(config: CrawlConfig, inputs: Mapping[str, Artifact], out: RunDir) -> None:
    """Writes `pages/*.parquet`, `counts.json`, and for sites the archive they were read from.

    Raises:
        DataError: No page came out, or too much of the archives is damaged.
        NetworkError: A site does not answer or forbids everything.
    """
    not_fetched: Counter[str] = Counter()
    if config.kind in ("site", "pydoc"):
        not_fetched = _fetch(config, out)
    tally = _convert(_shards(config, out), config, out)
    if tally.pages == 0:
        raise _no_pages(config, tally)
    out.write_json("counts.json", {**tally.report(), "not_fetched": dict(not_fetched)})
    out.summary.update(
        read=tally.read,
        pages=tally.pages,
        dropped=tally.dropped.total(),
        damaged_places=len(tally.damage),
        size_bytes=tally.size_bytes,
    )


def _archive_files(config: CrawlConfig) -> list[Path]:
    files = [path for path in expand_paths(config.paths) if path.is_file()]
    if not files:
        raise DataError(
            f"there is no archive in {', '.join(config.paths)}",
            hint='name files, such as paths = ["crawl/*.warc.gz"]',
            source=config.paths[0],
        )
    return files


def _fetch(config: CrawlConfig, out: RunDir) -> Counter[str]:
    """Crawls into the run's archive; returns how many URLs were not fetched, by reason.

    A site is gone on with where a killed crawl stopped. The documentation is begun again: what one
    of its pages imports changes what later pages show, so only whole crawls are equal.
    """
    archive, journal = out.file(_ARCHIVE), out.file(_JOURNAL)
    if config.kind == "pydoc" and not out.shards.rows():
        archive.unlink(missing_ok=True)
        journal.unlink(missing_ok=True)
    if config.kind == "site":
        manners = site_manners(config.site, max_body_bytes=config.max_page_bytes)
        outcomes = crawl(site_journey(config.site), manners, archive, journal)
    else:
        with pydoc_server() as port:
            manners = pydoc_manners(port, max_body_bytes=config.max_page_bytes)
            outcomes = crawl(pydoc_journey(config.pydoc), manners, archive, journal)
    del outcomes["fetched"]
    return outcomes


def _shards(config: CrawlConfig, out: RunDir) -> list[Shard]:
    """What is to be made of what, in order."""
    if config.kind == "folder":
        return _folder_shards(config)
    if config.kind == "archives":
        sources = [(path, path.as_posix()) for path in _archive_files(config)]
    else:
        sources = [(out.file(_ARCHIVE), _ARCHIVE)]
    return [
        Shard(
            f"{number:05d}",
            partial(_make_archive_shard, path, source, config.max_page_bytes),
            path.stat().st_size,
        )
        for number, (path, source) in enumerate(sources)
    ]


def _make_archive_shard(
    path: Path, source: str, max_page_bytes: int, target: Path
) -> dict[str, Any]:
    return archive_to_shard(path, source, target, max_page_bytes)


def _folder_shards(config: CrawlConfig) -> list[Shard]:
    files = folder_files(config.paths)
    groups = [files[i : i + _FILES_TOGETHER] for i in range(0, len(files), _FILES_TOGETHER)]
    return [
        Shard(
            f"{number:05d}",
            partial(_make_folder_shard, group, config.text_field, config.max_page_bytes),
            sum(path.stat().st_size for path in group),
        )
        for number, group in enumerate(groups)
    ]


def _make_folder_shard(
    paths: list[Path], text_field: str, max_page_bytes: int, target: Path
) -> dict[str, Any]:
    return file_to_shard(paths, target, text_field, max_page_bytes)


def _convert(shards: list[Shard], config: CrawlConfig, out: RunDir) -> Tally:
    """Makes the shards that are not there yet; the whole tally.

    Raises:
        DataError: More of the archives is damaged than allowed.
    """
    todo = [shard for shard in shards if shard.name not in out.shards]
    total_bytes = sum(shard.size_bytes for shard in shards)
    total = _tally(out)
    with progress("reading", len(shards), "files") as bar:
        bar.resume_at(len(shards) - len(todo))
        workers = config.workers or min(cores(), 1 + total_bytes // _WORKER_BYTES)
        for shard, result in _results(todo, workers, out):
            tally = Tally.from_json(result)
            _note_damage(tally)
            path = out.path / _target(shard)
            out.shards.add(shard.name, path, **{"rows": tally.pages, **result})
            total = Tally.total([total, tally])
            _check_damage(total, total_bytes, config.max_damaged_fraction)
            bar.update(1, info=f"{total.pages:,} pages")
    return _tally(out)


def _target(shard: Shard) -> str:
    return f"pages/{shard.name}.parquet"


def _tally(out: RunDir) -> Tally:
    """Of all finished shards, in order, however they came to be finished."""
    return Tally.total(Tally.from_json(row["stats"]) for row in out.shards.rows())


def _results(
    todo: list[Shard], workers: int, out: RunDir
) -> Iterator[tuple[Shard, dict[str, Any]]]:
    """Makes shards, in several processes when there are several, and yields them as they come."""
    targets = {shard.name: out.file(_target(shard)) for shard in todo}
    if min(workers, len(todo)) <= 1:
        for shard in todo:
            yield shard, shard.make(targets[shard.name])
        return
    with ProcessPoolExecutor(min(workers, len(todo)), mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(shard.make, targets[shard.name]): shard for shard in todo}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _note_damage(tally: Tally) -> None:
    for damage in tally.damage:
        log.warning(
            "%s, offset %d: %d bytes left out: %s",
            damage.source,
            damage.offset,
            damage.size_bytes,
            damage.reason,
        )


def _check_damage(tally: Tally, total_bytes: int, limit_fraction: float) -> None:
    if tally.damaged_bytes <= limit_fraction * total_bytes:
        return
    worst = max(tally.damage, key=lambda damage: damage.size_bytes)
    raise DataError(
        f"{worst.source} cannot be read at offset {worst.offset} ({worst.reason}); "
        f"{tally.damaged_bytes / total_bytes:.1%} of all archive bytes are damaged",
        hint="fetch the file again, or allow it with --max-damaged-fraction",
        source=worst.source,
        offset=worst.offset,
    )


def _no_pages(config: CrawlConfig, tally: Tally) -> DataError:
    where = ", ".join(config.paths or config.site.start) or config.kind
    reasons = ", ".join(f"{count} {reason}" for reason, count in tally.dropped.most_common(3))
    if tally.read == 0:
        return DataError(
            f"there is no page in {where}: not one record of a response or text",
            hint="archives must hold response records (WARC, ARC) or conversion records (WET)",
            source=where,
        )
    return DataError(
        f"none of the {tally.read} records in {where} is a page: {reasons}",
        hint="only HTML and plain text with status 200 become pages",
        source=where,
    )
