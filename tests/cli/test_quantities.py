import argparse

import pytest

from groundup.cli.quantities import count, fraction, short, size, whole


@pytest.mark.parametrize(
    ("text", "value"),
    [("124M", 124e6), ("2.5B", 2.5e9), ("1e21", 1e21), ("0.5t", 5e11), ("50_304", 50304), ("8", 8)],
)
def test_numbers_as_people_write_them(text, value):
    assert count(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "x", "-3", "0", "1.2.3", "1e999", "M"])
def test_other_text_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError):
        count(text)


def test_a_model_is_a_number_or_a_name():
    assert size("124M") == 124e6
    assert size("gpt2") == "gpt2"


@pytest.mark.parametrize(
    ("value", "text"), [(124439808, "124M"), (2.5e9, "2.5B"), (3.14e23, "3.14e+23"), (12, "12")]
)
def test_short_numbers(value, text):
    assert short(value) == text


def test_shares_and_whole_numbers():
    assert fraction(".4") == pytest.approx(0.4)
    assert whole("0") == 0
    for reader, text in ((fraction, "1.5"), (fraction, "0"), (whole, "-1"), (whole, "1.5")):
        with pytest.raises(argparse.ArgumentTypeError):
            reader(text)
