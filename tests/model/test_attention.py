import pytest
import torch
import torch.nn.functional as F

from groundup.model import attention


def _inputs(dtype=torch.float32, T=9):
    stream = torch.Generator().manual_seed(0)
    q = torch.randn(2, 4, T, 8, generator=stream)
    k, v = (torch.randn(2, 2, T, 8, generator=stream) for _ in range(2))
    return [x.to(dtype).requires_grad_() for x in (q, k, v)]


def _fused(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)


def test_the_plain_product_equals_the_fused_kernel():
    inputs = _inputs()
    plain = attention.attend(*inputs, attention._causal_bias(9, torch.float32))
    torch.testing.assert_close(plain, _fused(*inputs), rtol=1e-5, atol=1e-6)
    upstream = torch.randn(plain.shape, generator=torch.Generator().manual_seed(1))
    found = torch.autograd.grad(plain, inputs, upstream)
    torch.testing.assert_close(
        found, torch.autograd.grad(_fused(*inputs), inputs, upstream), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("limit", [0, 2048])
def test_either_kernel_serves_bfloat16(limit, monkeypatch):
    monkeypatch.setattr(attention, "_PLAIN_MAX_KEYS", limit)
    inputs = _inputs(torch.bfloat16)
    found = attention.attend_causally(*inputs).float()
    expected = _fused(*(x.float() for x in inputs))
    torch.testing.assert_close(found, expected, rtol=0, atol=0.03)  # a few roundings of 2^-8


def test_long_prompts_take_the_fused_kernel(monkeypatch):
    inputs = _inputs()
    hidden = torch.zeros(2, 1, 9, 9).masked_fill(torch.ones(9, 9).triu(1).bool(), attention.HIDDEN)
    plain = attention.attend(*inputs, hidden)
    monkeypatch.setattr(attention, "_PLAIN_MAX_SCORES", 0)
    torch.testing.assert_close(attention.attend(*inputs, hidden), plain, rtol=1e-5, atol=1e-6)


def test_a_query_that_sees_nothing_gives_numbers():
    found = attention.attend(*_inputs(), torch.full((9, 9), attention.HIDDEN))
    assert torch.isfinite(found).all()
