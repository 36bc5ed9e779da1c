"""Checkpoints: everything a killed training run needs to go on as if nothing had happened.

```text
checkpoints/step_000100/
├── model.safetensors       every trained weight and buffer, float32
├── optimizer.safetensors   the optimizer's state, named after the weights
└── state.json              step, version, sha256 and rows of each file, and what the stage adds
```

Ranks that share the weights write `model-00001-of-00004.safetensors` and so on, each its rows;
`parts` reads either for any number of ranks. A folder appears whole or not at all: `state.json` is
written last, when the files of all ranks are there, and then the folder gets its name. A damaged
folder is passed over for the one before.

Randomness is derived from the step, so step, weights and optimizer state are the whole position.
On a CPU a resumed run equals an uninterrupted one bit for bit, provided it uses the same number of
threads and ranks (the order of floating-point sums depends on them) and the same PyTorch; on a GPU,
or on another number of ranks, it agrees to rounding. No pickle: tensors are safetensors, the rest
JSON.
"""

import json
import logging
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from groundup.core.artifact import RunDir, digest_file
from groundup.core.errors import CorruptArtifact
from groundup.core.publish import finish, remove, reveal
from groundup.training import parts
from groundup.training.optimizer import GroupedOptimizer
from groundup.training.ranks import ALONE, Ranks
from groundup.training.retention import (
    FOLDER,
    drop_after,
    drop_all,
    drop_old,
    folder_of,
    folders,
    set_aside,
    steps,
)

__all__ = [
    "Checkpoint",
    "Pending",
    "begin",
    "drop_after",
    "drop_all",
    "load",
    "load_latest",
    "save",
    "steps",
]

log = logging.getLogger(__name__)

VERSION = 2
KINDS = ("model", "optimizer")
_STATE = "state.json"


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


class Pending:
    """A checkpoint on its way to the disk; all ranks ask and publish together.

    Args:
        out: The run.
        path: The folder it will have.
        partial: Where the files go meanwhile.
        tensors: File name to tensors, of this rank.
        index: File name to tensor name to rows, of this rank.
        content: What `state.json` says, without the files.
        ranks: Who writes.
        background: Whether to write in a thread while training goes on.
    """

    def __init__(
        self,
        out: RunDir,
        path: Path,
        partial: Path,
        tensors: Mapping[str, Mapping[str, Tensor]],
        index: Mapping[str, Mapping[str, Any]],
        content: Mapping[str, Any],
        ranks: Ranks,
        *,
        background: bool,
    ) -> None:
        self._out, self._path, self._partial, self._ranks = out, path, partial, ranks
        self._index, self._content = index, content
        self._digests: dict[str, str] = {}
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._write, args=(tensors,), daemon=True)
        if background:
            self._thread.start()
        else:
            self._write(tensors)

    def _write(self, tensors: Mapping[str, Mapping[str, Tensor]]) -> None:
        try:
            for name, values in tensors.items():
                parts.write(values, self._partial / name)
                finish(self._partial / name)
                self._digests[name] = digest_file(self._partial / name)
        except BaseException as problem:  # raised again where training can end by it
            self._problem = problem

    def is_written(self) -> bool:
        """Whether the files of all ranks are on disk."""
        return not self._ranks.any(self._thread.is_alive())

    def publish(
        self, *, keep: int, keep_every_steps: int | None = None, keep_steps: Collection[int] = ()
    ) -> Path:
        """Waits for the files, gives the folder its name, and removes old ones.

        Args:
            keep: Last ones to keep.
            keep_every_steps: Checkpoints of steps that are multiples of this stay too.
            keep_steps: And those of these steps.

        Returns:
            The folder.
        """
        if self._thread.ident is not None:
            self._thread.join()
        if self._problem is not None:
            if self._ranks.is_first:
                remove(self._partial)
            raise self._problem
        own = {
            name: {"sha256": digest, "rows": self._index[name]}
            for name, digest in self._digests.items()
        }
        gathered = self._ranks.gather(own)
        self._ranks.first_does(lambda: self._reveal(gathered))
        if self._ranks.is_first:
            drop_old(
                self._path.parent,
                keep=keep,
                keep_every_steps=keep_every_steps,
                spared=[folder_of(self._out, step) for step in keep_steps],
            )
        return self._path

    def _reveal(self, gathered: list[dict[str, Any]]) -> None:
        files = {name: about for files in gathered for name, about in sorted(files.items())}
        content = {**self._content, "files": files}
        (self._partial / _STATE).write_text(json.dumps(content, indent=1), encoding="utf-8")
        finish(self._partial / _STATE)
        reveal(self._partial, self._path)


