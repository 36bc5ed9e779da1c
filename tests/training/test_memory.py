"""The step without data takes what a real one does."""

import gc
import os
import subprocess
import sys

import pytest
import torch

from groundup.model.config import ModelConfig
from groundup.model.transformer import Transformer
from groundup.training.config import AdamWConfig, MuonConfig
from groundup.training.memory import PeakBytes, step_memory
from groundup.training.optimizer import build

CPU = torch.device("cpu")
SHAPES = {
    "gpt2": {},
    "modern": {
        "norm": "rms", "activation": "swiglu", "position": "rope", "bias": False, "tied": False,
        "qk_norm": True, "n_kv_heads": 1,
    },
}  # fmt: skip


def config_of(name, **more):
    sizes = {"n_layers": 3, "d_model": 64, "n_heads": 2, "context_length": 64, "vocab_size": 512}
    return ModelConfig(**{**sizes, **SHAPES[name], **more})


def test_live_bytes_are_counted_once_and_given_back():
    with PeakBytes() as peak:
        first = torch.zeros(1000)  # 4000 bytes
        view = first.view(10, 100)
        del first, view
        gc.collect()
        torch.zeros(2000)
    assert peak.peak_bytes == 8000


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("optimizer", [AdamWConfig(), MuonConfig()], ids=["adamw", "muon"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_it_equals_a_real_step(name, optimizer, dtype):
    config = config_of(name)
    found = step_memory(config, optimizer, rows=3, device=CPU, dtype=dtype)
    model = Transformer(config, compute_dtype=dtype)
    stepped = build(model, optimizer)
    ids = torch.zeros(3, config.context_length, dtype=torch.int64)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    with PeakBytes() as passes:
        model.loss(ids, ids).backward()
    with PeakBytes() as update:
        stepped.step()
    kept = sum(tensor.nbytes for tensor in stepped.tensors().values())
    weights = sum(parameter.nbytes for parameter in model.parameters())
    assert found.optimizer == kept
    assert found.gradients == weights
    assert found.weights == weights + sum(buffer.nbytes for buffer in model.buffers())
    assert found.working == max(passes.peak_bytes, update.peak_bytes - kept)


def test_rows_add_up():
    sizes = [
        step_memory(config_of("gpt2"), AdamWConfig(), rows=n, device=CPU, dtype=torch.float32)
        for n in (4, 8, 12)
    ]
    assert sizes[1].working - sizes[0].working == sizes[2].working - sizes[1].working > 0


def test_nothing_of_a_fake_pass_is_left_behind():
    config = config_of("gpt2")
    step_memory(config, AdamWConfig(), rows=1, device=CPU, dtype=torch.bfloat16)
    model = Transformer(config, compute_dtype=torch.bfloat16)
    ids = torch.zeros(1, config.context_length, dtype=torch.int64)
    assert model.loss(ids, ids).isfinite()


CHILD = """
import resource, sys
import torch
from groundup.model.config import ModelConfig
from groundup.model.transformer import Transformer
from groundup.training.config import AdamWConfig
from groundup.training.optimizer import build

torch.set_num_threads(1)
config = ModelConfig(n_layers=6, d_model=256, n_heads=4, context_length=256, vocab_size=8192)
ids = torch.zeros(8, 256, dtype=torch.int64)
small = Transformer(config.model_copy(update={"n_layers": 1}), compute_dtype=torch.float32)
small.loss(ids[:1], ids[:1]).backward()  # loads kernels
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
model = Transformer(config, compute_dtype=torch.float32)
optimizer = build(model, AdamWConfig())
for _ in range(2):
    model.loss(ids, ids).backward()
    optimizer.step()
    optimizer.zero_grad()
print(1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux only")
def test_the_system_sees_the_same(tmp_path):
    config = ModelConfig(n_layers=6, d_model=256, n_heads=4, context_length=256, vocab_size=8192)
    found = step_memory(config, AdamWConfig(), rows=8, device=CPU, dtype=torch.float32)
    done = subprocess.run(
        [sys.executable, "-c", CHILD], capture_output=True, text=True, check=True, env=os.environ
    )
    # Above it: the allocator's fragments. Below it: memory that the small model had left free.
    assert int(done.stdout) == pytest.approx(found.total, rel=0.15)
