from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.tokens.interleave import Interleave

# few different values, so that equal quotients are common
WEIGHTS = st.dictionaries(
    st.sampled_from("abcdefg"),
    st.one_of(st.sampled_from([0.1, 0.2, 0.3, 1, 2, 3, 60]), st.floats(0.001, 100)),
    min_size=1,
)


def webster(weights: dict[str, float], n_rows: int) -> list[tuple[str, int]]:
    """Row by row with fractions, as the method is told in words."""
    had = dict.fromkeys(sorted(weights), 0)
    given_out = []
    for _ in range(n_rows):
        chosen = min(
            had, key=lambda name: Fraction(2 * had[name] + 1) / Fraction(str(weights[name]))
        )
        given_out.append((chosen, had[chosen]))
        had[chosen] += 1
    return given_out


@settings(max_examples=60)
@given(weights=WEIGHTS, first=st.integers(0, 120), count=st.integers(0, 40))
def test_any_stretch_equals_the_method_run_from_the_beginning(weights, first, count):
    expected = webster(weights, first + count)
    interleave = Interleave(weights)
    assert interleave.rows(first, first + count) == expected[first:]
    counts = dict(zip(interleave.names, interleave.counts(first), strict=True))
    assert counts == {
        name: sum(source == name for source, _ in expected[:first]) for name in weights
    }
    for row, (name, number) in enumerate(expected):
        assert interleave.row_of(name, number) == row


def test_a_parliament_of_the_textbooks():
    # the votes of the worked example of Sainte-Lague in Wikipedia's article on the method:
    # 53,000 24,000 23,000 votes and 7 seats give 3, 2 and 2
    interleave = Interleave({"a": 53_000, "b": 24_000, "c": 23_000})
    assert interleave.counts(7) == [3, 2, 2]


@settings(max_examples=60)
@given(weights=WEIGHTS, row=st.integers(0, 10**14))
def test_shares_match_the_weights_at_every_prefix(weights, row):
    interleave = Interleave(weights)
    counts = interleave.counts(row)
    assert sum(counts) == row
    total = sum(Fraction(str(weight)) for weight in weights.values())
    for name, count in zip(interleave.names, counts, strict=True):
        share = Fraction(str(weights[name])) / total
        assert abs(count - row * share) <= Fraction(1, 2) + share * len(weights) / 2


def test_a_row_far_on_is_found_at_once_and_back():
    interleave = Interleave({"web": 0.6, "books": 0.22, "wiki": 0.18})
    far = 10**15
    for row, (name, number) in enumerate(interleave.rows(far, far + 50), start=far):
        assert interleave.row_of(name, number) == row


def test_weights_are_the_decimal_numbers_that_are_written():
    assert Interleave({"a": 0.7, "b": 0.3}).rows(0, 30) == Interleave({"a": 7, "b": 3}).rows(0, 30)
    assert Interleave({"b": 3, "a": 1}).shares == pytest.approx([0.25, 0.75])
