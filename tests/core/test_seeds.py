import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.core.seeds import derive, fraction, generator


@given(root=st.integers(), name=st.text(st.characters(exclude_categories=["Cs"])))
def test_seeds_and_fractions_are_in_range_and_repeatable(root, name):
    assert 0 <= derive(root, name) < 2**63
    assert 0 <= fraction(root, name) < 1
    assert derive(root, name) == derive(root, name)


def test_the_seed_is_the_top_of_sha256():
    digest = hashlib.sha256(b"7/corpus/split").hexdigest()
    assert derive(7, "corpus/split") == int(digest[:16], 16) >> 1


def test_streams_are_independent_of_one_another():
    assert len({derive(root, name) for root in range(50) for name in "abc"}) == 150
    assert generator(1, "a").random() == generator(1, "a").random()
    assert generator(1, "a").random() != generator(1, "b").random()


def test_fractions_are_uniform():
    values = [fraction(1, f"document/{i}") for i in range(20_000)]
    # standard error of the mean of 20,000 uniforms: 0.002; five of them
    assert sum(values) / len(values) == pytest.approx(0.5, abs=0.01)
    assert sum(value < 0.1 for value in values) / len(values) == pytest.approx(0.1, abs=0.011)
