"""Which questions are asked: as many of each task as wanted, no answer too common.

Objects are considered in an order that is a hash of seed, task and name, so what becomes of a
question depends on other objects only where shares are balanced.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from groundup.core.records import Example
from groundup.core.seeds import derive, fraction
from groundup.instruct import questions
from groundup.instruct.catalogue import Entry
from groundup.instruct.reading import Reading, ask_read, neighbours
from groundup.instruct.signatures import Parameter

__all__ = ["Limits", "ask", "ask_readings", "cap_shares", "name_pool"]

_SHORTEST_SUMMARY_WORDS = 3
_LONGEST_DEFAULT_CHARS = 30
_NONE_SHARE = 0.03  # of `args` and `json`: signatures without arguments
_MUST_MIXED = 0.75  # of `must`: some arguments with and some without a default
_MUST_SHARE = 0.45  # largest share of one number of names within a kind of `must` question
_HARD_SHARE = 0.4  # of the wrong names in `has`: those that overlap with a right one
_SHORTEST_OVERLAP_CHARS = 3

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """What every question keeps to; lengths in characters."""

    max_prompt_chars: int
    max_answer_chars: int
    max_share_of_one_answer: float

    def fits(self, example: Example) -> bool:
        """Whether prompt and answer are short enough."""
        prompt_chars = sum(len(message.content) for message in example.messages)
        return (
            prompt_chars <= self.max_prompt_chars and len(example.answer) <= self.max_answer_chars
        )


def ask(
    entries: Sequence[Entry],
    wanted: Mapping[str, int],
    *,
    limits: Limits,
    seed: int,
    pool: Sequence[str],
) -> dict[str, list[Example]]:
    """Questions of every task but `read` about the objects of one split.

    Args:
        wanted: Most examples of each task; there are fewer where there are fewer objects.
        pool: Argument names to ask for in `has`, as `name_pool` gives them.
    """

    def shuffled(task: str) -> list[Entry]:
        return sorted(entries, key=lambda e: derive(seed, f"instruct/{task}/{e.object.name}"))

    def listing(task: str, ask_one: Callable[[Entry, int], Example]) -> Iterator[Example]:
        return (ask_one(e, seed) for e in _few_without_names(shuffled(task)))

    found: dict[str, Iterable[Example]] = {
        "args": listing("args", questions.ask_args),
        "json": listing("json", questions.ask_json),
        "dflt": _defaults(shuffled("dflt"), limits, wanted["dflt"], seed),
        "has": _presences(shuffled("has"), pool, seed),
        "recall": (questions.ask_recall(e, seed) for e in shuffled("recall") if _summarised(e)),
        "must": _musts(shuffled("must"), wanted["must"], seed),
    }
    return {
        task: _first(filter(limits.fits, examples), wanted[task])
        for task, examples in found.items()
    }


def ask_readings(
    entries: Sequence[Entry], wanted: int, *, limits: Limits, seed: int
) -> list[Reading]:
    """The `read` questions about the objects of one split."""
    near = neighbours(entries)
    order = sorted(entries, key=lambda e: derive(seed, f"instruct/read/{e.object.name}"))
    asked = (
        ask_read(entry, near, seed, max_chars=limits.max_prompt_chars)
        for entry in order
        if _summarised(entry)
    )
    fitting = (reading for reading in asked if reading and limits.fits(reading.example))
    return _first(fitting, wanted)


def name_pool(entries: Iterable[Entry]) -> list[str]:
    """Every argument name as often as signatures have it."""
    return [parameter.name for entry in entries for parameter in _named(entry)]


def cap_shares(
    items: Sequence[T], key: Callable[[T], Hashable], share: float, limit: int | None = None
) -> list[T]:
    """The longest beginning-first choice in which no key has more than `share` of the items.

    With fewer than `1 / share` keys that cannot be; then every key keeps as many as the rarest
    keys allow, at least one.
    """
    counts = Counter(key(item) for item in items)
    total = len(items)
    while True:
        most = max(int(share * total), 1)
        fitting = sum(min(count, most) for count in counts.values())
        if fitting >= total:
            break
        total = fitting
    total = total if limit is None else min(total, limit)
    most = max(int(share * total), 1)
    taken: Counter[Hashable] = Counter()
    kept: list[T] = []
    for item in items:
        if len(kept) < total and taken[key(item)] < most:
            taken[key(item)] += 1
            kept.append(item)
    return kept


def _first(items: Iterable[T], limit: int) -> list[T]:
    return [item for item, _ in zip(items, range(limit), strict=False)]


def _named(entry: Entry) -> tuple[Parameter, ...]:
    signature = entry.object.signature
    return signature.named() if signature is not None else ()


def _summarised(entry: Entry) -> bool:
    return len(entry.object.doc.summary.split()) >= _SHORTEST_SUMMARY_WORDS


def _few_without_names(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Objects with a signature; those without arguments only up to their share."""
    seen = nameless = 0
    for entry in entries:
        if entry.object.signature is None:
            continue
        if not _named(entry):
            if nameless >= _NONE_SHARE * seen:
                continue
            nameless += 1
        seen += 1
        yield entry


