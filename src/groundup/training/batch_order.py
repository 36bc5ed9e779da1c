"""Which batch a step takes: the next one that is not left out."""

from collections.abc import Iterable, Sequence

__all__ = ["BatchOrder"]


class BatchOrder:
    """Steps to batch numbers, both from 0; without skipped batches they are equal."""

    def __init__(self) -> None:
        self._skipped: list[tuple[int, int]] = []  # first and last, in order, never touching

    @classmethod
    def of(cls, ranges: Iterable[Sequence[int]]) -> "BatchOrder":
        """The order that `state` describes."""
        order = cls()
        order._skipped = [(int(first), int(last)) for first, last in ranges]
        return order

    def batch_of(self, step: int) -> int:
        """Number of the batch that a step takes."""
        batch = step
        for first, last in self._skipped:
            if batch < first:
                break
            batch += last - first + 1
        return batch

    def step_of(self, batch: int) -> int | None:
        """The step that takes a batch; None for one that is left out."""
        before = 0
        for first, last in self._skipped:
            if first <= batch <= last:
                return None
            before += max(0, min(batch, last + 1) - first)
        return batch - before

    def skip_from(self, first_step: int, last_step: int) -> None:
        """Leaves out the batches of these steps, and those between that were left out before."""
        wanted = (self.batch_of(first_step), self.batch_of(last_step))
        merged: list[tuple[int, int]] = []
        for first, last in sorted([*self._skipped, wanted]):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
            else:
                merged.append((first, last))
        self._skipped = merged

    @property
    def n_skipped(self) -> int:
        """Batches left out so far."""
        return sum(last - first + 1 for first, last in self._skipped)

    def state(self) -> list[list[int]]:
        """First and last number of every stretch of batches that is left out."""
        return [[first, last] for first, last in self._skipped]
