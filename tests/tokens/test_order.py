import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.tokens.order import SORTED_ROWS, FeistelOrder, SortedOrder, epoch_order


@pytest.mark.parametrize("kind", [SortedOrder, FeistelOrder])
@settings(max_examples=60)
@given(n=st.integers(1, 600), key=st.integers(0, 2**63 - 1))
def test_every_row_comes_once_and_the_inverse_undoes_the_order(kind, n, key):
    order = kind(n, key)
    rows = [order.row_at(position) for position in range(n)]
    assert sorted(rows) == list(range(n))
    assert [order.position_of(row) for row in rows] == list(range(n))


def test_the_sorted_order_is_that_of_the_published_splitmix64():
    # the first outputs of Vigna's splitmix64.c from seed 0, also in Java's SplittableRandom tests
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC]
    order = SortedOrder(4, 0)
    assert [order.row_at(i) for i in range(4)] == np.argsort(published).tolist()


@pytest.mark.parametrize("kind", [SortedOrder, FeistelOrder])
def test_an_order_is_as_mixed_as_a_random_one(kind):
    n = 20_000
    order = kind(n, 1)
    rows = np.array([order.row_at(position) for position in range(n)])
    assert np.abs(np.diff(rows)).mean() == pytest.approx(n / 3, rel=0.03)
    for lag in (1, 2, 64):
        assert np.corrcoef(rows[:-lag], rows[lag:])[0, 1] == pytest.approx(0, abs=0.03)
    # Points (position, row) fall evenly into a 20 by 20 grid: chi-squared of 361 degrees of freedom
    cells, _, _ = np.histogram2d(np.arange(n), rows, bins=20, range=[[0, n], [0, n]])
    assert ((cells - n / 400) ** 2 / (n / 400)).sum() < 361 + 4 * np.sqrt(2 * 361)


def test_orders_of_different_keys_are_unlike():
    n = 5000
    one, two = FeistelOrder(n, 1), FeistelOrder(n, 2)
    same = sum(one.row_at(i) == two.row_at(i) for i in range(n))
    assert same < 8  # of a random pair: 1 on average, Poisson


def test_small_epochs_are_sorted_and_large_ones_take_no_memory():
    assert isinstance(epoch_order(1000, 3), SortedOrder)
    large = epoch_order(10**9, 3)
    assert isinstance(large, FeistelOrder)
    assert isinstance(epoch_order(SORTED_ROWS, 3), SortedOrder)
    assert isinstance(epoch_order(SORTED_ROWS + 1, 3), FeistelOrder)
    chosen = random.Random(0).sample(range(10**9), 300)
    rows = [large.row_at(position) for position in chosen]
    assert len(set(rows)) == 300
    assert all(0 <= row < 10**9 for row in rows)
    assert [large.position_of(row) for row in rows] == chosen
    assert np.mean(rows) == pytest.approx(5e8, rel=0.1)