def _defaults(entries: Sequence[Entry], limits: Limits, limit: int, seed: int) -> list[Example]:
    """A default of every parameter that has one, none of the answers too common."""
    asked = [
        questions.ask_default(entry, parameter, seed)
        for entry in entries
        for parameter in _named(entry)
        if parameter.default is not None and _is_tellable(parameter.default)
    ]
    order = sorted(asked, key=lambda example: derive(seed, f"instruct/order/{example.id}"))
    fitting = [example for example in order if limits.fits(example)]
    return cap_shares(fitting, lambda e: e.answer, limits.max_share_of_one_answer, limit)


def _is_tellable(default: str) -> bool:
    """Not `<object object>`, and short."""
    return "<" not in default and len(default) <= _LONGEST_DEFAULT_CHARS


def _presences(entries: Iterable[Entry], pool: Sequence[str], seed: int) -> Iterator[Example]:
    """Names that are in a signature and names that are not, in turn.

    Wrong names are drawn from all signatures, as often as they stand there, or overlap with a right
    one, so that a name alone does not tell the answer.
    """
    vocabulary = sorted({name for name, count in Counter(pool).items() if count > 1})
    present = True
    for entry in entries:
        names = [parameter.name for parameter in _named(entry)]
        if not names or entry.object.signature is None or entry.object.signature.takes_any_name():
            continue
        draw = _Draw(seed, f"instruct/has/{entry.object.name}")
        if present:
            name = draw.one(names, "right")
        else:
            wrong = _overlapping(names, vocabulary)
            hard = wrong and fraction(seed, f"instruct/hard/{entry.object.name}") < _HARD_SHARE
            name = draw.one(wrong, "hard") if hard else draw.absent(pool, names)
        if name:
            yield questions.ask_has(entry, name, seed)
            present = not present


@dataclass(frozen=True, slots=True)
class _Draw:
    """Choices that depend on a seed and a name only."""

    seed: int
    name: str

    def one(self, options: Sequence[str], purpose: str) -> str:
        """One of the options."""
        return options[derive(self.seed, f"{self.name}/{purpose}") % len(options)]

    def absent(self, pool: Sequence[str], names: Sequence[str]) -> str:
        """One of the pool that is not among the names; empty when eight draws find none."""
        drawn = (self.one(pool, f"wrong {attempt}") for attempt in range(8))
        return next((name for name in drawn if name not in names), "")


def _overlapping(names: Sequence[str], vocabulary: Sequence[str]) -> list[str]:
    """Other names that contain one of the names, or are contained in one."""
    long = [name for name in names if len(name) >= _SHORTEST_OVERLAP_CHARS]
    return [
        other
        for other in vocabulary
        if len(other) >= _SHORTEST_OVERLAP_CHARS
        and other not in names
        and any(other in name or name in other for name in long)
    ]


def _musts(entries: Sequence[Entry], limit: int, seed: int) -> list[Example]:
    """Signatures where some, all or none of the arguments must be given."""
    kinds: dict[str, list[Entry]] = {"mixed": [], "all": [], "none": []}
    for entry in entries:
        required = _n_required(entry)
        if names := len(_named(entry)):
            kinds["none" if not required else "all" if required == names else "mixed"].append(entry)
    mixed = cap_shares(kinds["mixed"], _n_required, _MUST_SHARE, round(limit * _MUST_MIXED))
    others = round(len(mixed) * (1 - _MUST_MIXED) / _MUST_MIXED / 2)
    chosen = [
        *mixed,
        *cap_shares(kinds["all"], _n_required, _MUST_SHARE, others),
        *kinds["none"][:others],
    ]
    order = sorted(chosen, key=lambda e: derive(seed, f"instruct/must/{e.object.name}"))
    return [questions.ask_must(entry, seed) for entry in order]


def _n_required(entry: Entry) -> int:
    return sum(parameter.default is None for parameter in _named(entry))
