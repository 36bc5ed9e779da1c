"""Joins the processes that `torchrun`, Slurm or `--processes` started, and parts them again."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import NoReturn

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import PrefixStore, Store, TCPStore

from groundup.core import console
from groundup.core.errors import GroundupError, NetworkError
from groundup.core.place import Place
from groundup.training.ranks import ALONE, JoinedRanks, Ranks
from groundup.training.watch import Watch

__all__ = ["joined"]

JOIN_S = 300.0
"""Longest wait for all ranks to come."""
COLLECTIVE_S = 600.0
"""Longest wait for the slowest rank in one exchange."""
PART_S = 10.0
"""Longest wait of rank 0, which may hold the store, for the others to leave."""
FAIL_S = 2.0
"""The same when the run has failed: long enough for all to have heard of it."""


@contextmanager
def joined(place: Place) -> Iterator[Ranks]:
    """While inside, the processes of a run act together; a process alone is left as it is.

    An error on one rank ends all of them: the first to fail raises it, the others end with its
    exit code and in silence.

    Raises:
        NetworkError: The ranks did not find each other.
    """
    if place.world_size == 1:
        yield ALONE
        return
    if place.rank > 0:
        console.silence()
    store = _meet(place)
    watch = Watch(PrefixStore(_prefix(), _connect(place, server=False)), *_who(place))
    try:
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if _has_nccl() else "gloo",
            store=PrefixStore("group", store),
            rank=place.rank,
            world_size=place.world_size,
            timeout=timedelta(seconds=COLLECTIVE_S),
        )
        yield JoinedRanks(place, store, watch)
    except BaseException as error:
        _fail(watch, error)
    watch.leave(PART_S)
    dist.destroy_process_group()


def _who(place: Place) -> tuple[int, int]:
    return place.rank, place.world_size


def _has_nccl() -> bool:
    return torch.cuda.is_available() and dist.is_nccl_available()


def _fail(watch: Watch, error: BaseException) -> NoReturn:
    """Tells the other ranks, and raises the error where it came first.

    Signals are late now: `torchrun` sends one to all as soon as the first rank has ended.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    shown: BaseException = error
    if _is_lost_connection(error):
        shown = watch.explain(error)
    if isinstance(shown, GroundupError):
        message, code = shown.message, shown.exit_code
    else:
        message = f"{type(shown).__name__}: {shown}"
        code = shown.code if isinstance(shown, SystemExit) and isinstance(shown.code, int) else 1
    is_first = watch.report(message, code)
    watch.leave(FAIL_S)
    if is_first:
        raise shown from (error if shown is not error else error.__cause__)
    failure = watch.failure()
    raise SystemExit(code if failure is None else failure.exit_code) from error


def _is_lost_connection(error: BaseException) -> bool:
    """Whether an exchange between ranks failed, and not something on this rank."""
    if isinstance(error, dist.DistError):
        return True
    return isinstance(error, RuntimeError) and "gloo" in str(error)


def _prefix() -> str:
    """Names apart what the attempts of an elastic launch leave at one store."""
    return f"groundup/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"


def _meet(place: Place) -> Store:
    """The store that all ranks are connected to."""
    by_agent = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    server = _connect(place, server=place.rank == 0 and not by_agent)
    store = PrefixStore(_prefix(), server)
    store.set(f"here/{place.rank}", "1")
    deadline = time.monotonic() + JOIN_S
    while not store.check([f"here/{rank}" for rank in range(place.world_size)]):
        if time.monotonic() > deadline:
            missing = [str(r) for r in range(place.world_size) if not store.check([f"here/{r}"])]
            raise NetworkError(
                f"rank {', '.join(missing)} did not come to {_address(place)} in {JOIN_S:.0f} s",
                hint="start all ranks, with the same address, port and number of ranks",
            )
        time.sleep(0.05)
    return store


def _connect(place: Place, *, server: bool) -> TCPStore:
    assert place.address is not None  # a process of several has one
    host, port = place.address
    try:
        return TCPStore(
            host,
            port,
            is_master=server,
            timeout=timedelta(seconds=JOIN_S),
            wait_for_workers=False,
        )
    except dist.DistError as error:
        raise NetworkError(
            f"rank {place.rank} cannot reach the meeting point {_address(place)}",
            hint="the host of rank 0 and a free port, in MASTER_ADDR and MASTER_PORT",
        ) from error


def _address(place: Place) -> str:
    assert place.address is not None
    return f"{place.address[0]}:{place.address[1]}"
