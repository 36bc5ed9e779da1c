import numpy as np
import pytest

from groundup.scaling.curves import fit_logistic, knee, largest_jump, onset


@pytest.mark.parametrize(("middle", "width"), [(9.5, 0.2), (9.8, 0.9)])
def test_a_known_logistic_is_found_again(middle, width):
    x = np.linspace(8, 11, 31)
    scale = width / (2 * np.log(9))
    accuracy = 0.02 + 0.6 / (1 + np.exp(-(x - middle) / scale))
    found = fit_logistic(x, accuracy, np.full_like(x, 5000.0))
    assert found.middle == pytest.approx(middle, abs=0.01)
    assert found.width == pytest.approx(width, rel=0.05)
    assert found.low == pytest.approx(0.02, abs=0.005)
    assert found.high == pytest.approx(0.62, abs=0.01)


def test_width_reaches_from_a_tenth_to_nine_tenths():
    x = np.linspace(0, 2, 41)
    found = fit_logistic(x, 1 / (1 + np.exp(-(x - 1) / 0.1)), np.full_like(x, 1000.0))
    rise = [1 / (1 + np.exp(-(at - 1) / 0.1)) for at in (1 - found.width / 2, 1 + found.width / 2)]
    assert rise == pytest.approx([0.1, 0.9], abs=0.01)


def test_a_checkpoint_counts_when_its_interval_is_clear_of_chance_and_stays_so():
    x = np.arange(5.0)
    error = np.full(5, 0.01)
    assert onset(x, np.array([0.25, 0.25, 0.40, 0.25, 0.40]), error, 0.25) == 4
    assert onset(x, np.array([0.25, 0.30, 0.40, 0.50, 0.60]), error, 0.25) == 1
    assert onset(x, np.array([0.25, 0.26, 0.27, 0.28, 0.28]), error, 0.25) is None


def test_the_largest_jump_by_hand():
    jump = largest_jump(np.array([1.0, 2.0, 2.1, 3.0]), np.array([0.0, 0.1, 0.7, 1.0]))
    assert (jump.share, jump.decades) == (pytest.approx(0.6), pytest.approx(0.1))
    falling = largest_jump(np.array([1.0, 2.0, 3.0]), np.array([5.0, 1.0, 0.0]))
    assert falling.share == pytest.approx(0.8)


def test_a_bend_is_found_and_a_straight_line_has_none():
    x = np.linspace(0, 10, 21)
    noise = 0.01 * np.random.default_rng(0).standard_normal(21)
    at, gain = knee(x, np.maximum(x - 6, 0) + noise)
    assert at == pytest.approx(6, abs=0.5)
    assert gain > 10
    assert knee(x, 2 * x + noise)[1] < 10
    assert knee(x[:5], x[:5]) is None
