import math

import numpy as np
import pytest

from groundup.evaluate import bootstrap


def test_interval_of_independent_values_agrees_with_the_normal_formula():
    values = np.random.default_rng(0).normal(size=400)
    found = bootstrap.mean(values.tolist(), [str(i) for i in range(400)], seed=1)
    half = 1.96 * values.std() / math.sqrt(400)
    assert found.mean == pytest.approx(values.mean())
    # The percentile interval of 10,000 resamples is itself random to about 2% of its width.
    assert found.low == pytest.approx(values.mean() - half, abs=0.05 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.05 * half)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    generator = np.random.default_rng(5)
    trials, hits = 300, 0
    groups = [str(i // 4) for i in range(160)]  # 40 groups of four alike values
    for _ in range(trials):
        values = np.repeat(generator.normal(size=40), 4) + 0.1 * generator.normal(size=160)
        found = bootstrap.mean(values.tolist(), groups, seed=1, replicates=1000)
        hits += found.low <= 0.0 <= found.high
    # 40 groups: percentile intervals fall a little short of 95%; 300 trials add a noise of 1.3%.
    assert 0.89 <= hits / trials <= 0.99


def test_values_that_move_together_widen_the_interval():
    values = [float(i // 8 % 2) for i in range(160)]
    alone = bootstrap.mean(values, [str(i) for i in range(160)], seed=1)
    grouped = bootstrap.mean(values, [str(i // 8) for i in range(160)], seed=1)
    ratio = (grouped.high - grouped.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(math.sqrt(8), rel=0.1)  # eight copies carry the weight of one


def test_groups_of_unequal_size_weigh_by_their_questions():
    found = bootstrap.mean([1.0, 1.0, 1.0, 0.0], ["a", "a", "a", "b"], seed=1)
    assert found.mean == 0.75
    assert (found.low, found.high) == (0.0, 1.0)
    assert (found.n, found.groups) == (4, 2)


def test_a_constant_difference_is_known_exactly():
    first, second = [0.3, 0.7, 0.9], [0.1, 0.5, 0.7]
    found = bootstrap.paired(first, second, ["a", "b", "c"], seed=1)
    assert found.mean == pytest.approx(0.2)
    assert found.low == pytest.approx(0.2)
    assert found.high == pytest.approx(0.2)
    assert found.excludes_zero


def test_pairing_sees_what_separate_intervals_cannot():
    generator = np.random.default_rng(2)
    hard = generator.random(300)
    first, second = hard + 0.02 + 0.01 * generator.normal(size=300), hard
    groups = [str(i) for i in range(300)]
    found = bootstrap.paired(first.tolist(), second.tolist(), groups, seed=1)
    assert found.excludes_zero
    assert bootstrap.mean(first.tolist(), groups, seed=1).low < float(second.mean())


def test_one_group_has_no_interval():
    found = bootstrap.mean([1.0, 0.0], ["a", "a"], seed=1)
    assert (found.mean, found.low, found.high) == (0.5, None, None)
    assert not found.excludes_zero


def test_equal_seeds_give_equal_intervals_and_others_do_not():
    values = np.random.default_rng(1).random(50).tolist()
    groups = [str(i) for i in range(50)]
    assert bootstrap.mean(values, groups, seed=3) == bootstrap.mean(values, groups, seed=3)
    assert bootstrap.mean(values, groups, seed=3) != bootstrap.mean(values, groups, seed=4)


def test_lengths_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="groups"):
        bootstrap.mean([1.0], [], seed=1)
    with pytest.raises(ValueError, match="paired"):
        bootstrap.paired([1.0], [1.0, 2.0], ["a"], seed=1)
