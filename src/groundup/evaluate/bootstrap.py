"""Intervals for means and for paired differences, by resampling whole groups.

Questions about one thing (the arguments of one function, say) are not independent, so a resample
draws groups with replacement and takes all questions of each: the cluster bootstrap (Field and
Welsh 2007, "Bootstrapping clustered data", section 2). Intervals are percentile intervals (Efron
1979). Comparing two models on the same questions, the difference is taken question by question
before resampling, which is what makes small differences visible.

Letters: N question or group.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from groundup.core import seeds

__all__ = ["Interval", "mean", "paired"]

CONFIDENCE = 0.95
REPLICATES = 10_000
_DRAWS_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95% interval.

    Attributes:
        mean: Mean over the questions.
        low: Lower end; None when there are fewer than two groups, so that nothing is known.
        high: Upper end; None likewise.
        n: Questions.
        groups: Groups they fall into.
    """

    mean: float
    low: float | None
    high: float | None
    n: int
    groups: int

    def as_json(self) -> dict[str, float | int | None]:
        """The same as a JSON object."""
        return asdict(self)

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside, so that a difference is told from chance."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def mean(
    values: Sequence[float],
    groups: Sequence[str],
    *,
    seed: int,
    replicates: int = REPLICATES,
) -> Interval:
    """Mean of `values` with its interval; `groups` names the group of each value.

    Raises:
        ValueError: No values, or not one group for each.
    """
    values_N = np.asarray(values, dtype=np.float64)
    if len(values_N) == 0 or len(values_N) != len(groups):
        raise ValueError(f"{len(values_N)} values and {len(groups)} groups")
    _, group_N = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    sums_N = np.bincount(group_N, weights=values_N)
    sizes_N = np.bincount(group_N).astype(np.float64)
    count = len(sums_N)
    low, high = None, None
    if count > 1:
        means = _resampled_means(sums_N, sizes_N, seed=seed, replicates=replicates)
        tail = 100.0 * (1.0 - CONFIDENCE) / 2.0
        low, high = (float(end) for end in np.percentile(means, [tail, 100.0 - tail]))
    return Interval(float(values_N.mean()), low, high, len(values_N), count)


def _resampled_means(
    sums_N: np.ndarray, sizes_N: np.ndarray, *, seed: int, replicates: int
) -> np.ndarray:
    """Mean of each resample of the groups; N counts groups."""
    generator = seeds.generator(seed, "bootstrap")
    count = len(sums_N)
    rows = max(1, _DRAWS_AT_ONCE // count)
    parts = []
    for start in range(0, replicates, rows):
        drawn = generator.integers(0, count, size=(min(rows, replicates - start), count))
        parts.append(sums_N[drawn].sum(axis=1) / sizes_N[drawn].sum(axis=1))
    return np.concatenate(parts)


def paired(
    first: Sequence[float],
    second: Sequence[float],
    groups: Sequence[str],
    *,
    seed: int,
    replicates: int = REPLICATES,
) -> Interval:
    """Mean of `first - second`, values of two models on the same questions in the same order.

    Raises:
        ValueError: The lengths differ or are zero.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} values cannot be paired with {len(second)}")
    differences = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    return mean(differences.tolist(), groups, seed=seed, replicates=replicates)
