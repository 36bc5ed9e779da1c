import json
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.core.artifact import Artifact, Manifest, Output
from groundup.core.errors import CorruptArtifact, DataError, MissingArtifact
from groundup.tokens.loader import TokenRows, check_same_tokenizer
from groundup.tokens.tokenizer import Tokenizer

END = 256
PLAIN = Tokenizer([bytes([value]) for value in range(256)])


def rows_of(stream, context_length, *, cuts=(), n_ids=2**16):
    """Rows over a stream that is divided into shards at `cuts`."""
    n_bytes_by_id = [*PLAIN.n_bytes_by_id, *[0] * (n_ids - PLAIN.vocab_size)]
    shards = np.split(np.asarray(stream, dtype=np.uint16), sorted(cuts))
    return TokenRows(
        shards,
        context_length=context_length,
        end_id=END,
        n_bytes_by_id=n_bytes_by_id,
        n_bytes=sum(id < 256 for id in stream),
    )


STREAMS = st.lists(st.integers(0, END), min_size=8, max_size=80)


@given(
    stream=STREAMS,
    context_length=st.integers(1, 8),
    cuts=st.lists(st.integers(0, 80), max_size=3),
    epoch=st.integers(0, 3),
)
def test_an_epoch_visits_every_row_once_and_rows_do_not_overlap(
    stream, context_length, cuts, epoch
):
    numbered = list(range(len(stream)))  # ids that say where they are
    rows = rows_of(numbered, context_length, cuts=[min(c, len(stream)) for c in cuts])
    first = epoch * rows.n_rows
    batches = [rows.batch(7, first + i, 1)[0] for i in range(rows.n_rows)]
    targets = np.concatenate([row[1:] for row in batches])
    assert len(set(targets)) == len(targets) == rows.n_rows * context_length
    left_out = set(numbered) - set(targets)
    assert len(left_out) < context_length
    for row in batches:
        inputs = [END if t == 0 else t - 1 for t in row[1:]]
        assert list(row[:-1]) == inputs


@given(stream=STREAMS, context_length=st.integers(1, 8), cut=st.integers(0, 8))
def test_validation_predicts_every_token_exactly_once(stream, context_length, cut):
    rows = rows_of(stream, context_length, cuts=[cut])
    found = list(rows.all_rows())
    assert np.concatenate([row[1:] for row in found]).tolist() == stream
    assert np.concatenate([row[:-1] for row in found]).tolist() == [END, *stream[:-1]]
    assert {len(row) for row in found[:-1]} <= {context_length + 1}
    assert sum(rows.bytes_of(row[1:]) for row in found) == rows.n_bytes


def test_batches_follow_one_another_whatever_their_size():
    rows = rows_of(range(100), 7)
    singles = np.concatenate([rows.batch(3, i, 1) for i in range(60)])
    fives = np.concatenate([rows.batch(3, i, 5) for i in range(12)])
    np.testing.assert_array_equal(singles, fives)
    assert fives.shape == (60, 8)
    assert fives.dtype == np.int64


def test_a_batch_is_the_same_in_any_order_and_in_any_process():
    ahead, fresh = rows_of(range(200), 9), rows_of(range(200), 9)
    for step in (0, 50, 3, 49, 7):
        ahead.batch(1, step, 4)
    np.testing.assert_array_equal(ahead.batch(1, 11, 4), fresh.batch(1, 11, 4))


def test_epochs_and_seeds_have_orders_of_their_own():
    rows = rows_of(range(250), 4)
    one, two = (rows.batch(1, epoch, rows.n_rows) for epoch in (0, 1))
    other = rows.batch(2, 0, rows.n_rows)
    assert not np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_the_left_over_targets_differ_between_epochs():
    rows = rows_of(range(103), 50)  # two rows, three targets left over at each epoch
    starts = {int(rows.batch(5, epoch, 2)[:, 1].min()) for epoch in range(40)}
    assert starts == {0, 1, 2, 3}


def test_the_order_is_well_mixed():
    rows = rows_of(range(65_000), 1)
    order = rows.batch(1, 0, rows.n_rows)[:, 1]
    mean_step = np.abs(np.diff(order)).mean()
    assert mean_step == pytest.approx(65_000 / 3, rel=0.02)  # of a random permutation
    assert np.corrcoef(order, np.arange(65_000))[0, 1] == pytest.approx(0, abs=0.02)


