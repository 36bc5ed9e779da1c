import pytest
import torch
import torch.nn.functional as F

from groundup.model import loss
from groundup.model.loss import target_log_probs


def _inputs(dtype, rows=50, width=8, vocab=31):
    stream = torch.Generator().manual_seed(0)
    hidden = torch.randn(rows, width, generator=stream, dtype=torch.float64)
    weight = torch.randn(vocab, width, generator=stream, dtype=torch.float64)
    targets = torch.randint(vocab, (rows,), generator=stream)
    targets[::7] = -100
    return hidden.to(dtype).requires_grad_(), weight.to(dtype).requires_grad_(), targets


def _expected(hidden, weight, targets):
    logp = F.log_softmax(hidden @ weight.T, dim=-1)
    return logp.gather(1, targets.clamp(min=0)[:, None])[:, 0].masked_fill(targets == -100, 0.0)


@pytest.mark.parametrize("kept_elements", [1 << 28, 0])
def test_values_and_gradients_equal_log_softmax(kept_elements, monkeypatch):
    monkeypatch.setattr(loss, "_KEPT_ELEMENTS", kept_elements)
    monkeypatch.setattr(loss, "_PIECE_ELEMENTS", 31 * 9)  # pieces of 9 rows, the last shorter
    hidden, weight, targets = _inputs(torch.float64)
    upstream = torch.rand(50, dtype=torch.float64)
    expected = _expected(hidden, weight, targets)
    wanted = torch.autograd.grad(expected, (hidden, weight), upstream)
    for exact in (True, False):
        found = target_log_probs(hidden, weight, targets, exact=exact)
        torch.testing.assert_close(found, expected.detach(), rtol=1e-12, atol=1e-12)
    got = torch.autograd.grad(found, (hidden, weight), upstream)
    torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-12)
    assert torch.autograd.gradcheck(target_log_probs, (hidden, weight, targets))


def test_bfloat16_is_right_to_its_rounding_of_the_logits():
    hidden, weight, targets = _inputs(torch.bfloat16, rows=4000, vocab=500)
    exact = _expected(hidden.detach().double(), weight.detach().double(), targets)
    found = target_log_probs(hidden, weight, targets)
    assert found.dtype == torch.float32
    # Rounding moves a logit of up to 16 by up to 1/32, and so the target against the rest by 1/16.
    assert (found - exact).abs().max() < 1 / 16
    assert abs((found - exact).mean()) < 1e-3  # rounding does not lean to one side


def test_an_impossible_target_has_a_finite_loss():
    hidden = torch.tensor([[1.0]], dtype=torch.bfloat16, requires_grad=True)
    weight = torch.tensor([[300.0], [-300.0]], dtype=torch.bfloat16, requires_grad=True)
    logp = target_log_probs(hidden, weight, torch.tensor([1]))
    logp.sum().backward()
    assert torch.isfinite(logp).all()
    assert torch.isfinite(hidden.grad).all()
    assert hidden.grad.item() < 0  # and still teaches: d logp / d hidden = w_1 - w_0
