import json
import shutil

import pytest

from groundup.core.artifact import Artifact
from groundup.core.config import semantic, validate
from groundup.core.errors import ConfigError, CorruptArtifact
from groundup.tokens.loader import TokenRows
from groundup.training import run as stage
from groundup.training.config import PretrainConfig
from groundup.training.data import (
    TOKENS_DIGEST,
    check_same_tokens,
    open_rows,
    preview,
    training_streams,
)

WEIGHTS = {"letters": 1.0, "digits": 3.0}


def mixed_with(config, **values):
    return config.model_copy(update={"mixture": WEIGHTS, **values})


def test_a_mixed_run_reads_its_weights_and_says_so(new_run, mixed_tokens, config):
    out = new_run()
    stage.run(mixed_with(config), {"tokens": mixed_tokens}, out)
    # 20 steps of 8 rows of 32: 5,120 tokens, of which 3/4 are digits
    assert out.summary["epochs_by_source"] == {"digits": 3.84, "letters": 0.32}
    assert json.loads((out.path / "result.json").read_text())["epochs"] == round(5120 / 5000, 3)
    assert not (out.path / TOKENS_DIGEST).exists()


def test_rows_come_from_the_sources_by_weight(mixed_tokens, config):
    ids = open_rows(mixed_with(config), mixed_tokens).batch(1, 0, 32)[:, 1:]
    is_digit = ((ids >= ord("0")) & (ids <= ord("9"))).any(axis=1)
    assert is_digit.sum() == 24
    assert isinstance(open_rows(config, mixed_tokens), TokenRows)


def test_the_ngram_model_counts_the_sources_that_are_trained_on(mixed_tokens, tokens, config):
    def sizes(config, tokens):
        return [rows.n_tokens for rows in training_streams(config, tokens)]

    assert sizes(config, mixed_tokens) == [1000, 4000]
    only = config.model_copy(update={"mixture": {"letters": 2.0}})
    assert sizes(only, mixed_tokens) == [4000]
    assert sizes(config, tokens) == [TokenRows.open(tokens, "train", 32).n_tokens]


def test_the_mixture_is_in_the_key_only_when_it_is_given(config):
    assert "mixture" not in semantic(config)
    assert semantic(mixed_with(config)) == semantic(config) | {"mixture": WEIGHTS}
    assert semantic(config.model_copy(update={"allow_epochs_above_16": True})) == semantic(config)


def test_the_table_comes_before_training_and_many_epochs_are_refused(
    capsys, new_run, mixed_tokens, config
):
    long = mixed_with(config, budget_tokens=100 * 256)  # 19.2 epochs of the digits
    out = new_run()
    with pytest.raises(ConfigError, match=r"source 'digits' 19\.2 times") as caught:
        stage.run(long, {"tokens": mixed_tokens}, out)
    assert "allow_epochs_above_16" in caught.value.hint
    shown = capsys.readouterr().out
    assert "19.20" in shown
    assert "4,000" in shown
    assert not (out.path / "baselines.json").exists()
    preview(long.model_copy(update={"allow_epochs_above_16": True}), {"tokens": mixed_tokens})


@pytest.mark.parametrize("weight", [0, -1, "much"])
def test_a_weight_has_to_be_above_zero(weight):
    values = {"tokens": "t.toml", "mixture": {"web": weight}}
    with pytest.raises(ConfigError, match=r"mixture\.web"):
        validate(PretrainConfig, values, source="pretrain.toml")


def test_an_unfinished_run_does_not_go_on_with_other_tokens(new_run, tokens, mixed_tokens):
    out = new_run()
    check_same_tokens(tokens, out)
    check_same_tokens(tokens, out)
    with pytest.raises(CorruptArtifact, match="was begun on other tokens") as caught:
        check_same_tokens(mixed_tokens, out)
    assert str(out.path) in caught.value.hint
    assert (out.path / TOKENS_DIGEST).read_text() == tokens.digest


def test_shards_cut_short_are_refused_before_training(new_run, tmp_path, mixed_tokens, config):
    folder = tmp_path / "tokens"
    shutil.copytree(mixed_tokens.path, folder)
    cut = folder / "train/digits/00000.bin"
    cut.write_bytes(cut.read_bytes()[:-2])
    with pytest.raises(CorruptArtifact, match=r"train/digits/00000\.bin"):
        stage.run(mixed_with(config), {"tokens": Artifact.open(folder)}, new_run())
