"""How often each piece of a text occurs, in bounded memory.

A stream with ever more different pieces (names, numbers, clauses of a script without spaces) would
fill any table. When the pieces held exceed `capacity_bytes`, the rare ones are thinned by threshold
sampling (Duffield, Lund, Thorup 2005, "Learn more, sample less", IEEE Trans. Information Theory
51(5)): of the pieces counted fewer than t times, every t-th occurrence in order of first sight
stands for t. Counts of pieces that reach t stay as they are, and the sum of all counts stays equal
to within t, so no script is lost because its pieces are all different. Differs from the paper: the
sample is systematic, every t-th, instead of random; the result depends on nothing but the stream.

Counts are Python integers, so none overflows.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache

import regex

from groundup.tokens.split import PATTERNS, PatternName

__all__ = ["PieceCounts", "cutter", "estimated_bytes", "repeated", "scaled", "size_of"]

_BLOCK = 2**12  # characters looked at together by `estimated_bytes`
_EVERY = 32  # one block of so many
_PERIOD = _BLOCK * _EVERY
_CHECK_EVERY = 2**17  # pieces that come in between two measurements of the table
_REPEATED_CHARACTERS = 2**14


@cache
def cutter(pattern: PatternName) -> Callable[[str], list[str]]:
    """Cuts a text into pieces as rustbpe and tiktoken do, characters newer than `regex` aside."""
    expression = PATTERNS[pattern]
    # in Rust `\s` is Unicode's White_Space
    expression = expression.replace(r"\s", r"\p{White_Space}").replace(r"\S", r"\P{White_Space}")
    compiled: regex.Pattern[str] = regex.compile(expression)
    return compiled.findall


def size_of(pieces: Iterable[str]) -> int:
    """UTF-8 bytes of some pieces."""
    return sum(len(piece.encode()) for piece in pieces)


def estimated_bytes(texts: Iterable[str], pattern: PatternName) -> tuple[int, int]:
    """UTF-8 bytes of texts, and an estimate of those of their different pieces.

    Looks at one block in 32. Between half of these blocks and all of them the different pieces grow
    by a power of the text's length; the estimate goes on with that power (Heaps 1978, "Information
    Retrieval", section 7.5). As growth slows down with length it errs upwards.
    """
    total = position = 0
    half: set[str] = set()
    other: set[str] = set()
    for text in texts:
        total += len(text.encode())
        for start in range(-(position % _PERIOD), len(text), _PERIOD):
            is_even = (position + start) // _PERIOD % 2 == 0
            (half if is_even else other).update(_block(text, start, cutter(pattern)))
        position += len(text)
    n_half, n_all = size_of(half), size_of(half | other)
    power = math.log2(max(n_all, 1) / max(n_half, 1))
    return total, round(n_all * _EVERY ** min(power, 1.0))


def _block(text: str, start: int, cut: Callable[[str], list[str]]) -> list[str]:
    """Pieces of one block of a text, which may begin before it; none that the block cuts."""
    first = 1 if start > 0 else 0
    last = -1 if start + _BLOCK < len(text) else None
    return cut(text[max(start, 0) : max(start + _BLOCK, 0)])[first:last]


class PieceCounts:
    """Counts of pieces that never hold much more than a given number of bytes of them.

    Attributes:
        counts: Piece to how often it occurred; an estimate once the table was thinned.
        threshold: Pieces that occur at least this often are counted in full; 1 when all are.
    """

    def __init__(self, *, capacity_bytes: int) -> None:
        self.counts: Counter[str] = Counter()
        self.threshold = 1
        self._capacity_bytes = capacity_bytes
        self._check_at = _CHECK_EVERY

    def add(self, pieces: Iterable[str]) -> None:
        """Counts some pieces."""
        self.counts.update(pieces)
        if len(self.counts) >= self._check_at:
            if size_of(self.counts) > self._capacity_bytes:
                self.thin(self._capacity_bytes // 2)
            self._check_at = len(self.counts) + _CHECK_EVERY

    def thin(self, limit_bytes: int) -> None:
        """Thins the rare pieces until those held have about `limit_bytes` at most."""
        sizes: Counter[int] = Counter()
        for piece, count in self.counts.items():
            sizes[count] += len(piece.encode())
        threshold = 1
        while _expected(sizes, threshold) > limit_bytes:
            threshold *= 2
        if threshold > 1:
            self.threshold = max(self.threshold, threshold)
            self.counts = Counter(_sampled(self.counts, threshold))


def _expected(sizes: Mapping[int, int], threshold: int) -> float:
    """Bytes of pieces left by a threshold."""
    return sum(size * min(1.0, count / threshold) for count, size in sizes.items())


def _sampled(counts: Mapping[str, int], threshold: int) -> dict[str, int]:
    kept: dict[str, int] = {}
    passed = threshold // 2
    for piece, count in counts.items():
        if count >= threshold:
            kept[piece] = count
            continue
        passed += count
        if passed >= threshold:
            passed -= threshold
            kept[piece] = threshold
    return kept


def scaled(counts: Mapping[str, int], limit_bytes: int) -> dict[str, int]:
    """Counts divided by the smallest power of two that makes the text of `limit_bytes` at most.

    Rounded half up; pieces that round to zero go.
    """
    size = {piece: len(piece.encode()) for piece in counts}
    shift = 0
    while True:
        half = (1 << shift) >> 1
        divided = {piece: (count + half) >> shift for piece, count in counts.items()}
        if sum(size[piece] * count for piece, count in divided.items()) <= limit_bytes:
            return {piece: count for piece, count in divided.items() if count}
        shift += 1


def repeated(counts: Mapping[str, int], pattern: PatternName) -> Iterator[str]:
    """Texts that are cut into each piece as often as it counts.

    Between two occurrences stands, where needed, one character that is a piece of its own; as it
    is a single byte there is nothing in it to merge. Pieces of one byte are left out for that.
    """
    cut = cutter(pattern)
    for piece, count in counts.items():
        if len(piece.encode()) == 1:
            continue
        unit = _unit(piece, cut)
        if unit is None:
            yield from (piece for _ in range(count))
            continue
        at_once = max(1, _REPEATED_CHARACTERS // len(unit))
        full, rest = divmod(count, at_once)
        yield from (unit * at_once for _ in range(full))
        if rest:
            yield unit * rest


def _unit(piece: str, cut: Callable[[str], list[str]]) -> str | None:
    """The piece and what must follow it so that repetitions are cut apart; None when nothing does.

    Three repetitions show every neighbourhood there is: no expression looks further than one piece.
    """
    for separator in ("", "\n", "a", "1", "."):
        parts = [piece, separator] if separator else [piece]
        if cut("".join(parts) * 3) == parts * 3:
            return "".join(parts)
    return None