@settings(max_examples=40)
@given(
    n_tokens=st.integers(8, 80),
    context_length=st.integers(1, 8),
    world=st.integers(1, 5),
    step=st.integers(0, 9),
)
def test_the_ranks_slices_make_up_the_batch(n_tokens, context_length, world, step):
    rows, n_rows = rows_of(range(n_tokens), context_length), 7
    whole = rows.batch(3, step, n_rows)
    cuts = [rank * n_rows // world for rank in range(world + 1)]
    parts = [
        rows.batch(3, step, n_rows, first=first, count=last - first)
        for first, last in pairwise(cuts)
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(rows.batch(3, step, n_rows, first=2), whole[2:])


@settings(max_examples=40)
@given(
    n_tokens=st.integers(8, 60),
    context_length=st.integers(1, 6),
    span=st.tuples(st.integers(0, 59), st.integers(1, 20)),
    before=st.integers(0, 150),
)
def test_the_rows_that_show_a_span_are_found(n_tokens, context_length, span, before):
    rows = rows_of(range(n_tokens), context_length)  # ids that say where they are
    start, stop = min(span[0], n_tokens - 1), min(sum(span), n_tokens)
    wanted = set(range(start, stop))
    expected = []
    for number in range(before):
        row = rows.row(5, number)
        shown = set(row.tolist()) if row[1] else set(row[1:].tolist())  # without the virtual end
        if shown & wanted:
            expected.append(number)
    assert rows.visits(5, start, stop, before=before) == expected


def written_out_order(seed, n_tokens, width, epoch):
    """Where the rows of an epoch begin, from the rules in words and Python's own integers."""

    def named(name):
        return int.from_bytes(sha256(name.encode()).digest()[:8], "big") >> 1

    def splitmix64(state):  # the output function of Vigna's splitmix64.c
        z = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        return z ^ (z >> 31)

    n_rows = n_tokens // width
    cut = named(f"{seed}/tokens/cut/{epoch}") % (n_tokens - n_rows * width + 1)
    key = named(f"{seed}/tokens/order/{epoch}")
    hashes = [splitmix64((row * 0x9E3779B97F4A7C15 + key) % 2**64) for row in range(1, n_rows + 1)]
    return [cut + row * width for row in sorted(range(n_rows), key=hashes.__getitem__)]


@settings(max_examples=30)
@given(seed=st.integers(0, 2**63), n_tokens=st.integers(20, 300), width=st.integers(1, 9))
def test_the_order_is_the_one_that_earlier_runs_had(seed, n_tokens, width):
    rows = rows_of(range(n_tokens), width)
    expected = [
        start for epoch in range(3) for start in written_out_order(seed, n_tokens, width, epoch)
    ]
    assert [rows.place(seed, number) for number in range(len(expected))] == expected
    assert rows.batch(seed, 0, 2)[:, 1].tolist() == expected[:2]


def test_an_id_outside_the_vocabulary_is_found_out():
    rows = rows_of([1, 2, 259, 999, 3, END], 2, n_ids=260)
    with pytest.raises(CorruptArtifact, match="token id 999 near position 2"):
        list(rows.all_rows())


@pytest.fixture
def new_tokens(new_run):
    def make(train: list[int], validation: list[int], *, dtype: str = "uint16"):
        run = new_run("tokens")
        PLAIN.save(run.file("tokenizer.json"))
        about = {"dtype": dtype}
        for split, stream in (("train", train), ("validation", validation)):
            ids = np.asarray(stream, dtype=dtype)
            half = len(ids) // 2
            ids[:half].tofile(run.file(f"{split}/00000.bin"))
            run.file(f"{split}/00001.bin").touch()
            ids[half:].tofile(run.file(f"{split}/00002.bin"))
            about[f"{split}_bytes"] = sum(id < 256 for id in stream)
        run.file("tokens.json").write_text(json.dumps(about))
        return run.complete()

    return make


@pytest.mark.parametrize("dtype", ["uint16", "uint32"])
def test_shards_on_disk_are_one_stream(new_tokens, dtype):
    stream = [1, 2, END, 3, 4, 5, END]
    tokens = new_tokens(stream, stream[:3], dtype=dtype)
    train = TokenRows.open(tokens, "train", 3)
    assert (train.n_tokens, train.n_rows, train.n_bytes) == (7, 2, 5)
    assert [row.tolist() for row in train.all_rows()] == [
        [END, 1, 2, END],
        [END, 3, 4, 5],
        [5, END],
    ]
    assert TokenRows.open(tokens, "validation", 3).n_bytes == 2


def test_too_few_tokens_for_one_row_is_an_error(new_tokens):
    tokens = new_tokens([1, 2, END], [1, END])
    with pytest.raises(DataError, match="3 tokens, fewer than one row of context_length=4"):
        TokenRows.open(tokens, "train", 4)


def test_validation_may_be_shorter_than_one_row(new_tokens):
    rows = TokenRows.open(new_tokens([1, 2, END], [1, END]), "validation", 4)
    assert [row.tolist() for row in rows.all_rows()] == [[END, 1, END]]


def test_no_validation_tokens_is_an_error(new_tokens):
    with pytest.raises(DataError, match=r"validation split of .* has 0 tokens"):
        TokenRows.open(new_tokens([1, 2, END], []), "validation", 1)


def test_a_missing_shard_is_an_error(new_tokens):
    tokens = new_tokens([1, 2, END], [1, END])
    Path(tokens.path / "train/00002.bin").unlink()
    with pytest.raises(MissingArtifact, match="00002"):
        TokenRows.open(tokens, "train", 2)


def test_a_cut_shard_is_an_error(new_tokens):
    tokens = new_tokens([1, 2, END], [1, END])
    Path(tokens.path / "train/00002.bin").write_bytes(b"\0\0")
    with pytest.raises(CorruptArtifact, match="00002"):
        TokenRows.open(tokens, "train", 2)


def test_shards_of_another_vocabulary_are_refused(new_tokens):
    tokens = new_tokens([1, 2, END], [1, END])
    check_same_tokenizer(tokens, PLAIN, owner="the model")
    bytes_only = [bytes([value]) for value in range(256)]
    for other in (Tokenizer([*bytes_only, b"th"]), Tokenizer([*bytes_only, b"he"])):
        with pytest.raises(DataError, match=r"260 ids\) than the model \(261 ids\)") as caught:
            check_same_tokenizer(tokens, other, owner="the model")
        assert "tokenizer = RUN" in caught.value.hint


def test_vocabularies_of_one_size_are_told_apart(new_run):
    bytes_only = [bytes([value]) for value in range(256)]
    run = new_run("tokens")
    Tokenizer([*bytes_only, b"th"]).save(run.file("tokenizer.json"))
    tokens = run.complete()
    with pytest.raises(DataError, match="another vocabulary"):
        check_same_tokenizer(tokens, Tokenizer([*bytes_only, b"he"]), owner="the model")


def test_gigabytes_of_shards_open_without_being_read(tmp_path):
    n_tokens, width = 2_000_000_000, 64  # in two sparse files of 4 GB, which take no disk
    PLAIN.save(tmp_path / "tokenizer.json")
    about = {"dtype": "uint16", "train_bytes": n_tokens}
    (tmp_path / "tokens.json").write_text(json.dumps(about))
    (tmp_path / "train").mkdir()
    for number in range(2):
        with (tmp_path / f"train/{number:05d}.bin").open("wb") as file:
            file.truncate(n_tokens)
    outputs = [
        Output(
            path=path.relative_to(tmp_path).as_posix(), size_bytes=path.stat().st_size, sha256=""
        )
        for path in tmp_path.rglob("*.*")
    ]
    manifest = Manifest(stage="tokens", stage_version=1, name="t", key="k", outputs=outputs)
    before = psutil.Process().memory_info().rss
    rows = TokenRows.open(Artifact(tmp_path, manifest), "train", width)
    assert (rows.n_tokens, rows.n_rows) == (n_tokens, n_tokens // width)
    places = [rows.place(3, 10**7 + row) for row in range(32)]
    assert min(places) < n_tokens / 4
    assert max(places) > n_tokens * 3 / 4
    for row, place in enumerate(places):
        shard, offset = divmod(place, n_tokens // 2)
        with (tmp_path / f"train/{shard:05d}.bin").open("r+b") as file:
            file.seek(2 * offset)
            file.write(bytes([row + 1, 0]))
    batch = rows.batch(3, 10**7 // 32, 32)
    assert batch[:, 1].tolist() == list(range(1, 33))
    assert psutil.Process().memory_info().rss - before < 32 * 2**20
