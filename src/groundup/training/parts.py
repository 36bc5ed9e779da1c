"""Tensors in safetensors files, whole or divided by rows, and read back for any number of ranks.

A rank writes the rows that it holds of each tensor. Which rows those are is in an index beside the
files, so a reader takes from each file the rows that it wants: what four ranks wrote, one can
read, and the other way round.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.distributed.tensor import DTensor

__all__ = ["Rows", "SavedTensors", "local", "rows_here", "saved_tensors", "write"]


def local(tensor: Tensor) -> Tensor:
    """This rank's rows of a sharded tensor, sharing its memory; another tensor as it is."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a tensor that lie in one place.

    Attributes:
        first: Number of the first.
        of: Rows of the whole tensor; None for a scalar, which is always whole.
    """

    first: int
    of: int | None

    def as_json(self) -> list[int | None]:
        """For the index."""
        return [self.first, self.of]


def rows_here(tensor: Tensor) -> Rows:
    """Which rows this rank holds; `fully_shard` gives each rank as many, and the last ones less."""
    if not tensor.ndim:
        return Rows(0, None)
    if not isinstance(tensor, DTensor):
        return Rows(0, tensor.shape[0])
    mesh = tensor.device_mesh
    each = -(-tensor.shape[0] // mesh.size())
    return Rows(min(mesh.get_local_rank() * each, tensor.shape[0]), tensor.shape[0])


def write(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Writes tensors of the CPU to a safetensors file."""
    save_file({name: value.contiguous() for name, value in tensors.items()}, path)


class SavedTensors:
    """Tensors of one or several files, by name.

    Args:
        files: Opened safetensors files, each with the rows that it holds of its tensors.
    """

    def __init__(self, files: Sequence[tuple[Any, Mapping[str, Rows]]]) -> None:
        self._pieces: dict[str, list[tuple[Any, Rows]]] = {}
        for file, rows in files:
            for name, piece in rows.items():
                self._pieces.setdefault(name, []).append((file, piece))

    def names(self) -> list[str]:
        """All names."""
        return list(self._pieces)

    def shape(self, name: str) -> torch.Size:
        """Shape of the whole tensor."""
        file, rows = self._pieces[name][0]
        shape = file.get_slice(name).get_shape()
        return torch.Size(shape if rows.of is None else [rows.of, *shape[1:]])

    def copy(self, name: str, into: Tensor) -> None:
        """Fills a tensor of the same whole shape, or the rows of it that this rank holds."""
        target, wanted = local(into), rows_here(into)
        for file, rows in self._pieces[name]:
            if rows.of is None:
                target.copy_(file.get_tensor(name))
                continue
            piece = file.get_slice(name)
            start = max(wanted.first, rows.first)
            stop = min(wanted.first + len(target), rows.first + piece.get_shape()[0])
            if start < stop:
                target[start - wanted.first : stop - wanted.first].copy_(
                    piece[start - rows.first : stop - rows.first]
                )


@contextmanager
def saved_tensors(folder: Path, index: Mapping[str, Mapping[str, Any]]) -> Iterator[SavedTensors]:
    """Opens files for reading.

    Args:
        folder: Where they are.
        index: File name to tensor name to `Rows.as_json`.

    Raises:
        SafetensorError: A file is none.
    """
    with ExitStack() as opened:
        files = []
        for name, tensors in index.items():
            file = opened.enter_context(safe_open(folder / name, framework="pt"))
            files.append((file, {key: Rows(*rows) for key, rows in tensors.items()}))
        yield SavedTensors(files)
