from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from groundup.instruct.selection import cap_shares


def test_the_commonest_is_cut_to_its_share_and_the_rest_kept():
    items = ["None"] * 61 + ["True"] * 10 + ["0"] * 10 + ["1"] * 10 + ["2"] * 9
    kept = Counter(cap_shares(items, str, 0.25))
    assert kept == {"None": 13, "True": 10, "0": 10, "1": 10, "2": 9}


def test_a_limit_holds_and_the_first_come_first():
    items = [(i % 5, i) for i in range(100)]
    kept = cap_shares(items, lambda item: item[0], 0.25, 20)
    assert kept == items[:20]


@given(
    st.lists(st.integers(0, 9), max_size=80),
    st.floats(0.05, 1),
    st.none() | st.integers(0, 50),
)
def test_no_key_exceeds_its_share(items, share, limit):
    kept = cap_shares(items, int, share, limit)
    assert limit is None or len(kept) <= limit
    for count in Counter(kept).values():
        assert count <= max(share * len(kept), 1)


def test_nothing_gives_nothing():
    assert cap_shares([], int, 0.25) == []
