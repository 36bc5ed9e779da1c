import json
import logging

import pytest

from groundup.core.errors import ConfigError
from groundup.tokens.exposure import Exposure, check_epochs, exposures, show


@pytest.fixture
def new_tokens(new_run):
    def make(sources: dict[str, int]):
        run = new_run("tokens")
        about = {"train_tokens": sum(sources.values())}
        if "" not in sources:
            about["sources"] = {name: {"train_tokens": size} for name, size in sources.items()}
        run.file("tokens.json").write_text(json.dumps(about))
        return run.complete()

    return make


GPT3 = {"cc": 410, "webtext2": 19, "books1": 12, "books2": 55, "wikipedia": 3}


def test_the_table_of_gpt3(new_tokens):
    # arXiv 2005.14165, table 2.2, in thousands for billions: weights 60, 22, 8, 8 and 3 in 100
    # (their sum is 101), 300 drawn. The paper's own column of epochs is rounded otherwise, so the
    # quotient of the other three columns is what is compared.
    weights = {"cc": 60, "webtext2": 22, "books1": 8, "books2": 8, "wikipedia": 3}
    tokens = new_tokens({name: 10_000 * size for name, size in GPT3.items()})
    table = {
        row.source: row for row in exposures(tokens, weights, n_rows=300_000, context_length=10)
    }
    assert sum(row.drawn_tokens for row in table.values()) == 3_000_000
    for name, size in GPT3.items():
        wanted = weights[name] / 101 * 300 / size
        assert table[name].weight == pytest.approx(weights[name] / 101)
        assert table[name].epochs == pytest.approx(wanted, rel=1e-3)


def test_one_corpus_is_one_line(new_tokens):
    (row,) = exposures(new_tokens({"": 1000}), {}, n_rows=50, context_length=50)
    assert row == Exposure("corpus", 1000, 1.0, 2500)
    assert row.epochs == 2.5


def test_without_weights_every_source_has_the_same_epochs(new_tokens):
    table = exposures(new_tokens({"a": 100, "b": 300}), {}, n_rows=20, context_length=40)
    assert [row.weight for row in table] == [0.25, 0.75]
    assert [row.epochs for row in table] == [2, 2]


def test_a_source_that_is_left_out_is_in_the_table(new_tokens):
    tokens = new_tokens({"a": 100, "b": 300})
    assert exposures(tokens, {"b": 7}, n_rows=3, context_length=10) == [
        Exposure("a", 100, 0.0, 0),
        Exposure("b", 300, 1.0, 30),
    ]


def test_a_weight_for_nothing_is_refused(new_tokens):
    with pytest.raises(ConfigError, match="'c'"):
        exposures(new_tokens({"a": 100}), {"c": 1}, n_rows=3, context_length=10)


def test_above_four_epochs_there_is_a_warning(caplog):
    caplog.set_level(logging.WARNING, logger="groundup")
    logging.getLogger("groundup").propagate = True
    check_epochs([Exposure("a", 100, 0.5, 400)], allow_many=False)
    assert not caplog.records
    check_epochs([Exposure("a", 100, 0.5, 401)], allow_many=False)
    assert "source a is seen 4.0 times" in caplog.text
    assert "2305.16264" in caplog.text


def test_above_sixteen_epochs_it_takes_leave():
    check_epochs([Exposure("a", 100, 0.5, 1600)], allow_many=False)
    with pytest.raises(
        ConfigError, match=r"source 'b' 16\.0 times: 1,601 tokens from 100"
    ) as caught:
        check_epochs([Exposure("a", 9, 0.5, 9), Exposure("b", 100, 0.5, 1601)], allow_many=False)
    assert "allow_epochs_above_16" in caught.value.hint
    check_epochs([Exposure("b", 100, 0.5, 1601)], allow_many=True)


def test_the_table_shows_every_number(capsys):
    show([Exposure("web", 410_000, 0.6, 180_000)])
    text = capsys.readouterr().out
    for cell in ("web", "410,000", "0.6000", "180,000", "0.44"):
        assert cell in text
