"""Computing again changes the memory and nothing else."""

import pytest
import torch

from groundup.model.config import ModelConfig
from groundup.model.transformer import Transformer
from groundup.training.config import AdamWConfig
from groundup.training.memory import step_memory
from groundup.training.recompute import recompute_blocks

SHAPE = ModelConfig(
    n_layers=4, d_model=32, n_heads=2, context_length=16, vocab_size=64, position="rope"
)


def gradients(every_layers, dtype):
    model = Transformer(SHAPE, seed=1, compute_dtype=dtype)
    recompute_blocks(model, every_layers)
    ids = torch.randint(0, 64, (3, 17), generator=torch.Generator().manual_seed(0))
    loss = model.loss(ids[:, :-1], ids[:, 1:])
    loss.backward()
    return {"loss": loss.detach(), **{n: p.grad for n, p in model.named_parameters()}}


@pytest.mark.parametrize("every_layers", [1, 2, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradients_are_equal_bit_for_bit(every_layers, dtype):
    expected, found = gradients(None, dtype), gradients(every_layers, dtype)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


def test_a_pass_without_gradients_is_as_before():
    model = Transformer(SHAPE, seed=1, compute_dtype=torch.float32)
    ids = torch.zeros(2, 16, dtype=torch.int64)
    with torch.no_grad():
        expected = model(ids)
        recompute_blocks(model, 1)
        assert torch.equal(model(ids), expected)


def test_the_more_blocks_the_less_memory():
    taken = [
        step_memory(
            SHAPE, AdamWConfig(), rows=64, device=torch.device("cpu"), dtype=torch.float32,
            recompute_every_layers=every,
        ).working
        for every in (None, 3, 2, 1)
    ]  # fmt: skip
    assert taken == sorted(taken, reverse=True)
    assert taken[3] < 0.6 * taken[0]
