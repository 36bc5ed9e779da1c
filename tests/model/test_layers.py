import torch

from groundup.model.layers import LayerNorm, Linear, RMSNorm


def _linear():
    torch.manual_seed(0)
    linear = Linear(6, 4, bias=True)
    with torch.no_grad():
        linear.weight.normal_()
        linear.bias.normal_()
    return linear


@torch.no_grad()
def test_a_kept_cast_gives_the_same_product_until_released():
    linear = _linear()
    x = torch.randn(3, 6)
    for dtype in (torch.float32, torch.bfloat16):
        before = linear(x.to(dtype))
        linear.keep(dtype)
        assert torch.equal(linear(x.to(dtype)), before)
        assert linear.cast(dtype)[0] is linear.cast(dtype)[0]
        other = torch.float32 if dtype == torch.bfloat16 else torch.bfloat16
        assert linear(x.to(other)).dtype == other
        linear.release()
        linear.weight.mul_(2)
        assert not torch.equal(linear(x.to(dtype)), before)


def test_gradients_reach_float32_weights_through_the_cast():
    linear = _linear()
    linear.keep(torch.bfloat16)  # a kept cast must not hide the weights
    linear(torch.ones(2, 6, dtype=torch.bfloat16)).float().sum().backward()
    assert linear.weight.grad.dtype == torch.float32
    assert torch.equal(linear.weight.grad, torch.full((4, 6), 2.0))
    assert torch.equal(linear.bias.grad, torch.full((4,), 2.0))


def test_norms_equal_their_formulas():
    x = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
    layer, rms = LayerNorm(8, eps=1e-5, bias=True), RMSNorm(8, eps=1e-5, bias=True)
    with torch.no_grad():
        layer.weight.fill_(2.0)
        layer.bias.fill_(0.5)
        rms.weight.fill_(2.0)
    mean, variance = x.mean(1, keepdim=True), x.var(1, keepdim=True, correction=0)
    torch.testing.assert_close(layer(x), (x - mean) / (variance + 1e-5).sqrt() * 2 + 0.5)
    torch.testing.assert_close(rms(x), x / (x.square().mean(1, keepdim=True) + 1e-5).sqrt() * 2)
