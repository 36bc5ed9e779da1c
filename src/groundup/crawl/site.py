"""Crawls a site into a WARC file, page after page, and goes on where a killed crawl stopped."""

import logging
import re
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from groundup import __version__
from groundup.core.console import progress
from groundup.core.errors import ConfigError, DataError, NetworkError
from groundup.crawl.config import SiteConfig
from groundup.crawl.fetch import Fetcher, Manners, Robots
from groundup.crawl.frontier import Frontier, Visit
from groundup.crawl.links import host_of, links_of, normal_url
from groundup.crawl.message import Response, media_type_of, parse_response, undo_encodings
from groundup.crawl.warc_writer import WarcWriter, responses_after, whole_length

__all__ = ["Journey", "crawl", "site_journey", "site_manners"]

log = logging.getLogger(__name__)

SOFTWARE = f"groundup/{__version__}"
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Journey:
    """Where a crawl begins and how far it goes.

    Attributes:
        start: Normal URLs.
        follows: Whether a normal URL may be asked for at all.
        namespace: Of record ids; None for a new one in each crawl.
    """

    start: list[str]
    follows: Callable[[str], bool]
    max_pages: int
    max_depth: int
    namespace: uuid.UUID | None = None


def site_journey(config: SiteConfig) -> Journey:
    """The journey that a recipe describes.

    Raises:
        ConfigError: A start URL is none.
    """
    start = []
    for url in config.start:
        address = normal_url(url)
        if address is None:
            raise ConfigError(
                f"site.start: {url!r} is not a web address",
                hint="write it with its scheme, such as https://example.org/docs/",
            )
        start.append(address)
    hosts = {host_of(url) for url in start}
    include = [re.compile(pattern) for pattern in config.include]
    exclude = [re.compile(pattern) for pattern in config.exclude]

    def follows(url: str) -> bool:
        if host_of(url) not in hosts or any(pattern.search(url) for pattern in exclude):
            return False
        return not include or url in start or any(pattern.search(url) for pattern in include)

    return Journey(start, follows, config.max_pages, config.max_depth)


def site_manners(config: SiteConfig, *, max_body_bytes: int) -> Manners:
    """The manners that a recipe describes."""
    return Manners(
        user_agent=f"{SOFTWARE} (+{config.contact})",
        delay_s=config.delay_s,
        timeout_s=config.timeout_s,
        max_body_bytes=max_body_bytes,
        max_attempts=config.max_attempts,
    )


def crawl(journey: Journey, manners: Manners, archive: Path, journal: Path) -> Counter[str]:
    """Fetches pages into `archive` until nothing is left or the limit is reached.

    Args:
        journey: Where to go.
        manners: How to behave on the way.
        archive: The WARC file; it grows.
        journal: The frontier's journal; it grows.

    Returns:
        How many URLs came to which outcome.

    Raises:
        NetworkError: No robots.txt to be had, or nothing answers.
    """
    written_bytes = archive.stat().st_size if archive.exists() else 0
    with Frontier(journal, journey.start, journey.namespace, written_bytes) as frontier:
        _resume(frontier, journey, archive)
        with Fetcher(manners) as fetcher, _writer(frontier, archive) as writer:
            robots = Robots(fetcher, manners.user_agent)
            with progress("crawling", journey.max_pages, "pages") as bar:
                bar.resume_at(frontier.n_done)
                while frontier.n_done < journey.max_pages and (front := frontier.next()):
                    _visit(front, frontier, journey, fetcher, robots, writer)
                    bar.update(1, info=f"{frontier.n_waiting:,} waiting")
        if frontier.n_waiting:
            log.info("stopped at %d pages; %d URLs wait", journey.max_pages, frontier.n_waiting)
        return Counter(frontier.outcomes)


def _writer(frontier: Frontier, archive: Path) -> WarcWriter:
    date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return WarcWriter(archive, namespace=frontier.namespace, software=SOFTWARE, date=date)


def _resume(frontier: Frontier, journey: Journey, archive: Path) -> None:
    """Makes archive and journal agree after a crash.

    A record cut short is removed; a page that reached the archive but not the journal is entered
    from the archive, so that no page is fetched twice.
    """
    if not archive.exists():
        return
    length = whole_length(archive, frontier.end)
    found = responses_after(archive, frontier.end, length) if length > frontier.end else []
    front = frontier.next()
    if len(found) == 1 and front is not None and found[0][0] == front[0]:
        url, response = found[0]
        links = _new_links(url, front[1], response, frontier, journey)
        frontier.done(Visit(url, "fetched", response.status, length, links))
    with archive.open("r+b") as file:
        file.truncate(frontier.end)


def _visit(
    front: tuple[str, int],
    frontier: Frontier,
    journey: Journey,
    fetcher: Fetcher,
    robots: Robots,
    writer: WarcWriter,
) -> None:
    url, depth = front
    if not robots.allows(url):
        frontier.done(Visit(url, "robots.txt forbids it", 0, writer.position, []))
        return
    try:
        exchange = fetcher.fetch(url)
    except NetworkError as error:
        if frontier.outcomes["fetched"] == 0:
            raise
        log.warning("%s", error.message)
        frontier.done(Visit(url, "no answer", 0, writer.position, []))
        return
    writer.add(exchange)
    response = parse_response(exchange.head + exchange.body)
    links = _new_links(url, depth, response, frontier, journey)
    frontier.done(Visit(url, "fetched", response.status, writer.position, links))


def _new_links(
    url: str, depth: int, response: Response, frontier: Frontier, journey: Journey
) -> list[str]:
    """Addresses that an answer leads to, may be followed, and are not known yet."""
    if depth >= journey.max_depth:
        return []
    found: list[str] = []
    if response.status in _REDIRECTS:
        target = normal_url(response.headers.get("location", ""), url)
        found = [target] if target is not None else []
    elif response.status == 200:
        found = _page_links(url, response)
    return [link for link in found if journey.follows(link) and not frontier.is_known(link)]


def _page_links(url: str, response: Response) -> list[str]:
    try:
        body = undo_encodings(response, max_bytes=2**28)
    except DataError:
        return []
    kind, charset = media_type_of(response.headers.get("content-type", ""), body.payload)
    return links_of(body.payload, url, charset) if kind == "text/html" else []
