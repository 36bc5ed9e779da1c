import gzip
import json
from pathlib import Path

import pytest

from groundup.core.errors import DataError
from groundup.core.records import Message, read_examples
from groundup.instruct import run as stage
from groundup.instruct.config import InstructConfig
from groundup.instruct.files import (
    BadRow,
    examples_of_row,
    read_files,
    read_rows,
    split_examples,
)

SHARED = Path(__file__).resolve().parents[2] / "../shared/data/instruct"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no data in {SHARED}")


def pair(i: int) -> dict[str, str]:
    return {"instruction": f"Add one to {i}.", "input": "", "output": str(i + 1)}


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".jsonl.gz"])
def test_lists_and_lines_plain_and_compressed_read_alike(tmp_path, suffix):
    rows = [pair(i) for i in range(3)]
    path = tmp_path / f"rows{suffix}"
    text = json.dumps(rows, indent=1) if suffix == ".json" else "\n".join(map(json.dumps, rows))
    data = text.encode()
    path.write_bytes(gzip.compress(data) if suffix.endswith("gz") else data)
    assert [row for _, row in read_rows(path)] == rows


def test_alpaca_input_stands_below_the_instruction():
    row = {"instruction": "Correct this.", "input": "freind", "output": "friend"}
    (example,) = examples_of_row(row, "f:1")
    assert example.messages == (Message("user", "Correct this.\n\nfreind"),)
    assert (example.answer, example.task, example.grader) == ("friend", "chat", "f1")


def test_every_assistant_turn_is_an_example_unless_its_weight_is_zero():
    turns = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {"role": "assistant", "content": "Hello.", "weight": 0},
        {"role": "user", "content": "Bye"},
        {"role": "assistant", "content": "Goodbye."},
        {"role": "user", "content": "Still here?"},
        {"role": "assistant", "content": "Yes."},
    ]
    found = examples_of_row({"messages": turns}, "f:1")
    assert [(len(e.messages), e.answer) for e in found] == [(4, "Goodbye."), (6, "Yes.")]
    assert found[0].messages[0] == Message("system", "Be brief.")
    assert len({e.group for e in found}) == 1
    assert len({e.id for e in found}) == 2


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (["a"], "it is list, not an object"),
        ({"text": "a"}, "it has text, not instruction"),
        ({"instruction": "a", "output": ""}, "output is empty"),
        ({"instruction": "a"}, "output is missing"),
        ({"prompt": "a", "completion": 3}, "completion is int, not text"),
        ({"messages": []}, "not a list of turns"),
        ({"messages": [{"role": "user", "content": "a"}]}, "no turn of the assistant"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "turn 1 has role 'tool'"),
        ({"messages": [{"role": "user", "content": None}]}, "turn 1, content is missing"),
    ],
)
def test_a_row_that_cannot_be_used_says_why(row, reason):
    with pytest.raises(BadRow, match=reason):
        examples_of_row(row, "f:1")


def test_bad_rows_are_tolerated_up_to_the_share_and_then_named(tmp_path):
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps(pair(i)) for i in range(9)] + ['{"instruction": "x"}']
    path.write_text("\n".join(lines), encoding="utf-8")
    rows = read_files([path], max_bad_fraction=0.1)
    assert (len(rows.examples), rows.count) == (9, 10)
    with pytest.raises(
        DataError, match=r"1 of 10 rows.*rows\.jsonl, row 10: output is missing"
    ) as e:
        read_files([path], max_bad_fraction=0.05)
    assert (e.value.source, e.value.offset) == (str(path), 10)


def test_a_line_that_is_not_json_is_named(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"instruction": "a", "output": "b"}\n{"instruction": \n', encoding="utf-8")
    with pytest.raises(DataError, match="line 2 is not JSON") as e:
        read_files([path], max_bad_fraction=0.5)
    assert e.value.offset == 2


@pytest.mark.parametrize("data", [b"\xff\xfe{}", b""])
def test_files_without_text_are_refused(tmp_path, data):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"rows\.jsonl"):
        read_files([path], max_bad_fraction=0)


def split(examples, heldout=0.15, validation=0.02):
    return split_examples(
        examples, seed=1, heldout_fraction=heldout, validation_fraction=validation
    )


def test_ten_rows_still_fill_every_split_and_equal_prompts_stay_together():
    examples = [e for i in range(10) for e in examples_of_row(pair(i), f"f:{i}")]
    examples += [e for i in range(10) for e in examples_of_row(pair(i), f"g:{i}")]
    found = split(examples)
    assert all(found.values())
    assert sum(map(len, found.values())) == 20
    groups = [{e.group for e in part} for part in found.values()]
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    assert not groups[1] & groups[2]


def test_splits_that_are_off_stay_empty_and_too_few_rows_are_refused():
    examples = examples_of_row(pair(1), "f:1")
    assert split(examples, 0, 0) == {"train": examples, "validation": [], "heldout": []}
    with pytest.raises(DataError, match="too few to split"):
        split(examples)


@needs_shared
@pytest.mark.parametrize(
    ("name", "rows", "examples"),
    [
        ("rasbt-instruction-data.json", 1100, 1100),
        ("openai-toy-chat-fine-tuning.jsonl", 10, None),
        ("alpaca_en_demo.jsonl.zst", 999, 999),
    ],
)
def test_published_files_are_read_whole(new_run, name, rows, examples):
    out = new_run()
    config = InstructConfig(paths=(str(SHARED / name),), max_bad_fraction=0.2)
    stage.run(config, {}, out)
    described = json.loads((out.path / "statistics.json").read_text("utf-8"))
    assert described["rows"] == rows
    found = [
        example
        for part in ("train", "validation", "heldout")
        for example in read_examples(out.path / f"{part}.jsonl")
    ]
    assert len(found) >= (examples or rows) - len(described["bad_rows"])
    assert described["heldout_in_tuning"]["same_prompt"] == 0
