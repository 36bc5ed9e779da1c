"""Batches made ready ahead are those that are asked for."""

import threading

import numpy as np
import pytest
import torch

from groundup.training.prefetch import Batches

CPU = torch.device("cpu")


def read(number):
    return np.full((2, 3), number, dtype=np.int64)


@pytest.mark.parametrize("ahead", [False, True])
def test_any_order_gives_the_batch_of_that_number(ahead):
    batches = Batches(read, CPU, ahead=ahead)
    for number in (0, 1, 2, 7, 8, 3, 3, 4):
        assert torch.equal(batches.batch(number), torch.from_numpy(read(number)))


def test_the_next_is_read_before_it_is_asked_for():
    asked, was_read = [], threading.Event()

    def note(number):
        asked.append(number)
        if number == 1:
            was_read.set()
        return read(number)

    batches = Batches(note, CPU, ahead=True)
    batches.batch(0)
    assert was_read.wait(timeout=30)
    assert torch.equal(batches.batch(1), torch.from_numpy(read(1)))
    assert asked.count(1) == 1


def test_without_reading_ahead_nothing_is_read_in_vain():
    asked = []
    batches = Batches(lambda number: (asked.append(number), read(number))[1], CPU, ahead=False)
    batches.batch(0)
    assert asked == [0]


def test_what_goes_wrong_while_reading_is_raised_where_it_is_asked_for():
    def fail(number):
        if number == 1:
            raise OSError("gone")
        return read(number)

    batches = Batches(fail, CPU, ahead=True)
    batches.batch(0)
    with pytest.raises(OSError, match="gone"):
        batches.batch(1)
