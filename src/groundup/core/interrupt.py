"""Ctrl-C and SIGTERM: stop at the next safe point, once; a second signal stops at once."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from groundup.core.errors import Cancelled

__all__ = ["StopRequest", "install", "stop_request"]

_HINT = "what is finished is kept; run the same command again to go on from there"


def _cancel(number: int, _frame: FrameType | None) -> None:
    raise Cancelled(f"stopped by {signal.Signals(number).name}", hint=_HINT)


def install() -> None:
    """Makes SIGINT and SIGTERM raise `Cancelled` wherever the program is; main thread only."""
    signal.signal(signal.SIGINT, _cancel)
    signal.signal(signal.SIGTERM, _cancel)


class StopRequest:
    """Whether a signal has come; a loop asks at its safe points."""

    def __init__(self) -> None:
        self.signal_name = ""

    def __bool__(self) -> bool:
        return bool(self.signal_name)

    def raise_cancelled(self) -> NoReturn:
        """Raises `Cancelled`; call it after the state has been saved."""
        raise Cancelled(f"stopped by {self.signal_name}, state saved", hint=_HINT)


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """While inside, the first SIGINT or SIGTERM sets the request instead of raising.

    Outside the main thread, where Python delivers no signals, the request simply stays unset.
    """
    request = StopRequest()

    def note(number: int, frame: FrameType | None) -> None:
        if request:
            _cancel(number, frame)
        request.signal_name = signal.Signals(number).name

    try:
        before = {n: signal.signal(n, note) for n in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread
        yield request
        return
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
