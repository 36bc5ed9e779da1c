"""Counts of a crawl: everything read is either a page or dropped for a reason; damage is apart."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Self

__all__ = ["Damage", "Tally"]

_EXAMPLES = 100
"""Damaged places listed by name in `counts.json`; all are counted, logged and in `shards.jsonl`."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A place in an archive that could not be read.

    Attributes:
        source: The archive, as the recipe names it.
        offset: Where in the file it begins, in bytes.
        size_bytes: Up to the next readable record.
        reason: What the reader said.
    """

    source: str
    offset: int
    size_bytes: int
    reason: str


@dataclass(slots=True)
class Tally:
    """Counts of one or several files; `read` equals `pages` plus everything in `dropped`.

    Attributes:
        size_bytes: Payload bytes of the pages.
        damage: Places that could not be read; what was in them is in no other count.
    """

    pages: int = 0
    size_bytes: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    damage: list[Damage] = field(default_factory=list)

    @property
    def read(self) -> int:
        """Records, rows or files of interest that were met."""
        return self.pages + self.dropped.total()

    @property
    def damaged_bytes(self) -> int:
        """Bytes of archives that could not be read."""
        return sum(damage.size_bytes for damage in self.damage)

    def to_json(self) -> dict[str, Any]:
        """The form that `from_json` reads; part of a line of `shards.jsonl`."""
        return {
            "pages": self.pages,
            "size_bytes": self.size_bytes,
            "dropped": dict(sorted(self.dropped.items())),
            "damage": [asdict(damage) for damage in self.damage],
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Reads `to_json`."""
        return cls(
            pages=value["pages"],
            size_bytes=value["size_bytes"],
            dropped=Counter(value["dropped"]),
            damage=[Damage(**damage) for damage in value["damage"]],
        )

    @classmethod
    def total(cls, tallies: Iterable[Self]) -> Self:
        """The sum of many."""
        whole = cls()
        for tally in tallies:
            whole.pages += tally.pages
            whole.size_bytes += tally.size_bytes
            whole.dropped.update(tally.dropped)
            whole.damage.extend(tally.damage)
        return whole

    def report(self) -> dict[str, Any]:
        """The content of `counts.json`."""
        return {
            "read": self.read,
            "pages": self.pages,
            "size_bytes": self.size_bytes,
            "dropped": dict(sorted(self.dropped.items(), key=lambda item: (-item[1], item[0]))),
            "damage": {
                "places": len(self.damage),
                "size_bytes": self.damaged_bytes,
                "first": [asdict(damage) for damage in self.damage[:_EXAMPLES]],
            },
        }
