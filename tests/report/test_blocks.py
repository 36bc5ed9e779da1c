import pytest

from groundup.report.blocks import Table, bytes_text, clipped, score_text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (150_000, "150.0 kB"), (3.4e9, "3.4 GB")],
)
def test_sizes_are_decimal(size, text):
    assert bytes_text(size) == text


def test_a_score_without_interval_has_no_bracket():
    assert score_text(0.5) == "0.500"
    assert score_text(0.5, 0.4, 0.6) == "0.500 [0.400, 0.600]"
    assert score_text(None) == "–"
    assert score_text(0.0, 0.0, 0.0) == "0.000 [0.000, 0.000]"


def test_long_text_says_that_it_was_cut():
    assert clipped(" short ") == "short"
    assert clipped("x" * 700) == "x" * 600 + " …"


def test_only_columns_of_numbers_line_up_at_the_right():
    table = Table("t", ("a", "b", "c", "d"), [("1", "2.0", "x", ""), ("2", "", "3", "")])
    assert [table.is_number(column) for column in range(4)] == [False, True, False, False]
