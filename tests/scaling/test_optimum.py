import math

import pytest
from scipy.optimize import minimize_scalar

from groundup.core.errors import ConfigError
from groundup.scaling.laws import C4_REPEATED, EPOCH, HOFFMANN, KAPLAN, STEP_LAW, Law
from groundup.scaling.optimum import (
    effective,
    flops_for_loss,
    loss_with_repeats,
    serving_optimum,
)

SARDANA = Law("as in Sardana et al. 2024", 1.69, 406.4, 410.7, 0.336, 0.283)


@pytest.mark.parametrize("law", [EPOCH, HOFFMANN, KAPLAN, C4_REPEATED], ids=lambda law: law.name)
@pytest.mark.parametrize("flops", [1e15, 1e21, 5.76e23])
def test_the_closed_form_is_the_numeric_minimum(law, flops):
    n, d = law.optimum(flops)
    found = minimize_scalar(
        lambda log_n: law.loss(math.exp(log_n), flops / (6 * math.exp(log_n))),
        bounds=(math.log(n) - 2, math.log(n) + 2),
        method="bounded",
        options={"xatol": 1e-12},
    )
    assert found.fun == pytest.approx(law.loss(n, d), rel=1e-12)
    assert found.x == pytest.approx(math.log(n), abs=1e-5)
    assert 6 * n * d == pytest.approx(flops)


def test_published_tokens_per_parameter():
    for law, ratio in ((HOFFMANN, 47), (EPOCH, 20)):  # at a best size of 13 billion
        flops = 6 * 13e9**2
        for _ in range(60):
            n, d = law.optimum(flops)
            flops *= (13e9 / n) ** (1 / law.a)
        assert d / n == pytest.approx(ratio, rel=0.03)
    n, d = EPOCH.optimum(5.76e23)
    assert d / n == pytest.approx(18.4, abs=0.1)


def test_a_smaller_gpt3_would_have_had_less_loss():
    """Brown et al. 2020: 175 billion parameters, 300 billion tokens, 3.14e23 operations."""
    n, d = EPOCH.optimum(3.14e23)
    assert (n, d) == (pytest.approx(53e9, rel=0.01), pytest.approx(0.99e12, rel=0.01))
    assert EPOCH.loss(n, d) == pytest.approx(1.992, abs=5e-4)
    assert EPOCH.loss(175e9, 300e9) == pytest.approx(2.009, abs=5e-4)


def test_tokens_per_parameter_are_constant_only_with_equal_exponents():
    ratios = [d / n for n, d in (C4_REPEATED.optimum(c) for c in (1e18, 1e21, 1e24))]
    assert ratios == pytest.approx([19.6] * 3, rel=0.01)
    low, high = (d / n for n, d in (EPOCH.optimum(c) for c in (1e18, 1e24)))
    assert low > 1.2 * high


def test_repeated_data_costs_what_its_authors_computed():
    """The two losses in the README of huggingface/datablations."""
    assert loss_with_repeats(C4_REPEATED, 6.34e9, 242e9, 25e9) == pytest.approx(
        2.2256440889984477, abs=1e-9
    )
    assert loss_with_repeats(C4_REPEATED, 8.67e9, 178e9, 25e9) == pytest.approx(
        2.2269634075087867, abs=1e-9
    )


@pytest.mark.parametrize(
    ("epochs", "worth"), [(1, 1.0), (2, 1.97), (4, 3.73), (8, 6.62), (16, 10.6), (40, 15.2)]
)
def test_worth_of_repeated_tokens(epochs, worth):
    assert effective(epochs * 1e9, 1e9) / 1e9 == pytest.approx(worth, abs=0.05)
    assert effective(epochs * 1e9, 1e9) <= 1e9 * (1 + 15.387756)


def test_fewer_tokens_than_there_are_unique_ones_count_in_full():
    assert effective(3e8, 1e9) == 3e8


def test_serving_two_trillion_tokens_asks_for_seven_billion_parameters():
    flops = 6 * 13e9**2
    for _ in range(60):
        n, d = SARDANA.optimum(flops)
        flops *= (13e9 / n) ** (1 / SARDANA.a)
    found = serving_optimum(SARDANA, SARDANA.loss(n, d), 2e12)
    assert found.n == pytest.approx(6.97e9, rel=0.002)  # the paper: 7B
    assert found.d == pytest.approx(1.25e12, rel=0.01)
    assert found.saved_fraction == pytest.approx(0.174, abs=0.001)  # the paper: 17%


def test_a_model_that_nobody_uses_is_the_cheapest_to_train():
    loss = EPOCH.loss(*EPOCH.optimum(1e21))
    found = serving_optimum(EPOCH, loss, 0.0)
    assert found.n == pytest.approx(EPOCH.optimum(1e21)[0], rel=1e-4)
    assert abs(found.saved_fraction) < 1e-8


def test_a_loss_below_the_floor_is_refused():
    with pytest.raises(ConfigError, match="no model reaches"):
        flops_for_loss(EPOCH, 1.8)


def test_flops_for_a_loss_are_the_optimum_s():
    assert flops_for_loss(EPOCH, EPOCH.loss(*EPOCH.optimum(1e22))) == pytest.approx(1e22, rel=1e-9)


def test_step_law_at_two_sizes():
    lr, batch, inside = STEP_LAW.at(1e6, 20e6)
    assert (lr, batch, inside) == (
        pytest.approx(0.0165, rel=0.02),
        pytest.approx(8600, rel=0.02),
        False,
    )
    lr, batch, _ = STEP_LAW.at(124e6, 2.5e9)
    assert (lr, batch) == (pytest.approx(0.0023, rel=0.05), pytest.approx(135e3, rel=0.05))


def test_kaplans_doublings():
    """2001.08361, equations 1.1 to 1.3: loss after doubling N alone or D alone."""
    far = 1e30
    assert KAPLAN.loss(2e9, far) / KAPLAN.loss(1e9, far) == pytest.approx(0.949, abs=0.001)
    # D alone with the joint fit's exponent .103 (the separate fit's .095 gives .936)
    assert KAPLAN.loss(far, 2e9) / KAPLAN.loss(far, 1e9) == pytest.approx(2**-0.103, abs=1e-6)
