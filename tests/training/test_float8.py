"""Float8 by emulation: near bfloat16, and refused where there is none."""

import sys
import warnings

import pytest
import torch

from groundup.core.errors import DeviceError
from groundup.model.config import ModelConfig
from groundup.model.transformer import Transformer
from groundup.training.float8 import use_float8

SHAPE = ModelConfig(n_layers=2, d_model=32, n_heads=2, context_length=16, vocab_size=64)


@pytest.fixture
def torchao():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own imports
        return pytest.importorskip("torchao.float8", reason="needs groundup[float8]")


def gradients(model):
    ids = torch.randint(0, 64, (4, 17), generator=torch.Generator().manual_seed(0))
    loss = model.loss(ids[:, :-1], ids[:, 1:])
    loss.backward()
    return float(loss.detach()), torch.cat([p.grad.flatten() for p in model.parameters()])


def test_it_is_near_bfloat16_and_not_the_same(torchao):
    expected_loss, expected = gradients(Transformer(SHAPE, compute_dtype=torch.bfloat16))
    model = Transformer(SHAPE, compute_dtype=torch.bfloat16)
    assert use_float8(model, emulate=True) == 2 * 6  # four of attention, two of feed-forward
    loss, found = gradients(model)
    assert loss == pytest.approx(expected_loss, rel=0.01)
    # Three bits of mantissa: each product is off by some percent, and they add up at random.
    assert torch.nn.functional.cosine_similarity(found, expected, dim=0) > 0.98
    assert not torch.equal(found, expected)


def test_measuring_stays_in_bfloat16(torchao):
    model = Transformer(SHAPE, compute_dtype=torch.bfloat16)
    ids = torch.zeros(2, 16, dtype=torch.int64)
    with torch.no_grad():
        expected = model(ids)
        use_float8(model, emulate=True)
        assert torch.equal(model(ids), expected)


def test_layers_with_odd_sides_stay_as_they_are(torchao):
    shape = SHAPE.model_copy(update={"d_ff": 40})
    assert use_float8(Transformer(shape, compute_dtype=torch.bfloat16), emulate=True) == 2 * 4


def test_a_processor_is_refused():
    with pytest.raises(DeviceError, match=r"compute capability 8\.9") as caught:
        use_float8(Transformer(SHAPE))
    assert "leave out float8" in caught.value.hint


def test_without_torchao_the_hint_says_how_to_get_it(monkeypatch):
    for name in ("torchao.float8.config", "torchao.float8.float8_linear"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DeviceError) as caught:
        use_float8(Transformer(SHAPE), emulate=True)
    assert "groundup[float8]" in caught.value.hint
