import json

import numpy as np
import pytest

from groundup.core.errors import DataError
from groundup.finetune.data import Row, encode
from groundup.finetune.preflight import drop_leaked, inspect, refuse_untrainable, save


@pytest.fixture
def rows(question, tokenizer):
    examples = [question(1, "one"), question(2, "two"), question(3, "x", task="other")]
    return encode(tokenizer, examples, context_length=48)[0]


def test_good_rows_pass(rows, tokenizer):
    refuse_untrainable(rows, end_ids={tokenizer.end_id})


def test_an_end_token_that_is_never_a_target_is_refused(rows, tokenizer):
    row = rows[1]
    trained = row.trained.copy()
    trained[-1] = False
    for broken in [
        Row(row.example, row.ids, trained),
        Row(row.example, row.ids[:-1], row.trained[:-1]),
    ]:
        with pytest.raises(DataError, match=r"say-2 never teaches the end token"):
            refuse_untrainable([rows[0], broken], end_ids={tokenizer.end_id})


def test_a_row_without_any_target_is_refused(rows, tokenizer):
    row = rows[0]
    broken = Row(row.example, row.ids, np.zeros_like(row.trained))
    with pytest.raises(DataError, match=r"say-1 has no token to learn"):
        refuse_untrainable([broken], end_ids={tokenizer.end_id})


def test_no_rows_at_all_are_refused(tokenizer):
    with pytest.raises(DataError, match="no example to learn from"):
        refuse_untrainable([], end_ids={tokenizer.end_id})


def test_a_prompt_of_the_examination_is_never_learned(question):
    train = [question(1, "x", prompt="asked?"), question(2, "y", prompt="other?")]
    heldout = [question(9, "z", prompt="asked?")]
    kept, leaked = drop_leaked(train, heldout)
    assert ([example.id for example in kept], leaked) == (["say-2"], 1)


def test_counts_and_the_marked_sample_are_right(rows, tokenizer, question):
    seen = inspect(
        [*rows, rows[0]],
        tokenizer,
        heldout=[question(2, "?")],
        too_long=4,
        leaked=5,
        context_length=48,
    )
    assert seen.tasks == {"other": 1, "say": 3}
    assert (seen.examples, seen.duplicates, seen.groups_in_heldout) == (4, 1, 1)
    assert seen.trained_tokens == 4 + 4 + 2 + 4  # three letters, one letter, and an end each
    assert seen.tokens == sum(len(row.ids) for row in [*rows, rows[0]])
    assert seen.samples[1].marked == "<|user|>q1?<|assistant|>⟦one<|end|>⟧"


def test_what_was_seen_is_saved_for_people_and_programs(rows, tokenizer, new_run):
    out = new_run("sft")
    seen = inspect(rows, tokenizer, heldout=[], too_long=0, leaked=0, context_length=48)
    save(seen, out)
    values = json.loads((out.path / "preflight.json").read_text("utf-8"))
    assert values["trained_fraction"] == pytest.approx(seen.trained_tokens / seen.tokens)
    assert values["samples"][0]["spans"][-1] == {"text": "x<|end|>", "trained": True}
    assert "⟦x<|end|>⟧" in (out.path / "preflight.md").read_text("utf-8")
