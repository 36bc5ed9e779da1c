"""Which checkpoints a run has, and which of them are removed."""

import re
import shutil
from collections.abc import Collection
from pathlib import Path

from groundup.core.artifact import RunDir
from groundup.core.publish import remove

__all__ = [
    "FOLDER",
    "drop_after",
    "drop_all",
    "drop_old",
    "folder_of",
    "folders",
    "set_aside",
    "steps",
]

FOLDER = "checkpoints"
_NAME = re.compile(r"step_(\d+)")


def folder_of(out: RunDir, step: int) -> Path:
    """Where the checkpoint of a step is, or would be."""
    return out.path / FOLDER / f"step_{step:06d}"


def folders(root: Path) -> list[Path]:
    """Whole checkpoints in `checkpoints/`, oldest first."""
    found = [(_NAME.fullmatch(p.name), p) for p in root.iterdir()] if root.is_dir() else []
    return [path for _, path in sorted((int(m[1]), path) for m, path in found if m)]


def steps(out: RunDir) -> list[int]:
    """Steps of the checkpoints that are there, in order."""
    return [int(path.name.removeprefix("step_")) for path in folders(out.path / FOLDER)]


def drop_old(
    root: Path, *, keep: int, keep_every_steps: int | None, spared: Collection[Path]
) -> None:
    """Removes all but the last `keep`, multiples of `keep_every_steps`, and those spared."""
    for path in _passing(folders(root), keep_every_steps)[:-keep]:
        if path not in spared:
            _remove(path)


def drop_after(out: RunDir, step: int) -> None:
    """Removes the checkpoints of steps that are undone, the last one first.

    Killed in between, the run goes on from one of them and comes to undo the same steps.
    """
    for later in reversed([found for found in steps(out) if found > step]):
        _remove(folder_of(out, later))


def drop_all(out: RunDir, *, keep: int = 0, keep_every_steps: int | None = None) -> None:
    """Removes a finished run's checkpoints but those to keep; the folder goes when empty.

    Arguments as `drop_old`.
    """
    root = out.path / FOLDER
    found = _passing(folders(root), keep_every_steps)
    for path in [*found[: len(found) - keep], *root.glob("*.damaged")]:
        _remove(path)
    if root.is_dir() and not any(root.iterdir()):
        root.rmdir()


def _passing(found: list[Path], keep_every_steps: int | None) -> list[Path]:
    """Those that are not kept for good."""
    numbers = [int(path.name.partition("_")[2]) for path in found]
    return [
        path
        for step, path in zip(numbers, found, strict=True)
        if keep_every_steps is None or step % keep_every_steps
    ]


def set_aside(damaged: Collection[Path]) -> None:
    """Renames checkpoints so that they count no longer."""
    for path in damaged:
        aside = path.with_name(f"{path.name}.damaged")
        remove(aside)
        path.replace(aside)


def _remove(folder: Path) -> None:
    """Removes a folder so that a kill in the middle leaves nothing that looks whole."""
    doomed = folder.with_name(f"{folder.name}.partial")
    folder.replace(doomed)
    shutil.rmtree(doomed)
