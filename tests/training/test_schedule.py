"""Schedules at points worked by hand, and what must hold at every step."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.training.config import ScheduleConfig
from groundup.training.schedule import cosine, lr_factor, wsd


@pytest.mark.parametrize(
    ("step", "factor"),
    [
        (0, 0.25),  # warmup of 4: 1/4, 2/4, 3/4, 4/4
        (2, 0.75),
        (3, 1.0),
        (39, 1.0),  # flat until 0.4 * 100
        (40, 1.0),  # the decay line begins at 1 ...
        (70, 0.515),  # ... is half-way between 1 and 0.03 after half of its 60 steps ...
        (99, 0.03 + 0.97 / 60),  # ... and would reach 0.03 one step after the last
        (100, 0.03),
        (500, 0.03),
    ],
)
def test_wsd_by_hand(step, factor):
    found = wsd(step, total_steps=100, warmup_steps=4, flat_fraction=0.4, final_fraction=0.03)
    assert found == pytest.approx(factor)


@pytest.mark.parametrize(
    ("step", "factor"),
    [(0, 0.5), (1, 1.0), (2, 1.0), (6, 0.55), (10, 0.1), (4, 0.1 + 0.45 * (1 + 0.5**0.5))],
)
def test_cosine_by_hand(step, factor):
    assert cosine(step, total_steps=10, warmup_steps=2) == pytest.approx(factor)


def test_linear_to_zero_is_a_wsd_without_a_flat_part():
    factors = [wsd(s, total_steps=4, flat_fraction=0.0, final_fraction=0.0) for s in range(5)]
    assert factors == pytest.approx([1.0, 0.75, 0.5, 0.25, 0.0])


@given(
    st.sampled_from(["wsd", "cosine"]),
    st.integers(1, 300),
    st.integers(0, 50),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_factors_rise_then_fall_and_stay_within_bounds(kind, total, warmup, flat, final):
    config = ScheduleConfig(
        kind=kind, warmup_steps=warmup, flat_fraction=flat, final_fraction=final
    )
    factors = [lr_factor(step, total_steps=total, config=config) for step in range(total)]
    assert all(0 <= factor <= 1 for factor in factors)
    assert all(factor > 0 for factor in factors[:warmup])
    rising, falling = factors[:warmup], factors[warmup:]
    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)
    assert all(factor >= final - 1e-12 for factor in falling)
