"""Feeds a tracker from a run's `metrics.jsonl`, each measurement once.

A cursor beside the tracker's files says where the last step in it begins. A feed that goes on from
there makes the tracker forget that step and sends it again, so it does not matter whether the
process before was killed between sending and moving the cursor.
"""

import json
import threading
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from groundup.core.errors import MissingArtifact
from groundup.core.manifest import read_manifest
from groundup.core.publish import publish
from groundup.track.sinks import Sink, open_sink

__all__ = ["Feed", "follow", "open_feed", "tracker_folder"]

EVERY_S = 5.0
CURSOR = "cursor.json"
_NO_MEASUREMENT = {"step", "time_s"}


def tracker_folder(run: Path, tracker: str) -> Path:
    """Where a tracker keeps a run's files: outside the run, whose files never change any more."""
    run = run.resolve()
    return run.parents[1] / "trackers" / tracker / run.parent.name / run.name


class Feed:
    """One run on its way into one tracker.

    Args:
        run: The run directory, finished or not.
        folder: The tracker's files of this run.
        sink: The tracker.
    """

    def __init__(self, run: Path, folder: Path, sink: Sink) -> None:
        self._metrics, self._folder, self._sink = run / "metrics.jsonl", folder, sink
        self._step = -1
        self._step_begins_at = self._offset = 0
        self._names: set[str] = set()
        cursor = folder / CURSOR
        if cursor.exists():
            found = json.loads(cursor.read_text(encoding="utf-8"))
            self._step = int(found["step"])
            self._step_begins_at = self._offset = int(found["step_begins_at"])
            sink.rewind(self._step)

    def catch_up(self) -> int:
        """Sends what has been measured since; returns the number of lines."""
        if not self._metrics.exists():
            return 0
        with self._metrics.open("rb") as file:
            file.seek(self._offset)
            lines = file.read().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]  # the last may still be written
        rows = [json.loads(line) for line in whole]
        if not rows:
            return 0
        started_s = self._metrics.stat().st_mtime - float(rows[-1]["time_s"])
        for line, row in zip(whole, rows, strict=True):
            self._send(row, started_s)
            self._offset += len(line)
        self._sink.flush()
        with publish(self._folder / CURSOR) as partial:
            content = {"step": self._step, "step_begins_at": self._step_begins_at}
            partial.write_text(json.dumps(content), encoding="utf-8")
        return len(rows)

    def _send(self, row: dict[str, Any], started_s: float) -> None:
        step = int(row["step"])
        values = {
            name: float(value)
            for name, value in row.items()
            if name not in _NO_MEASUREMENT and isinstance(value, int | float)
        }
        if step < self._step or (step == self._step and self._names & values.keys()):
            self._sink.rewind(step)  # the run was resumed, or taken back
            self._names.clear()
            self._step_begins_at = self._offset
        if step != self._step:
            self._names.clear()
            self._step_begins_at = self._offset
        self._step = step
        self._names |= values.keys()
        self._sink.write(step, started_s + float(row["time_s"]), values)


def open_feed(run: Path, tracker: str) -> tuple[Feed, Sink]:
    """A run's feed into a tracker, and the tracker to close after.

    Raises:
        MissingArtifact: There is no such run.
        ConfigError: The tracker's package is not installed.
    """
    manifest = read_manifest(run)
    if manifest is None:
        raise MissingArtifact(
            f"{run} is not a run directory",
            hint="`ls runs/*` shows the runs; give one of those folders",
        )
    folder = tracker_folder(run, tracker)
    config = tomllib.loads((run / "config.toml").read_text(encoding="utf-8"))
    about = {
        "key": manifest.key, "name": manifest.name, "stage": manifest.stage, "config": config
    }  # fmt: skip
    sink = open_sink(tracker, folder, about)
    return Feed(run, folder, sink), sink


@contextmanager
def follow(run: Path, trackers: Sequence[str]) -> Iterator[None]:
    """While inside, a thread feeds the trackers every few seconds, and all that is left at the end.

    Raises:
        ConfigError: A tracker's package is not installed.
    """
    with ExitStack() as ends:
        feeds = []
        for tracker in trackers:
            feed, sink = open_feed(run, tracker)
            ends.callback(sink.close)
            ends.callback(feed.catch_up)
            feeds.append(feed)
        if feeds:
            ends.callback(_keep_feeding(feeds))
        yield


def _keep_feeding(feeds: Sequence[Feed]) -> Any:
    """Starts the thread; returns what ends it."""
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(EVERY_S):
            for feed in feeds:
                feed.catch_up()

    thread = threading.Thread(target=work, name="trackers", daemon=True)
    thread.start()

    def end() -> None:
        ended.set()
        thread.join()

    return end
