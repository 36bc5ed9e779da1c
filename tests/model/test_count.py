import pytest
import torch
from model_cases import CASES, small_config
from torch.utils.flop_counter import FlopCounterMode

from groundup.model import count
from groundup.model.presets import PRESETS
from groundup.model.transformer import Transformer


@pytest.mark.parametrize("case", CASES)
def test_parameters_equal_those_of_the_built_model(case):
    config = small_config(**CASES[case])
    model = Transformer(config, seed=None)
    assert count.n_params(config) == sum(p.numel() for p in model.parameters())
    tables = [model.embedding.weight, model.head.weight]
    if config.position == "learned":
        tables.append(model.positions.weight)
    outside = sum({id(p): p.numel() for p in tables}.values())
    assert count.n_params(config, embeddings=False) == count.n_params(config) - outside


@pytest.mark.parametrize("case", CASES)
def test_operations_equal_what_pytorch_counts(case):
    config = small_config(**CASES[case])
    model = Transformer(config)
    rows, length = 3, 24
    ids = torch.zeros(rows, length, dtype=torch.int64)
    model.compute_dtype = torch.bfloat16  # PyTorch does not count its fused attention on a CPU
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        model(ids)
    expected = count.forward_flops_per_token(config, length) * rows * length
    assert forward.get_total_flops() == expected
    with FlopCounterMode(display=False) as both:
        model.loss(ids, ids).backward()
    assert both.get_total_flops() == count.flops_per_token(config, length) * rows * length


def test_operations_follow_the_stated_formula():
    config = PRESETS["gpt2"].config()
    # nanoGPT's estimate for this model: 6N + 12 L H Q T, with N without position embeddings.
    n = 124_439_808 - 1024 * 768
    norms_and_biases = 25 * 2 * 768 + 12 * (4 * 768 + 3072 + 768)
    assert count.matrix_params(config) == n - norms_and_biases
    assert count.flops_per_token(config, 1024) == 6 * (n - norms_and_biases) + 12 * 12 * 768 * 1024
