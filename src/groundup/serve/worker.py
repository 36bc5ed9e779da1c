"""The thread that generates: requests wait in a queue, those running take turns token by token.

One thread owns the models, so that the event loop that answers HTTP is never blocked. A short
request does not wait for a long one to end: every turn gives each running request one token. A
cancelled request is dropped before its next token.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from groundup.core.errors import DataError, GroundupError
from groundup.generate.engine import Engine, Piece
from groundup.generate.sampling import SamplingParams
from groundup.serve.errors import ApiError

__all__ = ["Event", "Generation", "Worker"]

log = logging.getLogger(__name__)

MAX_RUNNING = 16
MAX_WAITING = 128
RETRY_AFTER_S = 2


@dataclass(frozen=True, slots=True)
class Event:
    """What the thread tells a request: a piece of a choice's text, or that it failed."""

    index: int
    piece: Piece | None = None
    error: ApiError | None = None


@dataclass(slots=True)
class Generation:
    """One choice of one request, from queue to end.

    Attributes:
        engine: Of the model that was asked.
        prompt: Token ids.
        index: Which of the request's `n` choices this is.
        loop: Event loop of the request.
        events: Where the request listens.
        cancelled: Set when nobody listens any more.
    """

    engine: Engine
    prompt: Sequence[int]
    params: SamplingParams
    index: int
    loop: asyncio.AbstractEventLoop
    events: "asyncio.Queue[Event]"
    cancelled: threading.Event
    pieces: Iterator[Piece] | None = field(default=None)

    def tell(self, event: Event) -> None:
        """Hands an event to the request's loop; a loop that is gone cancels the generation."""
        try:
            self.loop.call_soon_threadsafe(self.events.put_nowait, event)
        except RuntimeError:  # the loop is closed
            self.cancelled.set()

    def step(self) -> bool:
        """Makes the next piece; False when this was the last."""
        if self.cancelled.is_set():
            return False
        try:
            if self.pieces is None:
                self.pieces = self.engine.stream(self.prompt, self.params)
            piece = next(self.pieces)
        except GroundupError as error:
            status = 400 if isinstance(error, DataError) else 500
            self.tell(Event(self.index, error=ApiError(status, error.message)))
            return False
        except Exception:
            log.exception("generation failed")
            self.tell(Event(self.index, error=ApiError(500, "The model failed on this request.")))
            return False
        self.tell(Event(self.index, piece))
        return piece.finish_reason is None


class Worker:
    """Owns the generating thread; `submit`, `stop` and the counts may be called from any thread."""

    def __init__(self, *, max_running: int = MAX_RUNNING, max_waiting: int = MAX_WAITING) -> None:
        self._max_running = max_running
        self._max_waiting = max_waiting
        self._waiting: deque[Generation] = deque()
        self._running: list[Generation] = []
        self._changed = threading.Condition()
        self._draining = False
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="generate", daemon=True)
        self._thread.start()

    @property
    def n_running(self) -> int:
        """Generations that take turns now."""
        return len(self._running)

    @property
    def n_waiting(self) -> int:
        """Generations in the queue."""
        return len(self._waiting)

    @property
    def draining(self) -> bool:
        """Whether the server is shutting down."""
        return self._draining

    def submit(self, generations: Sequence[Generation]) -> None:
        """Queues all choices of a request, or none.

        Raises:
            ApiError: 429 when the queue is full, 503 when the server is shutting down.
        """
        later = {"retry-after": str(RETRY_AFTER_S)}
        with self._changed:
            if self._draining:
                message = "The server is shutting down."
                raise ApiError(503, message, code="shutting_down", headers=later)
            free = self._max_running - len(self._running) + self._max_waiting - len(self._waiting)
            if len(generations) > free:
                message = "Too many requests are waiting; try again later."
                raise ApiError(429, message, code="rate_limit_exceeded", headers=later)
            self._waiting.extend(generations)
            self._changed.notify()

    def drain(self) -> None:
        """Takes nothing new from now on; what was accepted goes on."""
        with self._changed:
            self._draining = True

    def stop(self) -> None:
        """Fails what is left, and ends the thread."""
        with self._changed:
            self._draining = self._stopped = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while self._take():
            self._running = [one for one in self._running if one.step()]
        error = ApiError(503, "The server is shutting down.", code="shutting_down")
        for generation in [*self._running, *self._waiting]:
            generation.tell(Event(generation.index, error=error))
        self._running = []
        self._waiting.clear()

    def _take(self) -> bool:
        """Moves generations from the queue to the running; sleeps when there are none."""
        with self._changed:
            while not (self._running or self._waiting or self._stopped):
                self._changed.wait()
            while self._waiting and len(self._running) < self._max_running:
                self._running.append(self._waiting.popleft())
            return not self._stopped
