"""The next batch is read and sent to a GPU while it works on this one.

Letters: B rows, T position.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Batches"]


class Batches:
    """Batches by number, on a device; after each one the next is made ready.

    Batches are pure functions of their number, so one that was made ready in vain is dropped. On a
    CPU, where there is nothing to wait for, each is read when it is asked for.

    Args:
        read: Batch number to ids of shape (B, T + 1).
        device: Where they go.
    """

    def __init__(
        self, read: Callable[[int], NDArray[np.int64]], device: torch.device, *, ahead: bool
    ) -> None:
        self._read, self._device = read, device
        self._thread = ThreadPoolExecutor(1, "batches") if ahead else None
        self._next: tuple[int, Future[Tensor]] | None = None

    def batch(self, number: int) -> Tensor:
        """Ids (B, T + 1) on the device."""
        if self._thread is None:
            return self._made(number)
        ready = self._next
        found = ready[1].result() if ready and ready[0] == number else self._made(number)
        self._next = (number + 1, self._thread.submit(self._made, number + 1))
        return found.to(self._device, non_blocking=True)

    def _made(self, number: int) -> Tensor:
        """In memory from which a GPU copies by itself; on a CPU the batch."""
        ids_BT = torch.from_numpy(self._read(number))
        return ids_BT.pin_memory() if self._device.type == "cuda" else ids_BT
