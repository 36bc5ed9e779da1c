import numpy as np
import pytest

from groundup.core.errors import ConfigError, DataError
from groundup.finetune.data import (
    IGNORED,
    Batches,
    encode,
    micro_batches,
    pad,
    read_tasks,
    refuse_too_long,
)


@pytest.fixture
def rows(question, tokenizer):
    examples = [question(i, "x" * (1 + i % 7)) for i in range(23)]
    return encode(tokenizer, examples, context_length=48)[0]


def test_loss_falls_on_the_answer_and_its_end_and_on_nothing_else(question, tokenizer):
    rows, _ = encode(tokenizer, [question(1, "hi")], context_length=48)
    batch = pad(rows, fill=tokenizer.end_id)
    special = tokenizer.special
    prompt = [special["<|user|>"], *b"q1?", special["<|assistant|>"]]
    # By hand: the assistant marker predicts `h`, `h` predicts `i`, `i` predicts the end.
    assert batch.ids.tolist() == [[*prompt, *b"hi"]]
    assert batch.targets.tolist() == [[IGNORED] * (len(prompt) - 1) + [*b"hi", tokenizer.end_id]]
    assert batch.trained_tokens == 3


def test_padding_is_on_the_right_and_counts_for_nothing(question, tokenizer):
    rows, _ = encode(tokenizer, [question(1, "a"), question(2, "abcd")], context_length=48)
    batch = pad(rows, fill=tokenizer.end_id)
    assert batch.ids[0, -3:].tolist() == [tokenizer.end_id] * 3
    assert batch.targets[0, -3:].tolist() == [IGNORED] * 3
    assert batch.trained_tokens == 2 + 5


def test_an_example_longer_than_the_context_is_left_out_whole(question, tokenizer):
    examples = [question(1, "x" * 100), question(2, "fits")]
    rows, too_long = encode(tokenizer, examples, context_length=48)
    assert [row.example.id for row in rows] == ["say-2"]
    assert [example.id for example in too_long] == ["say-1"]


def test_the_longest_example_that_fits_has_one_token_more_than_the_context(question, tokenizer):
    rendered, _ = encode(tokenizer, [question(1, "abc")], context_length=48)
    length = len(rendered[0].ids)
    assert encode(tokenizer, [question(1, "abc")], context_length=length - 1)[1] == []
    assert encode(tokenizer, [question(1, "abc")], context_length=length - 2)[0] == []


def test_every_epoch_shows_every_row_once(rows):
    batches = Batches(rows, batch_examples=5, seed=1, fill=0)
    assert batches.steps_per_epoch == 5
    for epoch in range(3):
        shown = [batches.members(epoch * 5 + step) for step in range(5)]
        assert sorted(np.concatenate(shown)) == list(range(23))


def test_a_batch_depends_on_seed_and_step_alone(rows):
    one, other = (Batches(rows, batch_examples=5, seed=1, fill=0) for _ in range(2))
    forwards = [one.members(step).tolist() for step in range(12)]
    backwards = [other.members(step).tolist() for step in reversed(range(12))]
    assert forwards == backwards[::-1]
    assert forwards[:5] != forwards[5:10]
    assert Batches(rows, batch_examples=5, seed=2, fill=0).members(0).tolist() != forwards[0]


def test_rows_of_about_one_length_share_a_batch(rows):
    batches = Batches(rows, batch_examples=5, seed=1, fill=0)
    spans = [np.ptp([len(rows[index].ids) for index in batches.members(step)]) for step in range(5)]
    assert max(spans) <= 3  # of a spread of 7 over all rows


def test_pieces_of_a_step_hold_all_its_rows_within_the_limit(rows):
    groups = micro_batches(rows, max_tokens=40)
    assert sorted(index for group in groups for index in group) == list(range(23))
    for group in groups:
        assert len(group) * max(len(rows[index].ids) for index in group) <= 40
    assert [len(group) for group in micro_batches(rows, max_tokens=1)] == [1] * 23


def test_named_tasks_are_read_and_missing_ones_refused(question, make_examples):
    artifact = make_examples([question(1, "x", task="a"), question(2, "y", task="b")])
    assert [ex.task for ex in read_tasks(artifact, "train.jsonl", ("b",))] == ["b"]
    assert len(read_tasks(artifact, "train.jsonl", None)) == 2
    with pytest.raises(ConfigError, match="'c'") as error:
        read_tasks(artifact, "train.jsonl", ("c",))
    assert "a, b" in error.value.hint
    with pytest.raises(DataError, match="no example"):
        read_tasks(artifact, "validation.jsonl", None)


def test_too_many_long_examples_stop_the_run():
    refuse_too_long(5, 100, limit_fraction=0.05, context=48)
    with pytest.raises(DataError, match="6 of 100"):
        refuse_too_long(6, 100, limit_fraction=0.05, context=48)
