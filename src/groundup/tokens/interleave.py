"""Which source each row of a mixture comes from: shares that match the weights at every prefix.

Rows are given out like seats in a parliament, by Webster's method (Sainte-Lague): the next row goes
to the source with the smallest (2 n + 1) / w, where w is its weight and n the rows it has had; of
equals, the first. Sources: Balinski and Young 1982, "Fair Representation", appendix A; as a
scheduler of computing time, Waldspurger and Weihl 1995, "Stride Scheduling", MIT/LCS/TM-528.

So source s gets its j-th row (from 0) at "time" (j + 1/2) / w_s, and the order is that of the
times. That makes it stateless: the number of times up to a given one is a sum of roundings, for any
row and at once. After k rows of S sources with weights of sum 1, each has k w rows but for less
than 1/2 + w S / 2. All arithmetic is in whole numbers, hence exact at any step.

Differs from drawing a source at random for each row: there the shares of a short run are off by
chance, and a row's number in its own source could only be found by counting from the beginning.
"""

from collections.abc import Mapping
from fractions import Fraction
from math import lcm

__all__ = ["Interleave"]


class Interleave:
    """An endless sequence of sources.

    Attributes:
        names: The sources, in order of name.
        shares: Share of each, of sum 1.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        """Weights above 0, of any sum; taken as the decimal numbers they are written as."""
        self.names = sorted(weights)
        exact = [Fraction(str(weights[name])) for name in self.names]
        scale = lcm(*(weight.denominator for weight in exact))
        self._weights = [int(weight * scale) for weight in exact]
        self._sum = sum(self._weights)
        self.shares = [weight / self._sum for weight in self._weights]

    def counts(self, row: int) -> list[int]:
        """Rows before number `row` that come from each source."""
        # Up to time row - S each source has had a rounded share of it, in all at most row; what is
        # missing to row, fewer than 2 S, is given out one by one.
        time = max(0, row - len(self.names))
        counts = [(2 * time * weight + self._sum) // (2 * self._sum) for weight in self._weights]
        for _ in range(row - sum(counts)):
            counts[self._next(counts)] += 1
        return counts

    def rows(self, first: int, last: int) -> list[tuple[str, int]]:
        """Source of each row from `first` to `last` - 1, and its number in that source, from 0."""
        counts, found = self.counts(first), []
        for _ in range(last - first):
            chosen = self._next(counts)
            found.append((self.names[chosen], counts[chosen]))
            counts[chosen] += 1
        return found

    def row_of(self, name: str, number: int) -> int:
        """The row at which source `name` has its row `number`: what `rows` does, undone."""
        own = self.names.index(name)
        row = number
        for other, weight in enumerate(self._weights):
            if other == own:
                continue
            # j + 1/2 < (number + 1/2) w / w_own, or equal where the other comes first
            product, double = (2 * number + 1) * weight, 2 * self._weights[own]
            before = (product + self._weights[own]) // double
            tie = (product + self._weights[own]) % double == 0
            row += before - (tie and other > own)
        return row

    def _next(self, counts: list[int]) -> int:
        """The source with the smallest (2 n + 1) / w, compared crosswise."""
        best = 0
        for source in range(1, len(counts)):
            mine = (2 * counts[source] + 1) * self._weights[best]
            if mine < (2 * counts[best] + 1) * self._weights[source]:
                best = source
        return best
