"""n-gram baselines against a dictionary that follows the formula, and cases worked by hand."""

import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from groundup.evaluate.ngram import baselines, stream, witten_bell_nats
from groundup.tokens.loader import TokenRows


def slow_probability(train, history, token, vocab_size, order):
    """Witten-Bell by recursion over plain dictionaries."""
    if order == 0:
        return 1 / vocab_size
    lower = slow_probability(train, history, token, vocab_size, order - 1)
    if len(history) < order - 1:
        return lower
    before = tuple(history[len(history) - order + 1 :])
    grams = Counter(tuple(train[i : i + order]) for i in range(len(train) - order + 1))
    followers = defaultdict(dict)
    for gram, count in grams.items():
        followers[gram[:-1]][gram[-1]] = count
    seen = followers[before]
    if not seen:
        return lower
    total, types = sum(seen.values()), len(seen)
    return (seen.get(token, 0) + types * lower) / (total + types)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("vocab_size", [3, 11])
def test_nats_equal_the_dictionary_version(order, vocab_size):
    random = np.random.default_rng(5 * order + vocab_size)
    train = random.integers(0, vocab_size, 60)
    validation = random.integers(0, vocab_size, 25)
    nats = witten_bell_nats(train, validation, vocab_size=vocab_size, order=order)
    for k in range(1, order + 1):
        expected = -sum(
            math.log(slow_probability(list(train), list(validation[:i]), token, vocab_size, k))
            for i, token in enumerate(validation)
            if i > 0
        )
        assert nats[k - 1] == pytest.approx(expected, rel=1e-12)


def test_a_case_worked_by_hand():
    # Train a b a b a c over {a, b, c, d}: c(a)=3, c(b)=2, c(c)=1, N=6, three types.
    # P1(b) = (2 + 3/4) / 9 = 11/36. After a: b twice, c once, so c=3, t=2.
    # P2(b|a) = (2 + 2 * 11/36) / 5 = 47/90. P1(d) = (0 + 3/4) / 9 = 1/12.
    # P2(d|b): after b only a, twice: (0 + 1 * 1/12) / 3 = 1/36.
    a, b, c, d = range(4)
    nats = witten_bell_nats(
        np.array([a, b, a, b, a, c]), np.array([a, b, d]), vocab_size=4, order=2
    )
    assert nats[0] == pytest.approx(-math.log(11 / 36 * 1 / 12))
    assert nats[1] == pytest.approx(-math.log(47 / 90 * 1 / 36))


def test_a_context_seen_only_at_the_very_end_backs_off():
    nats = witten_bell_nats(np.array([0, 1, 2]), np.array([2, 1]), vocab_size=3, order=2)
    assert nats[1] == nats[0]


@pytest.mark.parametrize("order", [1, 2, 3])
def test_probabilities_of_all_next_tokens_add_up_to_one(order):
    random = np.random.default_rng(order)
    train, V = random.integers(0, 6, 100), 6
    history = random.integers(0, 6, 4)
    before = witten_bell_nats(train, history, vocab_size=V, order=order)[-1]
    total = 0.0
    for token in range(V):
        longer = np.append(history, token)
        nats = witten_bell_nats(train, longer, vocab_size=V, order=order)[-1]
        total += math.exp(before - nats)
    assert total == pytest.approx(1.0, abs=1e-12)


def rows_of(ids, context_length):
    return TokenRows(
        [np.array(ids[:3], dtype=np.uint16), np.array(ids[3:], dtype=np.uint16)],
        context_length=context_length,
        end_id=0,
        n_bytes_by_id=[0, 1, 2, 3],
        n_bytes=sum([0, 1, 2, 3][i] for i in ids),
    )


def test_the_stream_is_the_splits_tokens_after_one_end_token():
    ids = [1, 2, 3, 0, 2, 2, 1, 0]
    assert stream(rows_of(ids, 3)).tolist() == [0, *ids]


def test_baselines_are_bits_for_the_bytes_of_the_validation_text():
    train, validation = rows_of([1, 2, 3, 0] * 5, 4), rows_of([1, 2, 2, 0], 4)
    found = baselines([train], validation, vocab_size=4, order=3)
    nats = witten_bell_nats(stream(train), stream(validation), vocab_size=4, order=3)
    assert found.unigram_bits_per_byte == pytest.approx(nats[0] / math.log(2) / 5)
    assert found.ngram_bits_per_byte == pytest.approx(nats[2] / math.log(2) / 5)
    assert (found.ngram_order, found.train_tokens) == (3, 20)


def test_of_several_streams_each_is_counted_in_proportion_to_its_size():
    one, two = rows_of([1, 2, 3, 0] * 10, 4), rows_of([3, 3, 2, 0] * 5, 4)
    validation = rows_of([1, 2, 2, 0], 4)
    whole = baselines([one, two], validation, vocab_size=4, order=2)
    both = np.array([0, *[1, 2, 3, 0] * 10, *[3, 3, 2, 0] * 5])
    nats = witten_bell_nats(both, stream(validation), vocab_size=4, order=2)
    assert whole.ngram_bits_per_byte == pytest.approx(nats[1] / math.log(2) / 5)
    half = baselines([one, two], validation, vocab_size=4, order=2, max_train_tokens=30)
    assert half.train_tokens == 20 + 8  # 20 and 10, in whole rows of 4
