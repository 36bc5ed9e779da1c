"""Checkpoints: everything a killed training run needs to go on as if nothing had happened.

```text
checkpoints/step_000100/
├── model.safetensors       every trained weight and buffer, float32
├── optimizer.safetensors   the optimizer's state, named after the weights
└── state.json              step, version, sha256 of both files, and what the stage adds
```

A folder appears whole or not at all. Randomness is derived from the step, so step, weights and
optimizer state are the whole position. On a CPU a resumed run equals an uninterrupted one bit for
bit, provided it uses the same number of threads (the order of floating-point sums depends on it)
and the same PyTorch; on a GPU it agrees to rounding. No pickle: tensors are safetensors, the rest
JSON.
"""

import json
import logging
import re
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from groundup.core.artifact import RunDir, digest_file
from groundup.core.errors import CorruptArtifact
from groundup.training.optimizer import GroupedOptimizer

__all__ = ["Checkpoint", "drop_after", "drop_all", "load", "load_latest", "save", "steps"]

log = logging.getLogger(__name__)

VERSION = 1
FOLDER = "checkpoints"
_MODEL, _OPTIMIZER, _STATE = "model.safetensors", "optimizer.safetensors", "state.json"
_NAME = re.compile(r"step_(\d+)")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A position in training.

    Attributes:
        step: Optimizer steps that its weights have seen.
        state: What the stage saved beside the weights.
        path: Its folder.
    """

    step: int
    state: dict[str, Any]
    path: Path


def save(
    out: RunDir,
    step: int,
    model: nn.Module,
    optimizer: GroupedOptimizer,
    state: Mapping[str, Any] | None = None,
    *,
    keep: int = 2,
    keep_steps: Collection[int] = (),
) -> Path:
    """Publishes `checkpoints/step_NNNNNN` and removes all but the last `keep` and `keep_steps`.

    Args:
        step: Optimizer steps taken so far.
        state: JSON values to hand back when the run resumes.

    Returns:
        The folder.
    """
    name = f"{FOLDER}/{_name(step)}"
    with out.publish(name) as partial:
        partial.mkdir(parents=True)
        save_file(_cpu(_weights(model)), partial / _MODEL)
        save_file(_cpu(optimizer.tensors()), partial / _OPTIMIZER)
        content = {
            "version": VERSION,
            "step": step,
            "sha256": {file: digest_file(partial / file) for file in (_MODEL, _OPTIMIZER)},
            "state": dict(state or {}),
        }
        (partial / _STATE).write_text(json.dumps(content, indent=1), encoding="utf-8")
    for old in _folders(out)[:-keep]:
        if old.name not in map(_name, keep_steps):
            _remove(old)
    return out.path / name


def load_latest(out: RunDir, model: nn.Module, optimizer: GroupedOptimizer) -> Checkpoint | None:
    """Puts the last checkpoint's weights and optimizer state in place; None when there is none.

    Raises:
        CorruptArtifact: A file of it is missing, unreadable, or not the one that was written.
    """
    found = steps(out)
    return load(out, found[-1], model, optimizer) if found else None


def load(out: RunDir, step: int, model: nn.Module, optimizer: GroupedOptimizer) -> Checkpoint:
    """Puts the weights and optimizer state of one checkpoint in place.

    Raises:
        CorruptArtifact: A file of it is missing, unreadable, or not the one that was written.
    """
    path = out.path / FOLDER / _name(step)
    content = _read_state(path)
    for file, digest in content["sha256"].items():
        if not (path / file).is_file() or digest_file(path / file) != digest:
            raise _corrupt(path / file, "differs from what was written (sha256)")
    try:
        weights, moments = load_file(path / _MODEL), load_file(path / _OPTIMIZER)
    except SafetensorError as error:
        raise _corrupt(path, "cannot be read") from error
    _put(_weights(model), weights, path)
    optimizer.load_tensors(moments)
    log.info("going on after step %d (%s)", content["step"], path)
    return Checkpoint(step=int(content["step"]), state=dict(content["state"]), path=path)


def steps(out: RunDir) -> list[int]:
    """Steps of the checkpoints that are there, in order."""
    return [int(path.name.removeprefix("step_")) for path in _folders(out)]


def drop_after(out: RunDir, step: int) -> None:
    """Removes the checkpoints of steps that are undone, the last one first.

    Killed in between, the run goes on from one of them and comes to undo the same steps.
    """
    for later in reversed([found for found in steps(out) if found > step]):
        _remove(out.path / FOLDER / _name(later))


def drop_all(out: RunDir, *, keep: int = 0) -> None:
    """Removes a finished run's checkpoints but the last `keep`; the folder goes when empty."""
    folders = _folders(out)
    for path in folders[: len(folders) - keep]:
        _remove(path)
    root = out.path / FOLDER
    if root.is_dir() and not any(root.iterdir()):
        root.rmdir()


def _weights(model: nn.Module) -> dict[str, Tensor]:
    """Parameters (a shared one once) and the buffers that belong to the saved model."""
    kept = model.state_dict(keep_vars=True)
    buffers = {name: value for name, value in model.named_buffers() if name in kept}
    return {**dict(model.named_parameters()), **buffers}


def _cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}


@torch.no_grad()
def _put(into: Mapping[str, Tensor], saved: Mapping[str, Tensor], path: Path) -> None:
    if into.keys() != saved.keys() or any(into[n].shape != saved[n].shape for n in into):
        raise _corrupt(path, "holds the weights of a model of another shape")
    for name, value in into.items():
        value.copy_(saved[name])


def _read_state(path: Path) -> dict[str, Any]:
    try:
        content = json.loads((path / _STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _corrupt(path / _STATE, "cannot be read") from error
    if not isinstance(content, dict) or content.get("version") != VERSION:
        raise _corrupt(path / _STATE, f"is not of version {VERSION}")
    return content


def _corrupt(path: Path, reason: str) -> CorruptArtifact:
    folder = path if path.is_dir() else path.parent
    return CorruptArtifact(
        f"checkpoint {path} {reason}",
        hint=f"`rm -r {folder}` and run the same command again: it goes on from the checkpoint "
        "before, or from the start when there is none",
    )


def _name(step: int) -> str:
    return f"step_{step:06d}"


def _folders(out: RunDir) -> list[Path]:
    """Whole checkpoints, oldest first."""
    root = out.path / FOLDER
    found = [(_NAME.fullmatch(p.name), p) for p in root.iterdir()] if root.is_dir() else []
    return [path for _, path in sorted((int(m[1]), path) for m, path in found if m)]


def _remove(folder: Path) -> None:
    """Removes a folder so that a kill in the middle leaves nothing that looks whole."""
    doomed = folder.with_name(f"{folder.name}.partial")
    folder.replace(doomed)
    shutil.rmtree(doomed)
