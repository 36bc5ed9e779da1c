"""A run directory as the ranks above 0 see it: rank 0 holds its lock and writes everything."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from groundup.core.artifact import RunDir
from groundup.core.metrics import Metrics

__all__ = ["FollowedRun"]


class _NoMetrics(Metrics):
    """Writes nothing: rank 0 does."""

    def __init__(self) -> None:
        pass

    def log(self, step: int, **values: float | int | str) -> None:
        """Does nothing."""


class FollowedRun(RunDir):
    """Has the path, the key and a place for the summary; takes no lock and leaves no trace."""

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key
        self.summary = {}
        self.metrics = _NoMetrics()

    @contextmanager
    def publish(self, name: str) -> Iterator[Path]:
        """Refuses.

        Raises:
            AssertionError: Always; a rank above 0 has nothing to publish.
        """
        raise AssertionError(f"{name}: only rank 0 publishes")
        yield self.path
