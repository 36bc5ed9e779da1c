import math

import pytest
import torch
from model_cases import small_config

from groundup.model import feedforward


@pytest.mark.parametrize(
    ("activation", "by_hand"),
    [
        # With weights of one and no bias, each hidden unit is f(sum of x), here f(1.5).
        ("gelu", 1.5 * 0.5 * (1 + math.erf(1.5 / math.sqrt(2)))),
        ("relu2", 1.5**2),
        ("swiglu", 1.5 / (1 + math.exp(-1.5)) * 1.5),
    ],
)
def test_activations_equal_values_worked_by_hand(activation, by_hand):
    config = small_config(activation=activation, d_ff=6, bias=False)
    layer = feedforward.build(config)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(1.0)
        x = torch.zeros(1, 1, 16)
        x[..., :2] = torch.tensor([2.0, -0.5])
        assert layer(x)[0, 0].tolist() == pytest.approx([6 * by_hand] * 16)
        if activation == "relu2":
            assert layer(-x).abs().sum() == 0
