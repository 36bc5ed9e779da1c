import math

import pytest
import torch
from model_cases import CASES, small_config

from groundup.model.init import SCALES, scale_of
from groundup.model.transformer import Transformer


@pytest.mark.parametrize("case", CASES)
def test_the_built_model_has_the_scales_of_the_table(case):
    changes = {**CASES[case], "d_ff": None}
    config = small_config(d_model=128, n_layers=3, vocab_size=256, context_length=256, **changes)
    model = Transformer(config, seed=4)
    for name, parameter in model.named_parameters():
        scale = scale_of(name, config)
        if scale is None:
            assert torch.equal(parameter, torch.full_like(parameter, not name.endswith("bias")))
            continue
        # The deviation of n normal numbers is right to 1/sqrt(2n); five times that never fails.
        slack = 5 / math.sqrt(2 * parameter.numel())
        assert parameter.std().item() == pytest.approx(scale, rel=slack), name
        assert abs(parameter.mean().item()) < 5 * scale / math.sqrt(parameter.numel()), name


def test_every_entry_of_the_table_names_a_parameter():
    used = set()
    for case in CASES.values():
        for name, _ in Transformer(small_config(**case), seed=None).named_parameters():
            used |= {end for end in SCALES if name == end or name.endswith(f".{end}")}
    assert used == set(SCALES)


def test_the_first_loss_is_that_of_a_uniform_guess():
    config = small_config(vocab_size=512, d_model=64, context_length=64)
    stream = torch.Generator().manual_seed(0)
    ids = torch.randint(512, (8, 64), generator=stream)
    targets = torch.randint(512, (8, 64), generator=stream)
    loss = Transformer(config, compute_dtype=torch.float32).loss(ids, targets)
    # Logits of deviation 0.02 sqrt(64) = 0.16 add half their variance to ln V.
    assert loss.item() == pytest.approx(math.log(512), abs=0.05)
