"""Kernels are taken for what they do, not for their names."""

import math

import pytest
import torch

from groundup.core.errors import DeviceError
from groundup.model import attention_probe
from groundup.model.attention import attend_causally, attend_plainly
from groundup.model.attention_probe import (
    KERNELS,
    choose_attention,
    fastest,
    try_kernel,
    use_attention,
)
from groundup.model.config import ModelConfig, ModelShape
from groundup.model.transformer import Transformer

CPU = torch.device("cpu")
SHAPE = ModelShape(n_layers=1, d_model=32, n_heads=4, n_kv_heads=2, context_length=16)


@pytest.fixture(params=[torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def tensors(request):
    return attention_probe._tensors((4, 2, 16, 8), CPU, request.param)


def wrong(q, k, v):
    """Forgets that the future is hidden."""
    grouped = q.shape[1] != k.shape[1]
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, enable_gqa=grouped)


def no_gradient(q, k, v):
    return attend_plainly(q.detach(), k.detach(), v.detach())


def nan(q, k, v):
    return attend_plainly(q, k, v) * math.nan


@pytest.mark.parametrize("name", ["sdpa", "plain"])
def test_right_kernels_agree(name, tensors):
    trial = try_kernel(name, KERNELS[name], tensors)
    assert trial.problem == ""
    assert 0 < trial.milliseconds < math.inf


@pytest.mark.parametrize(
    ("kernel", "problem"), [(wrong, "differs by"), (nan, "differs by"), (no_gradient, "Error")]
)
def test_wrong_kernels_are_found_out(kernel, problem, tensors):
    assert problem in try_kernel("x", kernel, tensors).problem


def test_the_fastest_right_one_wins_and_all_are_named(tensors, monkeypatch, caplog):
    seconds = {attend_plainly: 3.0, attend_causally: 2.0, wrong: 1.0}
    monkeypatch.setattr(attention_probe, "_timed", lambda kernel, _: seconds[kernel])
    kernels = {"plain": attend_plainly, "sdpa": attend_causally, "wrong": wrong}
    with caplog.at_level("INFO"):
        assert fastest(kernels, tensors).name == "sdpa"
    assert "attention: sdpa, the fastest of 2 that agree" in caplog.text
    assert "attention wrong: differs by" in caplog.text


def test_when_none_works_it_is_said(tensors):
    with pytest.raises(DeviceError, match="no attention kernel"):
        fastest({"wrong": wrong}, tensors)


def test_a_processor_keeps_its_measured_rule():
    assert choose_attention("auto", SHAPE, CPU, torch.bfloat16) is attend_causally


def test_what_is_asked_for_is_taken_or_refused_with_the_reason():
    assert choose_attention("plain", SHAPE, CPU, torch.float32) is attend_plainly
    with pytest.raises(DeviceError) as caught:
        choose_attention("flash3", SHAPE, CPU, torch.float32)
    assert "flash_attn_interface" in caught.value.message
    assert "auto" in caught.value.hint


def test_a_model_trains_with_the_kernel_that_it_is_given():
    config = ModelConfig.of(SHAPE, vocab_size=32)
    model = Transformer(config, compute_dtype=torch.float32)
    ids = torch.randint(0, 32, (2, 16), generator=torch.Generator().manual_seed(0))
    expected = float(model.loss(ids, ids).detach())
    use_attention(model, "plain")
    assert all(block.attention.attend_causally is attend_plainly for block in model.blocks)
    assert float(model.loss(ids, ids).detach()) == pytest.approx(expected, rel=1e-5)
