"""A curve in one line of text, for the terminal."""

import math
from itertools import pairwise

__all__ = ["Curve"]

BARS = "▁▂▃▄▅▆▇█"
KEPT_VALUES = 512


class Curve:
    """Values in the order in which they came; old ones are merged so that memory stays bounded."""

    def __init__(self) -> None:
        self._values: list[float] = []
        self._each = 1  # values that one kept value is the mean of
        self._open: list[float] = []

    def add(self, value: float) -> None:
        """Appends a value; one that is not finite is left out."""
        if not math.isfinite(value):
            return
        self._open.append(value)
        if len(self._open) < self._each:
            return
        self._values.append(sum(self._open) / self._each)
        self._open = []
        if len(self._values) == KEPT_VALUES:
            pairs = zip(self._values[::2], self._values[1::2], strict=True)
            self._values = [(left + right) / 2 for left, right in pairs]
            self._each *= 2

    def drawn(self, width: int) -> str:
        """The whole curve in at most `width` characters; empty with fewer than two values.

        Heights are logarithmic when all values are above 0, as a loss falls fast first and slowly
        later.
        """
        values = self._values
        if len(values) < 2 or width < 2:
            return ""
        columns = min(width, len(values))
        edges = [len(values) * column // columns for column in range(columns + 1)]
        means = [sum(values[start:end]) / (end - start) for start, end in pairwise(edges)]
        heights = [math.log(mean) for mean in means] if min(means) > 0 else means
        low, high = min(heights), max(heights)
        if high == low:
            return BARS[0] * columns
        steps = len(BARS) - 1
        return "".join(BARS[round((height - low) / (high - low) * steps)] for height in heights)