def begin(
    out: RunDir,
    step: int,
    model: nn.Module,
    optimizer: GroupedOptimizer,
    state: Mapping[str, Any] | None = None,
    *,
    ranks: Ranks = ALONE,
    background: bool = False,
) -> Pending:
    """Starts to write a checkpoint, on all ranks together.

    Args:
        step: Optimizer steps taken so far.
        state: JSON values to hand back when the run resumes.
        background: Write while training goes on; the tensors are copied first.
    """
    path = folder_of(out, step)
    partial = path.with_name(f"{path.name}.saving.partial")
    content = {"version": VERSION, "step": step, "state": dict(state or {})}
    tensors, index = {}, {}
    for kind, named in zip(KINDS, (_weights(model), optimizer.tensors()), strict=True):
        own = {name: value for name, value in named.items() if _is_written_by(ranks, value)}
        if not own and not ranks.is_first:
            continue
        name = _file_name(kind, named, ranks)
        tensors[name] = {key: _on_cpu(parts.local(own[key]), copy=background) for key in own}
        index[name] = {key: parts.rows_here(value).as_json() for key, value in own.items()}
    ranks.first_does(lambda: _make_empty(partial, content))
    return Pending(out, path, partial, tensors, index, content, ranks, background=background)


def save(
    out: RunDir,
    step: int,
    model: nn.Module,
    optimizer: GroupedOptimizer,
    state: Mapping[str, Any] | None = None,
    *,
    keep: int = 2,
    keep_steps: Collection[int] = (),
    ranks: Ranks = ALONE,
) -> Path:
    """Publishes `checkpoints/step_NNNNNN` and removes all but the last `keep` and `keep_steps`.

    Arguments as `begin`.

    Returns:
        The folder.
    """
    pending = begin(out, step, model, optimizer, state, ranks=ranks)
    return pending.publish(keep=keep, keep_steps=keep_steps)


def load_latest(
    out: RunDir, model: nn.Module, optimizer: GroupedOptimizer, *, ranks: Ranks = ALONE
) -> Checkpoint | None:
    """Puts the newest whole checkpoint's weights and state in place; None when there is none.

    A damaged one is passed over with a warning, and set aside as `step_NNNNNN.damaged`.

    Raises:
        CorruptArtifact: All of them are damaged, or hold another model.
    """
    root = out.path / FOLDER
    names = ranks.first_does(lambda: [path.name for path in reversed(folders(root))])
    damaged: list[tuple[Path, str]] = []
    for path in (root / name for name in names):
        problem = _problem(path, ranks)
        if not problem:
            ranks.first_does(lambda: set_aside([path for path, _ in damaged]))
            return _load(path, model, optimizer)
        log.warning("passing over checkpoint %s: %s", path, problem)
        damaged.append((path, problem))
    if damaged:
        path, problem = damaged[0]
        raise CorruptArtifact(
            f"no checkpoint can be used; of {path}, the newest, {problem}",
            hint=f"`rm -r {root}` and run the same command again: it starts from the beginning",
        )
    return None


