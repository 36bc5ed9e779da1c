"""Several ranks on this machine without `torchrun`: starts the same command once for each."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from groundup.core.machine import cores

__all__ = ["launch"]

POLL_S = 0.05
GRACE_S = 30.0
"""Time that the others have to end by themselves once one rank has failed."""


def launch(n_ranks: int, arguments: Sequence[str]) -> int:
    """Runs `groundup` with these arguments on `n_ranks` ranks; signals go to all of them.

    Returns:
        0, or the exit code of the rank that ended first with another one; of one that a signal
        killed, 1.
    """
    environment = {
        **os.environ,
        "WORLD_SIZE": str(n_ranks),
        "LOCAL_WORLD_SIZE": str(n_ranks),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "OMP_NUM_THREADS": str(max(1, cores() // n_ranks)),
        "GROUNDUP_LAUNCHER": str(os.getpid()),  # a rank whose launcher is gone ends
    }
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "groundup", *arguments],
            env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            start_new_session=True,  # else Ctrl-C reaches it twice
        )
        for rank in range(n_ranks)
    ]
    with _forwarded_to(children):
        code, deadline = 0, float("inf")
        while any(child.poll() is None for child in children):
            time.sleep(POLL_S)
            codes = [child.returncode for child in children if child.returncode]
            if codes and not code:
                code, deadline = codes[0], time.monotonic() + GRACE_S
            if time.monotonic() > deadline:
                for child in children:
                    child.kill()
    code = code or next((child.returncode for child in children if child.returncode), 0)
    return code if code >= 0 else 1


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def _forwarded_to(children: Sequence["subprocess.Popen[bytes]"]) -> Iterator[None]:
    def forward(number: int, _frame: FrameType | None) -> None:
        for child in children:
            child.send_signal(number)

    before = {n: signal.signal(n, forward) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
