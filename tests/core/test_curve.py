"""Curves in one line."""

import math

import pytest

from groundup.core.curve import BARS, KEPT_VALUES, Curve


def drawn(values, width=80):
    curve = Curve()
    for value in values:
        curve.add(value)
    return curve.drawn(width)


def test_lowest_and_highest_take_the_lowest_and_highest_bar():
    assert drawn([-1, 0, 6]) == "▁▂█"
    assert drawn([1, math.e**4, math.e**7]) == "▁▅█"  # heights are logarithms above zero


def test_a_curve_that_is_too_wide_is_averaged():
    assert drawn([0, 2, 7, 7, 0, 0], width=3) == "▂█▁"


@pytest.mark.parametrize("values", [[], [3.0], [math.nan, 3.0, math.inf]])
def test_one_value_is_no_curve(values):
    assert drawn(values) == ""


def test_a_level_curve_lies_low():
    assert drawn([2.0] * 4) == BARS[0] * 4


def test_a_long_curve_keeps_its_shape_in_bounded_memory():
    curve = Curve()
    for step in range(100_000):
        curve.add(100_000 - step)
    assert len(curve._values) < KEPT_VALUES
    line = curve.drawn(40)
    assert len(line) == 40
    assert (line[0], line[-1]) == ("█", "▁")
    assert list(line) == sorted(line, reverse=True)
