"""How many rows are held at once, and what is said when none fits."""

import pytest
import torch

from groundup.core.errors import ResourceError
from groundup.training.memory import StepMemory
from groundup.training.microbatch import CPU_TOKENS, choose_rows, confirm, free_bytes

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
MIB = 2**20


def memory_of(rows):
    """100 MiB that are always there and 10 MiB for each row."""
    return StepMemory(25 * MIB, 25 * MIB, 50 * MIB, 10 * MIB * rows)


def choose(free, *, device=CPU, batch_rows=64, wanted_tokens=None, context_length=256):
    return choose_rows(
        memory_of,
        device=device,
        context_length=context_length,
        batch_rows=batch_rows,
        wanted_tokens=wanted_tokens,
        free=free * MIB,
    )


@pytest.mark.parametrize(
    ("batch_rows", "wanted_tokens", "rows"),
    [
        (64, 1024, 4),
        (64, 100, 1),  # never less than a row
        (2, 1024, 2),  # never more than the batch
        (64, None, CPU_TOKENS // 256),
    ],
)
def test_rows_by_hand(batch_rows, wanted_tokens, rows):
    assert choose(1000, batch_rows=batch_rows, wanted_tokens=wanted_tokens).rows == rows


@pytest.mark.parametrize(
    ("free", "rows"),
    [
        (289, 16),  # 90% of 289 is 260.1, and 16 rows take 260
        (288, 8),
        (200, 8),
        (199, 4),
        (123, 1),
    ],
)
def test_on_a_processor_the_usual_size_is_halved_until_it_fits(free, rows):
    assert choose(free).rows == rows


@pytest.mark.parametrize(("free", "rows"), [(10_000, 60), (500, 30), (400, 15), (250, 6), (160, 3)])
def test_on_a_gpu_rows_divide_the_batch(free, rows):
    assert choose(free, device=CUDA, batch_rows=60).rows == rows


def test_a_refusal_shows_the_sum():
    tenths = [size * 2**30 // 10 for size in (59, 59, 118, 4)]
    with pytest.raises(ResourceError) as caught:
        choose_rows(
            lambda rows: StepMemory(*tenths),
            device=CPU,
            context_length=1024,
            batch_rows=8,
            wanted_tokens=None,
            free=221 * 2**30 // 10,
        )
    assert caught.value.message == (
        "training does not fit in memory: weights 5.90 + gradients 5.90 + optimizer state 11.8"
        " + activations of one row 0.40 = 24.0 GiB > 22.1 GiB free"
    )
    assert "smaller model" in caught.value.hint


def test_where_only_the_activations_are_too_much_they_can_be_computed_again():
    with pytest.raises(ResourceError) as caught:
        choose(120)  # 108 may be used: 100 are always there, and a row takes 10
    assert "recompute_every_layers = 1" in caught.value.hint


def test_what_the_recipe_asks_for_is_refused_rather_than_changed():
    with pytest.raises(ResourceError) as caught:
        choose(150, wanted_tokens=4096)
    assert "activations of 16 rows" in caught.value.message
    assert "micro_batch_tokens = 256" in caught.value.hint


def test_a_device_that_runs_out_gets_fewer_rows():
    tried = []

    def try_rows(rows):
        tried.append(rows)
        if rows > 5:
            raise torch.OutOfMemoryError("CUDA out of memory")

    assert confirm(60, 60, try_rows) == 3
    assert tried == [60, 30, 15, 6, 3]
    with pytest.raises(ResourceError, match="one row"):
        confirm(2, 2, lambda rows: try_rows(6))


def test_free_memory_of_a_processor_is_the_machines():
    assert free_bytes(CPU) > 0
