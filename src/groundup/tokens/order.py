"""The order in which an epoch visits its rows: a keyed permutation, computed and never stored.

Small epochs sort the rows by a hash and keep the result; above `SORTED_ROWS` an epoch keeps nothing
and computes each place, because a table of 10^9 rows would take 8 GB. Both are written out, because
NumPy's own permutations may change from version to version, and with them the result of a resumed
run.
"""

from typing import Protocol

import numpy as np

from groundup.core.seeds import derive

__all__ = ["SORTED_ROWS", "FeistelOrder", "Order", "SortedOrder", "epoch_order"]

SORTED_ROWS = 2**22
"""Largest epoch that is sorted: 32 MiB for its table, under a second to make it."""

_ROUNDS = 6
_WORD = 2**64 - 1
_GAMMA, _MIX_1, _MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


class Order(Protocol):
    """A permutation of the rows 0 to n - 1."""

    def row_at(self, position: int) -> int:
        """The row that is visited as number `position`, from 0."""

    def position_of(self, row: int) -> int:
        """As which number a row is visited."""


def epoch_order(n: int, key: int) -> Order:
    """The order of n rows that `key` names."""
    return SortedOrder(n, key) if n <= SORTED_ROWS else FeistelOrder(n, key)


class SortedOrder:
    """The order of a keyed 64-bit hash of 0..n-1; holds 8 bytes a row.

    The hash is SplitMix64: Steele, Lea, Flood 2014, "Fast splittable pseudorandom number
    generators", figure 17, with the constants of Vigna's splitmix64.c.
    """

    def __init__(self, n: int, key: int) -> None:
        z = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(_GAMMA) + np.uint64(key)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(_MIX_1)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(_MIX_2)
        z = z ^ (z >> np.uint64(31))
        self._rows = np.argsort(z, kind="stable")

    def row_at(self, position: int) -> int:
        """The row that is visited as number `position`, from 0."""
        return int(self._rows[position])

    def position_of(self, row: int) -> int:
        """As which number a row is visited; looks through the table."""
        return int(np.flatnonzero(self._rows == row)[0])


class FeistelOrder:
    """A Feistel network over the smallest even number of bits that holds n; holds its round keys.

    Numbers of n and above are walked on until one below n comes: Black and Rogaway 2002, "Ciphers
    with arbitrary finite domains", section 3 (cycle-walking cipher); fewer than 4 steps on average.
    The round function is SplitMix64's finaliser. Four rounds of a random function suffice in theory
    (Luby and Rackoff 1988); this takes six of a good one, as no adversary chooses the rows.
    """

    def __init__(self, n: int, key: int) -> None:
        self._n = n
        self._half_bits = max(1, ((n - 1).bit_length() + 1) // 2)
        self._keys = [derive(key, f"tokens/round/{number}") for number in range(_ROUNDS)]

    def row_at(self, position: int) -> int:
        """The row that is visited as number `position`, from 0."""
        row = self._forward(position)
        while row >= self._n:
            row = self._forward(row)
        return row

    def position_of(self, row: int) -> int:
        """As which number a row is visited."""
        position = self._backward(row)
        while position >= self._n:
            position = self._backward(position)
        return position

    def _forward(self, value: int) -> int:
        left, right = value >> self._half_bits, value & ((1 << self._half_bits) - 1)
        for key in self._keys:
            left, right = right, left ^ self._round(right, key)
        return left << self._half_bits | right

    def _backward(self, value: int) -> int:
        left, right = value >> self._half_bits, value & ((1 << self._half_bits) - 1)
        for key in reversed(self._keys):
            left, right = right ^ self._round(left, key), left
        return left << self._half_bits | right

    def _round(self, half: int, key: int) -> int:
        z = ((half + 1) * _GAMMA + key) & _WORD
        z = ((z ^ (z >> 30)) * _MIX_1) & _WORD
        z = ((z ^ (z >> 27)) * _MIX_2) & _WORD
        return (z ^ (z >> 31)) >> (64 - self._half_bits)
