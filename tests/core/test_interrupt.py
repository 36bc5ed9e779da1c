import os
import signal
import threading

import pytest

from groundup.core.errors import Cancelled
from groundup.core.interrupt import install, stop_request


@pytest.fixture(autouse=True)
def handlers():
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    install()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_cancels_with_a_hint_that_says_how_to_go_on(name):
    with pytest.raises(Cancelled, match=f"stopped by {name}") as caught:
        signal.raise_signal(signal.Signals[name])
    assert "run the same command again" in caught.value.hint


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_inside_a_loop_the_first_signal_waits_for_the_safe_point(name):
    reached = False
    with stop_request() as request:
        assert not request
        os.kill(os.getpid(), signal.Signals[name])
        assert request
        reached = True
        with pytest.raises(Cancelled, match=f"{name}, state saved"):
            request.raise_cancelled()
    assert reached


def test_a_second_signal_stops_at_once():
    with stop_request() as request:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(Cancelled):
            signal.raise_signal(signal.SIGTERM)
        assert request.signal_name == "SIGINT"


def test_after_the_loop_signals_cancel_again():
    with stop_request():
        pass
    with pytest.raises(Cancelled):
        signal.raise_signal(signal.SIGINT)


def test_outside_the_main_thread_the_request_stays_unset():
    seen = []

    def work():
        with stop_request() as request:
            seen.append(bool(request))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
