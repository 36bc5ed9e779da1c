"""Mixed rows against a list-based account of the same rules."""

import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.core.errors import ConfigError, DataError
from groundup.tokens.loader import TokenRows
from groundup.tokens.mixture import MixedRows, open_training_rows
from groundup.tokens.tokenizer import Tokenizer

END = 256
PLAIN = Tokenizer([bytes([value]) for value in range(256)])
# each source has ids of its own, which say where they are
BASES = {"books": 1000, "web": 2000, "wiki": 3000}
SIZES = {"books": 43, "web": 101, "wiki": 20}


def rows_of(name: str, context_length: int) -> TokenRows:
    ids = np.arange(BASES[name], BASES[name] + SIZES[name], dtype=np.uint16)
    return TokenRows(
        [ids], context_length=context_length, end_id=END, n_bytes_by_id=[0] * 4000, n_bytes=0
    )


def mixed(weights: dict[str, float], context_length: int = 5) -> MixedRows:
    return MixedRows({name: rows_of(name, context_length) for name in weights}, weights)


WEIGHTS = st.dictionaries(
    st.sampled_from(sorted(BASES)), st.sampled_from([0.1, 0.3, 1, 2.5, 7]), min_size=1
)


@settings(max_examples=40)
@given(weights=WEIGHTS, seed=st.integers(0, 5), n_rows=st.integers(1, 7))
def test_batches_are_the_weighted_sequence_of_whole_epochs(weights, seed, n_rows):
    """The rules in plain lists: Webster's order; in each source every row once, then again."""
    context_length = 5
    rows = mixed(weights, context_length)
    batches = [rows.batch(seed, step, n_rows) for step in range(60 // n_rows)]
    sequence = np.concatenate(batches)
    had = dict.fromkeys(sorted(weights), 0)
    seen: dict[str, list[int]] = {name: [] for name in weights}
    for row in sequence:
        expected = min(
            had, key=lambda name: Fraction(2 * had[name] + 1) / Fraction(str(weights[name]))
        )
        had[expected] += 1
        (source,) = {name for name in weights if BASES[name] <= row[1] < BASES[name] + 1000}
        assert source == expected
        assert row[1:].tolist() == list(range(row[1], row[1] + context_length))
        assert row[0] == (END if row[1] == BASES[source] else row[1] - 1)
        seen[source].append(int(row[1]) - BASES[source])
    for name, starts in seen.items():
        n_whole = SIZES[name] // context_length
        for first in range(0, len(starts), n_whole):
            epoch = starts[first : first + n_whole]
            assert len(set(epoch)) == len(epoch)
            assert len({start % context_length for start in epoch}) == 1  # one cut an epoch


@settings(max_examples=30)
@given(weights=WEIGHTS, step=st.integers(0, 10**9), world=st.integers(1, 4))
def test_slices_and_restarts_read_the_same_rows(weights, step, world):
    whole = mixed(weights).batch(3, step, 8)
    cuts = [rank * 8 // world for rank in range(world + 1)]
    parts = [
        mixed(weights).batch(3, step, 8, first=cuts[rank], count=cuts[rank + 1] - cuts[rank])
        for rank in range(world)
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(
        mixed(weights).batch(3, step * 4, 2), mixed(weights).batch(3, step, 8)[:2]
    )


def test_sources_and_seeds_have_orders_of_their_own():
    one, other = mixed({"web": 1}).batch(1, 0, 20), mixed({"web": 1}).batch(2, 0, 20)
    assert not np.array_equal(one, other)
    same_size = {name: TokenRows(
        [np.arange(100, dtype=np.uint16)],
        context_length=5, end_id=END, n_bytes_by_id=[0] * 4000, n_bytes=0,
    ) for name in ("a", "b")}  # fmt: skip
    both = MixedRows(same_size, {"a": 1, "b": 1}).batch(1, 0, 40)
    assert not np.array_equal(both[::2], both[1::2])


@pytest.fixture
def new_tokens(new_run):
    def make(sizes: dict[str, int]):
        run = new_run("tokens")
        PLAIN.save(run.file("tokenizer.json"))
        about: dict = {"dtype": "uint16", "sources": {}}
        for name, size in sizes.items():
            folder = f"train/{name}" if name else "train"
            np.full(size, len(name), dtype="<u2").tofile(run.file(f"{folder}/00000.bin"))
            counts = {"train_tokens": size, "train_bytes": size}
            if name:
                about["sources"][name] = counts
            else:
                about = {"dtype": "uint16", **counts}
        about.setdefault("train_bytes", sum(sizes.values()))
        run.file("tokens.json").write_text(json.dumps(about))
        return run.complete()

    return make


def test_without_weights_all_sources_are_one_stream(new_tokens):
    rows = open_training_rows(new_tokens({"a": 30, "bb": 70}), 5, {})
    assert isinstance(rows, TokenRows)
    ids = rows.batch(1, 0, 20)[:, 1:].ravel().tolist()
    assert (ids.count(1), ids.count(2)) == (30, 70)


def test_a_source_without_a_weight_is_left_out(new_tokens):
    rows = open_training_rows(new_tokens({"a": 30, "bb": 70, "ccc": 40}), 5, {"a": 1, "ccc": 3})
    ids = rows.batch(1, 0, 8)[:, 1:].ravel().tolist()
    assert (ids.count(1), ids.count(3), len(ids)) == (10, 30, 40)
    assert rows.n_tokens == 70


def test_an_unknown_source_is_named_with_those_there_are(new_tokens):
    with pytest.raises(ConfigError, match=r"weight for 'books', but .* has the sources a, bb"):
        open_training_rows(new_tokens({"a": 30, "bb": 70}), 5, {"a": 1, "books": 1})


def test_a_mixture_of_a_run_over_one_corpus_is_refused(new_tokens):
    with pytest.raises(ConfigError, match="is over one corpus") as caught:
        open_training_rows(new_tokens({"": 30}), 5, {"a": 1})
    assert "[corpora]" in caught.value.hint


def test_a_source_of_less_than_a_row_is_named(new_tokens):
    with pytest.raises(DataError, match=r"source 'a' in the train split .* has 4 tokens"):
        open_training_rows(new_tokens({"a": 4, "bb": 70}), 5, {"a": 1, "bb": 1})
