"""Bands hold for their corpus only."""

from types import SimpleNamespace

import pytest

from groundup.training.config import ExpectedConfig
from groundup.training.expected import Expected

CONFIG = ExpectedConfig(
    corpus="a corpus", train_tokens=1000, vocab_size=512, bits_per_byte=((100, 2.0, 2.2),)
)


def says(step, bits, *, n_tokens=1000, vocab_size=512, config=CONFIG):
    return Expected(config, SimpleNamespace(n_tokens=n_tokens), vocab_size).says(step, bits)


@pytest.mark.parametrize(
    ("bits", "where"), [(1.99, "below"), (2.0, "inside"), (2.2, "inside"), (2.21, "above")]
)
def test_a_measurement_lies_below_inside_or_above(bits, where):
    assert says(100, bits) == f", {where} the expected 2.000 to 2.200"


def test_a_step_without_a_band_is_not_judged():
    assert says(101, 9.0) == ""
    assert says(100, 9.0, config=None) == ""


@pytest.mark.parametrize(
    ("other", "judged"),
    [({"n_tokens": 1090}, True), ({"n_tokens": 890}, False), ({"vocab_size": 600}, False)],
)
def test_another_corpus_is_not_judged_and_that_is_said(other, judged, caplog):
    with caplog.at_level("INFO"):
        assert bool(says(100, 2.1, **other)) == judged
    assert ("hold for a corpus" in caplog.text) != judged


def test_the_band_goes_into_the_metrics():
    expected = Expected(CONFIG, SimpleNamespace(n_tokens=1000), 512)
    assert expected.measures(100) == {
        "validation__expected_low": 2.0,
        "validation__expected_high": 2.2,
    }
    assert expected.measures(101) == {}
