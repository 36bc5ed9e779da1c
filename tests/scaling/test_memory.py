"""Estimates of memory against what PyTorch allocates in a step."""

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from groundup.model.config import ModelConfig
from groundup.model.transformer import Transformer
from groundup.scaling.devices import Device, Machine
from groundup.scaling.memory import kv_cache_bytes, training_memory, weight_bytes
from groundup.scaling.shapes import PlanShape, named_shape

HERE = Device("test", 1e12, 64e9, None, None, None, 0.5, "test", activation_bytes=4)
SHAPES = [
    (2, 64, 128, 512, 16),
    (4, 128, 256, 2048, 8),
    (6, 256, 256, 4096, 2),
    (8, 256, 128, 8192, 2),
    (3, 384, 256, 1024, 4),
]


def config_of(layers, width, context, vocabulary):
    return ModelConfig(
        n_layers=layers,
        d_model=width,
        n_heads=width // 32,
        context_length=context,
        norm="rms",
        position="rope",
        bias=False,
        vocab_size=vocabulary,
    )


def measured_peak(config, rows):
    """Largest sum of live bytes in a whole training step, weights and moments included."""
    model = Transformer(config, seed=0, compute_dtype=torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), foreach=False)
    ids = torch.randint(config.vocab_size, (rows, config.context_length))

    def step():
        optimizer.zero_grad(set_to_none=True)
        model.loss(ids, ids).backward()
        optimizer.step()

    step()
    optimizer.zero_grad(set_to_none=True)
    held = 12 * sum(p.numel() for p in model.parameters())
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        step()
    events = [e for e in profiled.profiler.kineto_results.events() if e.name() == "[memory]"]
    live = most = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        live += event.nbytes()
        most = max(most, live)
    return held + most


@pytest.mark.parametrize("case", SHAPES, ids=str)
def test_peak_of_a_training_step_is_estimated_to_ten_percent(case):
    *shape, rows = case
    config = config_of(*shape)
    memory = training_memory(
        PlanShape.of(config), Machine(HERE, 1), batch_tokens=rows * config.context_length
    )
    assert (memory.rows, memory.accumulation) == (rows, 1)
    assert memory.peak_bytes == pytest.approx(measured_peak(config, rows), rel=0.10)


def test_a_model_too_large_for_one_device_is_sharded_over_eight():
    shape = named_shape(13e9)
    from groundup.scaling.devices import machine_named

    alone = training_memory(shape, machine_named("h100"), 1e6)
    together = training_memory(shape, machine_named("h100x8"), 1e6)
    assert alone.rows == 0
    assert together.sharded
    assert together.persistent_bytes == pytest.approx(16 * shape.n_total / 8)
    assert together.rows >= 1
    assert together.peak_bytes < 80e9


def test_serving_memory_by_hand():
    """GPT-2 small: 124,439,808 weights; keys and values of 12 layers of 768 over 1024 tokens."""
    shape = named_shape("gpt2")
    assert weight_bytes(shape)["bf16"] == 2 * 124_439_808
    assert kv_cache_bytes(shape) == 2 * 12 * 768 * 2 * 1024
