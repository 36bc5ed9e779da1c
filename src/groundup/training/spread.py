"""What differs in the optimizer when weights are replicated or sharded: norms, and Muon's matrices.

Letters: L matrices of one shape, R rows, C columns, W ranks, M matrices of one rank, S rows of one
rank's shard.

Orthogonalising needs whole matrices and costs far more than sending them: about 20 floating-point
operations for each number and unit of width, against two bytes. So each rank takes its share of
the matrices of one shape, never all of them:

- `Replicas`: gradients are equal everywhere; each rank works on its share, then all gather.
- `Shards`: one exchange turns rows of all matrices into whole matrices of its own, one turns the
  result back. Sent in bfloat16, the format of the work, so nothing is lost.
"""

import math
from collections.abc import Sequence
from typing import Protocol

import torch
import torch.distributed as dist
from torch import Tensor, nn

from groundup.training import muon
from groundup.training.parts import local

__all__ = ["Alone", "Replicas", "Shards", "Spread"]


class Spread(Protocol):
    """How the weights lie on the ranks, as far as the optimizer has to know."""

    def norm(self, gradients: Sequence[Tensor]) -> Tensor:
        """Length of the whole gradient, equal on all ranks."""

    def orthogonalise(
        self, parts: Sequence[Tensor], shape: torch.Size, steps: int
    ) -> Sequence[Tensor]:
        """As `muon.orthogonalise_together`, for this rank's rows of each matrix."""


class Alone:
    """All weights here, and nobody else."""

    def norm(self, gradients: Sequence[Tensor]) -> Tensor:
        """As `Spread.norm`."""
        return nn.utils.get_total_norm(gradients)

    def orthogonalise(
        self, parts: Sequence[Tensor], shape: torch.Size, steps: int
    ) -> Sequence[Tensor]:
        """As `Spread.orthogonalise`."""
        return muon.orthogonalise_together(parts, shape, steps)


class Replicas(Alone):
    """All weights on each of several ranks."""

    def __init__(self, rank: int, world_size: int) -> None:
        self._rank, self._world_size = rank, world_size

    def orthogonalise(
        self, parts: Sequence[Tensor], shape: torch.Size, steps: int
    ) -> Sequence[Tensor]:
        """As `Spread.orthogonalise`; each rank does its share."""
        M = math.ceil(len(parts) / self._world_size)
        own = parts[self._rank * M : (self._rank + 1) * M]
        done_MRC = parts[0].new_zeros((M, *shape), dtype=muon.WORK_DTYPE)
        if own:
            done_MRC[: len(own)] = muon.orthogonalise(torch.stack(tuple(own)), steps=steps)
        all_LRC = done_MRC.new_empty((self._world_size * M, *shape))
        dist.all_gather(list(all_LRC.chunk(self._world_size)), done_MRC)
        return all_LRC[: len(parts)].float().unbind()


class Shards:
    """Rows of each weight on each of several ranks, as `fully_shard` divides them."""

    def __init__(self, rank: int, world_size: int) -> None:
        self._rank, self._world_size = rank, world_size

    def norm(self, gradients: Sequence[Tensor]) -> Tensor:
        """As `Spread.norm`: the root of the sum of all ranks' squares."""
        square = nn.utils.get_total_norm([local(gradient) for gradient in gradients]).square()
        dist.all_reduce(square)
        return square.sqrt()

    def orthogonalise(
        self, parts: Sequence[Tensor], shape: torch.Size, steps: int
    ) -> Sequence[Tensor]:
        """As `Spread.orthogonalise`; two exchanges and a share of the work."""
        W, n_rows, n_columns = self._world_size, shape[0], shape[1]
        M, S = math.ceil(len(parts) / W), math.ceil(n_rows / W)
        rows_LSC = parts[0].new_zeros((W * M, S, n_columns), dtype=muon.WORK_DTYPE)
        for row_SC, part in zip(rows_LSC, parts, strict=False):  # the rest is padding
            row_SC[: len(part)] = part
        own_WMSC = _exchanged(rows_LSC).view(W, M, S, n_columns)
        own_MRC = own_WMSC.transpose(0, 1).reshape(M, W * S, n_columns)
        n_own = min(max(len(parts) - self._rank * M, 0), M)
        if n_own:
            own_MRC[:n_own, :n_rows] = muon.orthogonalise(own_MRC[:n_own, :n_rows], steps=steps)
        own_WMSC = own_MRC.view(M, W, S, n_columns).transpose(0, 1)
        rows_LSC = _exchanged(own_WMSC.reshape(W * M, S, n_columns))
        return [row_SC[: len(part)].float() for row_SC, part in zip(rows_LSC, parts, strict=False)]


def _exchanged(sent: Tensor) -> Tensor:
    """Piece w of the first dimension goes to rank w; piece w of the result came from it."""
    received = torch.empty_like(sent)
    dist.all_to_all_single(received, sent)
    return received
