"""Repeated word n-grams of a text, exactly and without hashing.

An n-gram can only repeat where both (n-1)-grams in it repeat, and equals another exactly when both
do. So level n looks at the places that level n-1 left over, which are few in real text.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ngrams"]

Ids = NDArray[np.int64]
ONCE = -1


class Ngrams:
    """The n-grams of a list of words; characters are those of the words, without white space."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        self._levels: list[Ids] = []

    @cached_property
    def _lengths(self) -> Ids:
        return np.fromiter(map(len, self._words), np.int64, len(self._words))

    @cached_property
    def _chars(self) -> int:
        return int(self._lengths.sum())

    def _ids(self, length: int) -> Ids:
        """For each start of an n-gram, a number for its words; `ONCE` where it does not repeat."""
        if not self._levels:
            numbers: dict[str, int] = {}
            ids = [numbers.setdefault(word, len(numbers)) for word in self._words]
            self._levels.append(_number(np.arange(len(ids)), np.array(ids, np.int64), len(ids)))
        while len(self._levels) < length:
            below = self._levels[-1]
            places = np.flatnonzero((below[:-1] != ONCE) & (below[1:] != ONCE))
            pairs = below[places] * (len(self._words) + 1) + below[places + 1]
            self._levels.append(_number(places, pairs, max(0, len(below) - 1)))
        return self._levels[length - 1]

    def repeated_fraction(self, length: int) -> float | None:
        """Fraction of characters in n-grams that occurred before; None without words."""
        if not self._chars:
            return None
        ids = self._ids(length)
        places = np.flatnonzero(ids != ONCE)
        _, first = np.unique(ids[places], return_index=True)
        starts = np.delete(places, first)
        edges = np.zeros(len(self._words) + 1, np.int64)
        edges[starts] += 1
        edges[starts + length] -= 1
        inside = np.cumsum(edges[:-1]) > 0
        return float(self._lengths[inside].sum() / self._chars)

    def top_fraction(self, length: int) -> float | None:
        """Fraction of characters in the most frequent n-gram; 0 when none occurs twice.

        Overlapping occurrences count twice, as in `a a a`, but the fraction never exceeds 1.
        """
        if not self._chars:
            return None
        ids = self._ids(length)
        places = np.flatnonzero(ids != ONCE)
        if not len(places):
            return 0.0
        _, first, counts = np.unique(ids[places], return_index=True, return_counts=True)
        most = counts.max()
        starts = places[first[counts == most]]
        ends = np.concatenate([[0], np.cumsum(self._lengths)])
        longest = (ends[starts + length] - ends[starts]).max()
        return min(1.0, float(most * longest / self._chars))


def _number(places: Ids, keys: Ids, size: int) -> Ids:
    """Small numbers for keys that occur at several places; `ONCE` everywhere else."""
    ids = np.full(size, ONCE, np.int64)
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    repeats = counts[inverse] > 1
    ids[places[repeats]] = inverse[repeats]
    return ids
