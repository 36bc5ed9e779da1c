"""What cleaning a crawl costs, from one WARC file to a whole snapshot of Common Crawl.

A rate is stated, or measured by a finished corpus run. A measured run gives two: pages and bytes of
HTML a core-second. Pages of a crawl are larger than those of documentation and take longer each,
but cost less per byte; so the two bracket the truth, and both ends are shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from groundup.core.artifact import Artifact
from groundup.core.errors import ConfigError, DataError

__all__ = [
    "SCALES",
    "CorpusCost",
    "Rate",
    "arithmetic",
    "costs",
    "measured_rate",
    "stated_rate",
]

# A snapshot of Common Crawl, after its announcements of 2024 and 2025.
SNAPSHOT_FILES = 90_000
SNAPSHOT_PAGES = 2.5e9
SNAPSHOT_COMPRESSED_BYTES = 9e13
SNAPSHOT_HTML_BYTES = 4.2e14
SCALES = (1, 10, 100, 1_000, 10_000, SNAPSHOT_FILES)
# RefinedWeb, Penedo et al. 2023, arXiv 2306.01116: 11.7% of the documents are left (figure 2); its
# public part has 968 million documents in 2.8 TB.
KEPT_FRACTION = 0.117
KEPT_BYTES = 2_900.0
BYTES_PER_TOKEN = 4.4  # English, vocabularies of 32 to 64 thousand
DOLLARS_PER_CORE_HOUR = 0.04  # a virtual core on demand, an assumption
_BANDS = 14  # of corpus.config.NearDuplicates
_ROW_BYTES = 16  # key and page, 8 bytes each


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast pages become documents, and how many are left.

    Attributes:
        pages_per_core_s: Pages read a core-second.
        html_bytes_per_core_s: Bytes of HTML read a core-second; None when only pages are stated.
        kept_fraction: Documents kept of pages read.
        kept_bytes: Bytes of text of a kept document.
        source: Where the rate is from.
    """

    pages_per_core_s: float
    html_bytes_per_core_s: float | None
    kept_fraction: float
    kept_bytes: float
    source: str


@dataclass(frozen=True, slots=True)
class CorpusCost:
    """What a number of WARC files costs.

    Attributes:
        files: WARC files.
        pages: Pages in them.
        compressed_bytes: To download.
        documents: Kept.
        text_bytes: Their text.
        tokens: Of that text, roughly.
        core_hours: Least and most, by pages and by bytes.
        dollars: The same at the price of a core-hour.
        index_bytes: Keys of exact and near duplicates, uncompressed.
    """

    files: int
    pages: float
    compressed_bytes: float
    documents: float
    text_bytes: float
    tokens: float
    core_hours: tuple[float, float]
    dollars: tuple[float, float]
    index_bytes: float


def stated_rate(
    pages_per_core_s: float, *, kept_fraction: float | None = None, kept_bytes: float | None = None
) -> Rate:
    """A rate that the user gives; what it leaves open is RefinedWeb's."""
    return Rate(
        pages_per_core_s,
        None,
        KEPT_FRACTION if kept_fraction is None else kept_fraction,
        KEPT_BYTES if kept_bytes is None else kept_bytes,
        "stated",
    )


def measured_rate(
    run: Path, *, kept_fraction: float | None = None, kept_bytes: float | None = None
) -> Rate:
    """The rate of a finished corpus run, its crawl's reading included when that read archives.

    What a small run of other pages keeps says little of a crawl, so the share and size of kept
    documents are RefinedWeb's unless given.

    Raises:
        DataError: The run read nothing, or its manifest lacks what is needed.
    """
    corpus = Artifact.open(run, stage="corpus")
    crawl = corpus.input("crawl")
    manifest = corpus.manifest
    archives = 'kind = "archives"' in (crawl.path / "config.toml").read_text(encoding="utf-8")
    seconds = manifest.seconds + (crawl.manifest.seconds if archives else 0.0)
    try:
        core_seconds = seconds * int(manifest.hardware["cores"])
        pages = int(crawl.manifest.summary["pages"])
        html_bytes = int(crawl.manifest.summary["size_bytes"])
    except KeyError as error:
        raise DataError(
            f"{run} does not say its {error.args[0]}",
            hint="run its recipe again with this version of groundup",
            source=str(run),
        ) from error
    if not pages or not core_seconds:
        raise DataError(f"{run} read no pages", hint="give a larger corpus run", source=str(run))
    return Rate(
        pages / core_seconds,
        html_bytes / core_seconds,
        KEPT_FRACTION if kept_fraction is None else kept_fraction,
        KEPT_BYTES if kept_bytes is None else kept_bytes,
        f"measured by {run.name}: {pages:,} pages, {html_bytes / 1e6:.0f} MB of HTML in "
        f"{seconds:.1f} s on {manifest.hardware['cores']} cores",
    )


def costs(
    rate: Rate, scales: Sequence[int] = SCALES, *, dollars_per_core_hour: float
) -> list[CorpusCost]:
    """The cost of each number of WARC files.

    Raises:
        ConfigError: A number, share or price is out of range.
    """
    if rate.pages_per_core_s <= 0 or not 0 < rate.kept_fraction <= 1 or min(scales) < 1:
        raise ConfigError(
            "rates must be above 0, the kept share in (0, 1] and files at least 1",
            hint="groundup plan corpus --rate 200 --kept-fraction 0.12",
        )
    return [_cost(rate, files, dollars_per_core_hour) for files in scales]


def _cost(rate: Rate, files: int, price: float) -> CorpusCost:
    share = files / SNAPSHOT_FILES
    pages = share * SNAPSHOT_PAGES
    hours = [pages / rate.pages_per_core_s / 3600.0]
    if rate.html_bytes_per_core_s is not None:
        hours.append(share * SNAPSHOT_HTML_BYTES / rate.html_bytes_per_core_s / 3600.0)
    documents = pages * rate.kept_fraction
    text_bytes = documents * rate.kept_bytes
    least, most = min(hours), max(hours)
    return CorpusCost(
        files,
        pages,
        share * SNAPSHOT_COMPRESSED_BYTES,
        documents,
        text_bytes,
        text_bytes / BYTES_PER_TOKEN,
        (least, most),
        (least * price, most * price),
        pages * (_BANDS + 1) * _ROW_BYTES,
    )


def arithmetic(rate: Rate, price: float) -> list[str]:
    """How the table follows from the rate, a line a step."""
    return [
        f"rate ({rate.source}): {rate.pages_per_core_s:,.0f} pages a core-second"
        + (
            f", {rate.html_bytes_per_core_s / 1e6:,.1f} MB of HTML"
            if rate.html_bytes_per_core_s is not None
            else ""
        ),
        f"a snapshot: {SNAPSHOT_FILES:,} WARC files, {SNAPSHOT_PAGES:.3g} pages, "
        f"{SNAPSHOT_COMPRESSED_BYTES:.2g} bytes compressed, {SNAPSHOT_HTML_BYTES:.2g} plain",
        f"core-hours = pages / {rate.pages_per_core_s:,.0f} / 3600"
        + (
            f", or plain bytes / {rate.html_bytes_per_core_s:.3g} / 3600"
            if rate.html_bytes_per_core_s is not None
            else ""
        ),
        f"dollars = core-hours x {price:g}",
        f"documents = pages x {rate.kept_fraction:g}; text = documents x {rate.kept_bytes:,.0f} "
        f"bytes; tokens = text / {BYTES_PER_TOKEN:g}",
        f"index = pages x ({_BANDS} bands + 1 hash of the text) x {_ROW_BYTES} bytes",
    ]