def load(
    out: RunDir,
    step: int,
    model: nn.Module,
    optimizer: GroupedOptimizer,
    *,
    ranks: Ranks = ALONE,
) -> Checkpoint:
    """Puts the weights and optimizer state of one checkpoint in place.

    Raises:
        CorruptArtifact: It is damaged, or holds another model.
    """
    path = folder_of(out, step)
    problem = _problem(path, ranks)
    if problem:
        raise CorruptArtifact(
            f"checkpoint {path}: {problem}",
            hint=f"`rm -r {path}` and run the same command again: it goes on from the checkpoint "
            "before, or from the start when there is none",
        )
    return _load(path, model, optimizer)


def _weights(model: nn.Module) -> dict[str, Tensor]:
    """Parameters (a shared one once) and the buffers that belong to the saved model."""
    kept = model.state_dict(keep_vars=True)
    buffers = {name: value for name, value in model.named_buffers() if name in kept}
    return {**dict(model.named_parameters()), **buffers}


def _is_written_by(ranks: Ranks, tensor: Tensor) -> bool:
    """Rows of a sharded tensor by who has some, everything else by rank 0."""
    mine = parts.local(tensor)
    return ranks.is_first if mine is tensor else len(mine) > 0


def _file_name(kind: str, tensors: Mapping[str, Tensor], ranks: Ranks) -> str:
    if all(parts.local(value) is value for value in tensors.values()):
        return f"{kind}.safetensors"
    return f"{kind}-{ranks.rank + 1:05d}-of-{ranks.world_size:05d}.safetensors"


def _on_cpu(tensor: Tensor, *, copy: bool) -> Tensor:
    on_cpu = tensor.detach().cpu()
    return on_cpu.clone() if copy and on_cpu.data_ptr() == tensor.data_ptr() else on_cpu


def _make_empty(partial: Path, content: Mapping[str, Any]) -> None:
    json.dumps(content)  # a state that is no JSON is found before anything is written
    remove(partial)
    partial.mkdir(parents=True)


def _problem(path: Path, ranks: Ranks) -> str:
    """What is wrong with a checkpoint, empty when nothing is; all ranks learn what one has found.

    Each rehashes its share of the files.
    """
    return "; ".join(dict.fromkeys(filter(None, ranks.gather(_own_problem(path, ranks)))))


def _own_problem(path: Path, ranks: Ranks) -> str:
    try:
        content = json.loads((path / _STATE).read_text(encoding="utf-8"))
        version, files = content["version"], list(content.get("files", {}).items())
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return f"{_STATE} cannot be read"
    if version != VERSION:
        return f"{_STATE} is of version {version}, and not {VERSION}"
    for name, about in files[ranks.rank :: ranks.world_size]:
        if not (path / name).is_file() or digest_file(path / name) != about["sha256"]:
            return f"{name} differs from what was written (sha256)"
    return ""


@torch.no_grad()
def _load(path: Path, model: nn.Module, optimizer: GroupedOptimizer) -> Checkpoint:
    content = json.loads((path / _STATE).read_text(encoding="utf-8"))
    rows = {name: about["rows"] for name, about in content["files"].items()}
    of_kind = {
        kind: {name: tensors for name, tensors in rows.items() if name.startswith(kind)}
        for kind in KINDS
    }
    weights = _weights(model)
    try:
        with parts.saved_tensors(path, of_kind["model"]) as saved:
            if weights.keys() != set(saved.names()) or any(
                saved.shape(name) != value.shape for name, value in weights.items()
            ):
                raise _other_model(path)
            for name, value in weights.items():
                saved.copy(name, value)
        with parts.saved_tensors(path, of_kind["optimizer"]) as saved:
            optimizer.load(saved)
    except SafetensorError as error:
        raise _other_model(path) from error
    log.info("going on after step %d (%s)", content["step"], path)
    return Checkpoint(step=int(content["step"]), state=dict(content["state"]), path=path)


def _other_model(path: Path) -> CorruptArtifact:
    return CorruptArtifact(
        f"checkpoint {path} holds the weights of a model of another shape",
        hint=f"`rm -r {path}` and run the same command again",
    )
