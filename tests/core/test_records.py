import pytest

from groundup.core import records
from groundup.core.errors import DataError
from groundup.core.records import Document, Example, Message, Page, read_examples, write_examples

EXAMPLE = Example(
    id="1", task="read", messages=(Message("user", "a\n\u2028é"),), answer="b", group="g"
)


def test_examples_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "train.jsonl"
    second = Example(id="2", task="args", messages=(), answer="", grader="exact")
    assert write_examples(path, [EXAMPLE, second]) == 2
    assert list(read_examples(path)) == [EXAMPLE, second]
    assert len(path.read_text(encoding="utf-8").split("\n")) == 3


@pytest.mark.parametrize(
    "line", ["{", "[]", "7", '{"id": "1"}', '{"messages": [{"role": "user"}]}', '{"messages": 3}']
)
def test_a_line_that_is_no_example_is_named(tmp_path, line):
    path = tmp_path / "train.jsonl"
    write_examples(path, [EXAMPLE])
    with path.open("a") as lines:
        lines.write(line + "\n")
    with pytest.raises(DataError, match=r"train\.jsonl, line 2 is not an example") as caught:
        list(read_examples(path))
    assert (caught.value.source, caught.value.offset) == (str(path), 2)


@pytest.mark.parametrize(
    ("record", "columns"),
    [(Page, records.PAGE_COLUMNS), (Document, records.DOCUMENT_COLUMNS)],
)
def test_columns_are_the_fields_in_order(record, columns):
    assert list(columns) == list(record.__dataclass_fields__)
