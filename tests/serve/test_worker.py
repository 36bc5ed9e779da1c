import asyncio
import threading

import pytest

from groundup.core.records import Message
from groundup.generate.sampling import SamplingParams
from groundup.serve.errors import ApiError
from groundup.serve.worker import Generation, Worker


def generation(served, *, max_new_tokens, loop, events, index=0):
    return Generation(
        engine=served.loaded.engine,
        prompt=served.loaded.chat_ids([Message("user", "Hello")]),
        params=SamplingParams(max_new_tokens=max_new_tokens, temperature=0),
        index=index,
        loop=loop,
        events=events,
        cancelled=threading.Event(),
    )


@pytest.fixture
def worker():
    made = Worker(max_running=2, max_waiting=2)
    yield made
    made.stop()


def test_a_short_request_overtakes_a_long_one(worker, tiny_served):
    async def finished_first():
        loop, events = asyncio.get_running_loop(), asyncio.Queue()
        long = generation(tiny_served, max_new_tokens=100, loop=loop, events=events, index=0)
        short = generation(tiny_served, max_new_tokens=2, loop=loop, events=events, index=1)
        worker.submit([long])
        worker.submit([short])
        while True:
            event = await events.get()
            if event.piece.finish_reason is not None:
                long.cancelled.set()
                return event.index

    assert asyncio.run(finished_first()) == 1


def test_all_choices_of_a_request_are_queued_or_none(worker, tiny_served):
    async def refused():
        loop, events = asyncio.get_running_loop(), asyncio.Queue()
        five = [
            generation(tiny_served, max_new_tokens=2, loop=loop, events=events) for _ in range(5)
        ]
        with pytest.raises(ApiError) as raised:
            worker.submit(five)
        return raised.value.status, worker.n_running + worker.n_waiting

    assert asyncio.run(refused()) == (429, 0)


def test_stopping_tells_those_who_wait(tiny_served):
    worker = Worker(max_running=1)

    async def told():
        loop, events = asyncio.get_running_loop(), asyncio.Queue()
        two = [
            generation(tiny_served, max_new_tokens=100, loop=loop, events=events, index=index)
            for index in range(2)
        ]
        worker.submit(two)
        await events.get()
        await asyncio.to_thread(worker.stop)
        errors = {}
        while len(errors) < 2:
            event = await events.get()
            if event.error is not None:
                errors[event.index] = event.error.code
        with pytest.raises(ApiError, match="shutting down"):
            worker.submit(two)
        return errors

    assert asyncio.run(told()) == {0: "shutting_down", 1: "shutting_down"}


def test_a_request_whose_event_loop_is_gone_is_dropped(worker, tiny_served):
    async def abandoned():
        loop, events = asyncio.get_running_loop(), asyncio.Queue()
        one = generation(tiny_served, max_new_tokens=150, loop=loop, events=events)
        worker.submit([one])
        await events.get()
        return one

    one = asyncio.run(abandoned())
    assert one.cancelled.wait(5)
