"""Several processes on one run: who does what, and how they agree.

`Ranks` is one process alone, for which every question has its answer at hand. `JoinedRanks` is one
of several that `torchrun`, Slurm or `--processes` started; the rest of the program does not ask
which of the two it has. What is small (yes or no, a sum of losses) goes through gloo, on every
device; what takes long and is done by rank 0 alone is waited for at the store where the ranks met,
so no collective runs into its time limit meanwhile.
"""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import Store

from groundup.core.errors import DeviceError
from groundup.core.place import Place
from groundup.model import device
from groundup.training.watch import Watch

__all__ = ["ALONE", "JoinedRanks", "Ranks"]

T = TypeVar("T")

POLL_S = 0.05


class Ranks:
    """A process alone, and what the training code may ask of any process.

    Attributes:
        rank: Its number, from 0.
        world_size: How many there are.
        local_world_size: How many there are on this host.
    """

    rank = 0
    world_size = 1
    local_world_size = 1

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, which alone logs and writes."""
        return self.rank == 0

    def choose_device(self, name: str) -> torch.device:
        """This rank's device for a recipe's `device`.

        Raises:
            DeviceError: It is not there, or there are fewer than ranks.
        """
        return device.choose(name)

    def share_of(self, rows: int) -> tuple[int, int]:
        """First row and number of rows that this rank takes; shares differ by at most one."""
        least, more = divmod(rows, self.world_size)
        first = self.rank * least + min(self.rank, more)
        return first, least + (self.rank < more)

    def first_does(self, work: Callable[[], T]) -> T:
        """Rank 0 works, the others wait; all get the result, which must be JSON."""
        return work()

    def gather(self, value: T) -> list[T]:
        """The values of all ranks, in order; they must be JSON."""
        return [value]

    def any(self, flag: bool) -> bool:
        """Whether some rank says yes."""
        return flag

    def sum(self, values: Sequence[float]) -> list[float]:
        """Sums over ranks, in float64."""
        return list(values)

    def total(self, part: Tensor) -> Tensor:
        """Sum over ranks of a scalar that stays where it is; on a GPU nobody waits for it."""
        return part

    def least(self, value: int) -> int:
        """The smallest value of all ranks."""
        return value

    def wait(self) -> None:
        """Returns when all ranks have come here."""


ALONE = Ranks()


class JoinedRanks(Ranks):
    """One of several processes.

    Args:
        place: Which one.
        store: Where the ranks met.
        watch: Knows when another rank has failed.
    """

    def __init__(self, place: Place, store: Store, watch: Watch) -> None:
        self.rank, self.world_size = place.rank, place.world_size
        self.local_world_size = place.local_world_size
        self._local_rank = place.local_rank
        self._store, self._watch = store, watch
        self._turn = 0

    def choose_device(self, name: str) -> torch.device:
        """As `Ranks.choose_device`: `auto` and `cuda` take the GPU of the local rank."""
        chosen = device.choose(name)
        if chosen.type != "cuda":
            return chosen
        n_gpus = torch.cuda.device_count()
        if self.local_world_size > n_gpus:
            raise DeviceError(
                f"{self.local_world_size} ranks on this host but {n_gpus} GPUs",
                hint=f"torchrun --nproc-per-node {n_gpus}, or --device cpu",
            )
        own = torch.device("cuda", self._local_rank)
        torch.cuda.set_device(own)
        return own

    def first_does(self, work: Callable[[], T]) -> T:
        """As `Ranks.first_does`; there is no limit to the time that rank 0 takes."""
        self._turn += 1
        key = f"turn/{self._turn}"
        if self.is_first:
            result = work()
            self._store.set(key, json.dumps(result))
            return result
        told: T = self._read(key)
        return told

    def gather(self, value: T) -> list[T]:
        """As `Ranks.gather`."""
        self._turn += 1
        self._store.set(f"turn/{self._turn}/{self.rank}", json.dumps(value))
        return [self._read(f"turn/{self._turn}/{rank}") for rank in range(self.world_size)]

    def _read(self, key: str) -> Any:
        while not self._store.check([key]):
            time.sleep(POLL_S)
        return json.loads(self._store.get(key))

    def any(self, flag: bool) -> bool:
        """As `Ranks.any`."""
        return bool(self._reduced([int(flag)], dist.ReduceOp.MAX)[0])

    def sum(self, values: Sequence[float]) -> list[float]:
        """As `Ranks.sum`."""
        return self._reduced(values, dist.ReduceOp.SUM)

    def total(self, part: Tensor) -> Tensor:
        """As `Ranks.total`."""
        dist.all_reduce(part)
        return part

    def least(self, value: int) -> int:
        """As `Ranks.least`."""
        return int(self._reduced([value], dist.ReduceOp.MIN)[0])

    def wait(self) -> None:
        """As `Ranks.wait`."""
        self.any(False)

    def _reduced(self, values: Sequence[float], how: "dist.ReduceOp.RedOpType") -> list[float]:
        self._watch.position += 1
        numbers = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(numbers, op=how)
        reduced: list[float] = numbers.tolist()
        return reduced
