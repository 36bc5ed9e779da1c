import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.core.errors import ConfigError, NumericalError
from groundup.generate.sampling import (
    SamplingParams,
    choose,
    draws,
    filter_top_k,
    filter_top_p,
    row_seed,
)


def _kept(filtered):
    return [[v for v, x in enumerate(row) if x > -math.inf] for row in filtered.tolist()]


def test_temperature_zero_takes_the_likeliest():
    logits = torch.tensor([[0.0, 3.0, 1.0], [5.0, 3.0, 1.0]])
    assert choose(logits, SamplingParams(temperature=0.0), torch.ones(2)).tolist() == [1, 0]


def test_a_draw_is_the_inverse_of_the_cumulative_distribution():
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.125, 0.125]]))
    goals = {0.0: 0, 0.49: 0, 0.51: 1, 0.74: 1, 0.76: 2, 0.88: 3, 0.999999: 3}
    for draw, expected in goals.items():
        assert choose(logits, SamplingParams(), torch.tensor([draw])).item() == expected


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_frequencies_are_the_probabilities(temperature):
    n = 40_000
    logits = torch.tensor([1.0, 0.0, -1.0, 2.0])
    found = choose(
        logits.expand(n, 4), SamplingParams(temperature=temperature), torch.from_numpy(draws(3, n))
    )
    p = torch.softmax(logits / temperature, 0)
    # Five standard deviations of a frequency over n draws are at most 5 / (2 sqrt(n)).
    frequencies = torch.bincount(found, minlength=4) / n
    torch.testing.assert_close(frequencies, p, rtol=0, atol=2.5 / math.sqrt(n))


def test_a_token_without_probability_is_never_drawn():
    logits = torch.full((1, 7), -math.inf)
    logits[0, 2] = logits[0, 4] = 0.0
    largest = float(np.nextafter(np.float32(1), np.float32(0)))
    for draw, expected in ((0.0, 2), (largest, 4), (1.0, 4)):
        assert choose(logits, SamplingParams(), torch.tensor([draw])).item() == expected


def test_a_tiny_temperature_is_the_likeliest_token_without_overflow():
    logits = torch.tensor([[1e4, -1e4, 9.9e3]])
    assert choose(logits, SamplingParams(temperature=1e-30), torch.tensor([0.99])).item() == 0


def test_logits_that_are_no_numbers_are_refused():
    with pytest.raises(NumericalError, match="not finite"):
        choose(torch.tensor([[0.0, math.nan]]), SamplingParams(), torch.tensor([0.5]))


def test_top_k_keeps_the_k_largest():
    logits = torch.tensor([[1.0, 4.0, 3.0, 2.0], [9.0, 1.0, 1.0, 1.0]])
    assert _kept(filter_top_k(logits, 2)) == [[1, 2], [0, 1, 2, 3]]  # ties with the last stay
    assert _kept(filter_top_k(logits, 1)) == [[1], [0]]
    assert torch.equal(filter_top_k(logits, 4), logits)


def test_top_p_keeps_the_smallest_set_that_reaches_p():
    logits = torch.log(torch.tensor([[0.1, 0.5, 0.15, 0.25]]))
    for p, kept in (
        (0.01, [1]),
        (0.49, [1]),
        (0.51, [1, 3]),
        (0.8, [1, 2, 3]),
        (1.0, [0, 1, 2, 3]),
    ):
        assert _kept(filter_top_p(logits, p)) == [kept]


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    top_p=st.floats(0.01, 0.999),
    scale=st.floats(0.1, 8),
)
def test_top_p_agrees_with_its_definition(seed, top_p, scale):
    logits = torch.randn(3, 40, generator=torch.Generator().manual_seed(seed)) * scale
    for row, kept in zip(logits, _kept(filter_top_p(logits, top_p)), strict=True):
        p = torch.softmax(row.double(), 0)
        order = sorted(kept, key=lambda v: -p[v].item())
        assert order == torch.argsort(p, descending=True)[: len(kept)].tolist()
        mass = p[kept].sum().item()
        assert mass >= top_p - 1e-5
        assert mass - p[order[-1]].item() < top_p + 1e-5


def test_filters_apply_after_temperature_and_together():
    logits = torch.tensor([[2.0, 1.9, 1.8, -5.0]])
    params = SamplingParams(temperature=1.0, top_k=2, top_p=0.99)
    found = {choose(logits, params, torch.tensor([d / 50])).item() for d in range(50)}
    assert found == {0, 1}


def test_draws_are_a_stream_of_their_seed():
    assert np.array_equal(draws(1, 10)[:4], draws(1, 4))
    assert not np.array_equal(draws(1, 4), draws(2, 4))
    assert row_seed(0, 1) != row_seed(0, 2) != row_seed(1, 2)
    many = draws(7, 10_000)
    assert many.dtype == np.float32
    assert many.min() >= 0
    assert many.max() < 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_new_tokens", 0),
        ("temperature", -0.1),
        ("temperature", math.inf),
        ("temperature", math.nan),
        ("top_k", 0),
        ("top_p", 0.0),
        ("top_p", 1.5),
        ("stop", ("",)),
    ],
)
def test_impossible_parameters_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"{name}="):
        SamplingParams(**{name: value})
