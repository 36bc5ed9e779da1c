"""Which URLs are to be asked for, in what order, and which have been: survives any crash.

The journal is a file of JSON lines: first one that names the crawl, then one for each URL that is
done, with the new links found there. Reading it gives back the queue as it was. Breadth first:
pages nearer to the start come first, in the order of their links.
"""

import json
import os
import uuid
from collections import Counter, deque
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["Frontier", "Visit"]


@dataclass(frozen=True, slots=True)
class Visit:
    """A URL that is done.

    Attributes:
        outcome: `fetched`, or why it was not: `robots.txt forbids it`, `no answer`.
        status: HTTP status; 0 without an answer.
        end: Length of the archive in bytes after this URL's records.
        links: Addresses found there that nobody had found before.
    """

    url: str
    outcome: str
    status: int
    end: int
    links: list[str]


class Frontier:
    """The queue and its journal; lines beyond the archive's `archive_bytes` do not count.

    Attributes:
        namespace: UUID that record ids derive from; made at the crawl's first start.
        end: Length of the archive, in bytes, that the journal accounts for.
        outcomes: How many URLs came to which end.
    """

    def __init__(
        self, journal: Path, start: list[str], namespace: uuid.UUID | None, archive_bytes: int
    ) -> None:
        self._queue: deque[tuple[str, int]] = deque()
        self._depths: dict[str, int] = {}
        self.outcomes: Counter[str] = Counter()
        self.end = 0
        self._journal = journal
        visits = _read(journal)
        # After a power failure the journal can be ahead of the archive.
        visits = [row for row in visits if row.get("end", 0) <= archive_bytes]
        first = visits.pop(0) if visits else {"crawl": str(namespace or uuid.uuid4())}
        self.namespace = uuid.UUID(first["crawl"])
        self._offer(start, 0)
        for row in visits:
            self._take(Visit(**row))
        self._rewrite([first, *visits])
        self._file = journal.open("a", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def _rewrite(self, rows: list[dict[str, Any]]) -> None:
        """Leaves out a last line that a crash cut short."""
        partial = self._journal.with_name(f"{self._journal.name}.{os.getpid()}.partial")
        with partial.open("w", encoding="utf-8") as lines:
            lines.writelines(json.dumps(row) + "\n" for row in rows)
        partial.replace(self._journal)

    def _offer(self, links: list[str], depth: int) -> None:
        for link in links:
            if link not in self._depths:
                self._depths[link] = depth
                self._queue.append((link, depth))

    def _take(self, visit: Visit) -> None:
        url, depth = self._queue.popleft()
        assert url == visit.url, "the journal follows the queue"
        self.outcomes[visit.outcome] += 1
        self.end = visit.end
        self._offer(visit.links, depth + 1)

    @property
    def n_done(self) -> int:
        """URLs that are done."""
        return self.outcomes.total()

    @property
    def n_waiting(self) -> int:
        """URLs in the queue."""
        return len(self._queue)

    def next(self) -> tuple[str, int] | None:
        """The URL to ask for now and its depth; it stays in front until it is `done`."""
        return self._queue[0] if self._queue else None

    def is_known(self, url: str) -> bool:
        """Whether a URL is done or in the queue."""
        return url in self._depths

    def done(self, visit: Visit) -> None:
        """Notes the outcome of the URL in front."""
        self._file.write(json.dumps(asdict(visit)) + "\n")
        self._file.flush()
        self._take(visit)


def _read(journal: Path) -> list[dict[str, Any]]:
    """Whole lines of a journal."""
    rows = []
    for line in journal.read_text("utf-8").splitlines() if journal.exists() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:  # only the last line can be cut
            break
    return rows
