"""Runs one task for each shard on Daft: in processes here, on a cluster with Daft's Ray runner.

The unit is a shard, and its mark (`<task>/00003.json`, the task's numbers) is written last and
whole. A killed run therefore loses at most the shards in flight: the next run skips those with a
mark. Workers of a killed run finish their shard before they end; that they write the same bytes to
the same names, through unique partial files, makes them harmless.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from groundup.core.errors import GroundupError
from groundup.corpus.pages import Shard, whole

__all__ = ["ShardTask", "each_shard", "engine"]


class ShardTask(Protocol):
    """What is done to a shard; picklable.

    Attributes:
        name: Names the folder of its marks.
        label: Names it to people.
        processes: Whether several at a time need a process each: when its work holds Python's
            interpreter lock.
    """

    name: str
    label: str
    processes: bool

    def __call__(self, shard: Shard) -> dict[str, Any]:
        """Does the work, publishes its files, returns its numbers (JSON values)."""


def engine() -> Any:
    """Daft, without telemetry and progress bars of its own."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("DAFT_PROGRESS_BAR", "0")
    import daft

    return daft


def each_shard(
    task: ShardTask, shards: Sequence[Shard], work: Path, *, workers: int
) -> list[dict[str, Any]]:
    """Runs a task for each shard without a mark; returns the numbers of all, in shard order.

    Raises:
        GroundupError: What the task raised in a worker.
    """
    from groundup.core.console import progress  # not needed in workers, which import this module

    marks = work / task.name
    marks.mkdir(parents=True, exist_ok=True)
    todo = [shard for shard in shards if not _mark(marks, shard).exists()]
    with progress(task.label, len(shards), "files") as bar:
        bar.resume_at(len(shards) - len(todo))
        for pages in _run(task, todo, marks, workers) if todo else ():
            bar.update(1, info=f"{pages:,} pages in the last")
    return [json.loads(_mark(marks, shard).read_text("utf-8")) for shard in shards]


def _mark(marks: Path, shard: Shard) -> Path:
    return marks / f"{shard.name}.json"


def _run(task: ShardTask, todo: Sequence[Shard], marks: Path, workers: int) -> Iterator[int]:
    """Number of pages of each shard as it is finished."""
    daft: Any = engine()
    frame = daft.from_pydict({"shard": [json.dumps(asdict(shard)) for shard in todo]})
    on_ray = daft.runners.get_or_create_runner().name == "ray"
    frame = frame.into_partitions(len(todo)) if on_ray else frame.into_batches(1)
    lanes = min(workers, len(todo))
    apart = task.processes and lanes > 1  # one lane has nobody to share the interpreter with
    call = _in_processes(daft, task, marks, lanes) if apart else _here(daft, task, marks)
    for row in frame.select(call(daft.col("shard")).alias("answer")).iter_rows():
        answer = json.loads(row["answer"])
        if "message" in answer:
            raise GroundupError(answer["message"], hint=answer["hint"])
        yield answer["pages"]


def _in_processes(daft: Any, task: ShardTask, marks: Path, lanes: int) -> Any:
    """The task as a Daft class: each of `lanes` processes holds its own copy."""

    @daft.cls(use_process=True, max_concurrency=lanes)
    class Worker:
        def __init__(self, task: ShardTask, marks: str) -> None:
            self.task, self.marks = task, Path(marks)

        @daft.method.batch(return_dtype=daft.DataType.string(), batch_size=1)  # type: ignore[untyped-decorator]  # Daft is untyped here
        def run(self, shards: Any) -> list[str]:
            return [_work(self.task, self.marks, text) for text in shards.to_pylist()]

    return Worker(task, str(marks)).run


def _here(daft: Any, task: ShardTask, marks: Path) -> Any:
    """The task as a Daft function: runs in Daft's threads, and starts no process."""

    def run(shards: Any) -> list[str]:
        return [_work(task, marks, text) for text in shards.to_pylist()]

    batch = daft.func.batch(return_dtype=daft.DataType.string(), batch_size=1, use_process=False)
    return batch(run)


def _work(task: ShardTask, marks: Path, text: str) -> str:
    """One shard in a worker; our own errors travel back as text."""
    shard = Shard(**json.loads(text))
    try:
        numbers = task(shard)
    except GroundupError as error:
        return json.dumps({"message": error.message, "hint": error.hint})
    with whole(_mark(marks, shard)) as partial:
        partial.write_text(json.dumps(numbers, ensure_ascii=False), encoding="utf-8")
    return json.dumps({"pages": shard.rows})
