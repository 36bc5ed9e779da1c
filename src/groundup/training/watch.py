"""Notices when a rank fails or falls silent, so that the others end at once and say why.

Every rank shows a sign of life at the store twice a second and watches the rank before it. A rank
that fails leaves its sentence there; only the first one counts. The others end with its exit code
and without a word, also when they hang in a collective that can no longer finish.
"""

import json
import os
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass

from torch._C._distributed_c10d import Store

from groundup.core import console
from groundup.core.errors import GroundupError, ResourceError

__all__ = ["Failure", "Watch"]

EVERY_S = 0.5
SILENT_S = 60.0
"""A rank without a sign of life for so long is taken for dead."""
SUSPECT_SILENT_S = 5.0
"""The same when a connection to some rank has just broken."""
GRACE_S = 5.0
"""Time for a rank to end by itself once another has failed."""
_FAILURE, _SUSPECT = "failure", "suspect"


@dataclass(frozen=True, slots=True)
class Failure:
    """What ended the run, on the rank where it happened first.

    Attributes:
        rank: Which one.
        message: One sentence.
        exit_code: What all ranks end with.
    """

    rank: int
    message: str
    exit_code: int


class Watch:
    """A thread beside the work of one rank.

    Args:
        store: A connection of its own to the store where the ranks met.
        rank: This process.
        world_size: How many there are.

    Attributes:
        position: Collectives that this rank has entered: who is behind has the smallest.
    """

    def __init__(self, store: Store, rank: int, world_size: int) -> None:
        self._store, self._rank, self._world_size = store, rank, world_size
        self.position = 0
        self._before = (rank - 1) % world_size
        self._seen, self._n_silent = "", 0
        self._end = threading.Event()
        self._launcher = os.environ.get("GROUNDUP_LAUNCHER", "")
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._beats = 0
        self._known: Failure | None = None
        self._lock = threading.Lock()
        self._beat()
        self._thread.start()

    def report(self, message: str, exit_code: int) -> bool:
        """Leaves a failure for all; returns whether it is the first, which alone is shown."""
        own = Failure(self._rank, message, exit_code)
        try:
            with self._lock:
                first = self._store.compare_set(_FAILURE, "", json.dumps(asdict(own)))
        except RuntimeError:  # the rank that held the store has ended, and perhaps said why
            return self._known is None and self._rank == 1
        self._known = Failure(**json.loads(first))
        return self._known == own

    def failure(self) -> Failure | None:
        """What ended the run, as far as is known here."""
        with suppress(RuntimeError):
            self._ask()
        return self._known

    def _ask(self) -> None:
        with self._lock:
            if self._known is None and self._store.check([_FAILURE]):
                self._known = Failure(**json.loads(self._store.get(_FAILURE)))

    def explain(self, error: BaseException) -> GroundupError:
        """Why a collective has failed on this rank: waits for the failure of another rank.

        Returns:
            An error of our own when no rank can be named.
        """
        hint = "run the same command again; it goes on from the last checkpoint"
        try:
            with self._lock:
                self._store.set(_SUSPECT, "1")
        except RuntimeError:
            return ResourceError("rank 0, or the agent that held the store, has gone", hint=hint)
        deadline = time.monotonic() + SUSPECT_SILENT_S + GRACE_S
        while self.failure() is None and time.monotonic() < deadline:
            time.sleep(EVERY_S / 2)
        failure = self.failure()
        if failure is not None and failure.rank == self._rank:
            self._thread.join(GRACE_S)  # it has found out, says so, and ends the process
        last_line = str(error).strip().splitlines()[-1:]
        return ResourceError(
            f"rank {self._rank} lost the others: {''.join(last_line)}{self._behind()}", hint=hint
        )

    def leave(self, wait_s: float) -> None:
        """Ends the thread; the rank after this one no longer waits for signs of life.

        Rank 0, which may hold the store, waits so long for the others to leave.
        """
        self._end.set()
        self._thread.join()
        everybody = [f"left/{rank}" for rank in range(self._world_size)]
        deadline = time.monotonic() + (wait_s if self._rank == 0 else 0.0)
        with suppress(RuntimeError):  # the store is gone, and who held it
            self._store.set(f"left/{self._rank}", "1")
            while time.monotonic() < deadline and not self._store.check(everybody):
                time.sleep(0.05)

    def _run(self) -> None:
        while not self._end.wait(EVERY_S):
            try:
                self._beat()
                self._look()
            except RuntimeError:  # the store went with the process that held it
                if self._end.wait(GRACE_S):
                    return
                if self._known is not None or self._rank != 1:
                    os._exit(1 if self._known is None else self._known.exit_code)
                self._die(Failure(0, "the rank or agent that held the store has gone", 1))

    def _beat(self) -> None:
        self._beats += 1
        with self._lock:
            self._store.set(f"beat/{self._rank}", f"{self._beats} {self.position}")

    def _look(self) -> None:
        if self._launcher and str(os.getppid()) != self._launcher:
            os._exit(1)
        self._ask()
        if self._known is not None:
            if not self._end.wait(GRACE_S):
                os._exit(self._known.exit_code)
            return
        silent_s = self._silence_s()
        with self._lock:
            suspect = self._store.check([_SUSPECT])
        if silent_s > (SUSPECT_SILENT_S if suspect else SILENT_S):
            lost = Failure(
                self._rank,
                f"rank {self._before} has gone: no sign of life for {silent_s:.0f} s",
                1,
            )
            if self.report(lost.message, lost.exit_code):
                self._die(lost)

    def _silence_s(self) -> float:
        """How long the rank before this one has given no sign of life.

        Counted in looks of this rank, so that a machine that was suspended accuses nobody.
        """
        with self._lock:
            if self._store.check([f"left/{self._before}"]):
                return 0.0
            key = f"beat/{self._before}"
            beat = self._store.get(key).decode() if self._store.check([key]) else ""
        count = beat.partition(" ")[0]
        self._n_silent = self._n_silent + 1 if count == self._seen else 0
        self._seen = count
        return self._n_silent * EVERY_S

    def _behind(self) -> str:
        """Names the ranks that have entered the fewest collectives, when some have."""
        keys = [f"beat/{rank}" for rank in range(self._world_size)]
        beats: list[bytes] = []
        with suppress(RuntimeError), self._lock:
            beats = self._store.multi_get(keys) if self._store.check(keys) else []
        positions = [int(beat.split()[1]) for beat in beats]
        slow = [str(rank) for rank, at in enumerate(positions) if at < max(positions)]
        return f"; rank {', '.join(slow)} is behind" if slow else ""

    def _die(self, failure: Failure) -> None:
        console.error(
            ResourceError(
                failure.message,
                hint="run the same command again; it goes on from the last checkpoint",
            )
        )
        os._exit(failure.exit_code)
