import pytest

from groundup.core.lines import drop_cut_line, read_rows


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"a": 1}\n{"b": ', b'{"a": 1}\n'),
        (b'{"a": 1}\n', b'{"a": 1}\n'),
        (b'{"a": ', b""),
        (b"", b""),
    ],
)
def test_only_a_line_without_its_end_is_dropped(tmp_path, before, after):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(before)
    drop_cut_line(path)
    assert path.read_bytes() == after


def test_damaged_lines_are_left_out(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n\0\0\0\n7\n\xff\n{"a": "\xe2\x80\xa8"}\n{"a"')
    assert list(read_rows(path)) == [{"a": 1}, {"a": "\u2028"}]


def test_no_file_is_no_rows(tmp_path):
    drop_cut_line(tmp_path / "rows.jsonl")
    assert list(read_rows(tmp_path / "rows.jsonl")) == []
    assert not (tmp_path / "rows.jsonl").exists()
