"""The parts add up to the step, and their operations to the model's."""

import time

import pytest
import torch

from groundup.model import count
from groundup.model.config import ModelConfig
from groundup.model.transformer import Transformer
from groundup.training.profile import PARTS, Stopwatch, profile, timed_parts


@pytest.fixture
def clock(monkeypatch):
    """Every look at the clock comes a second after the one before."""
    now = [0.0]

    def tick():
        now[0] += 1.0
        return now[0]

    monkeypatch.setattr(time, "perf_counter", tick)


def test_time_belongs_to_the_part_that_was_switched_to_last(clock):
    watch = Stopwatch(torch.device("cpu"))
    watch.switch("data")
    watch.enter("attention")
    watch.enter("norms")
    watch.leave()
    watch.leave()
    watch.switch("other")
    found = watch.seconds()
    assert (found["data"], found["attention"], found["norms"]) == (2.0, 2.0, 1.0)
    assert sum(found.values()) == 5.0
    assert sum(watch.seconds().values()) == 0.0


def test_every_module_of_the_model_is_timed_and_left_as_it_was(clock):
    shape = ModelConfig(n_layers=2, d_model=16, n_heads=2, context_length=8, vocab_size=32)
    model = Transformer(shape)
    watch = Stopwatch(torch.device("cpu"))
    ids = torch.zeros(1, 8, dtype=torch.int64)
    with timed_parts(model, watch):
        watch.switch("embedding and positions")
        model.loss(ids, ids)
        watch.switch("backward")
    found = watch.seconds()
    assert found["embedding and positions"] == 1.0
    assert (found["attention"], found["feed-forward"], found["norms"]) == (2.0, 2.0, 5.0)
    assert found["output layer and loss"] == 1.0
    model.loss(ids, ids)
    assert sum(watch.seconds().values()) == 0.0


def test_a_profile_of_a_recipe(tokens, config):
    start = time.perf_counter()
    found = profile(config, tokens, steps=2)
    wall = time.perf_counter() - start
    assert tuple(found.seconds) == PARTS
    assert all(seconds > 0 for seconds in found.seconds.values())
    assert 0 < 2 * found.step_seconds < wall
    shape = ModelConfig.of(config.model, vocab_size=260)
    wanted = count.flops_per_token(shape, config.model.context_length) * config.batch_tokens
    assert sum(found.flops.values()) == pytest.approx(wanted)
    assert 0 < found.limit_fraction("backward") < 1
    assert found.limit_fraction("norms") is None
