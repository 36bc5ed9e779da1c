"""Pretraining's settings: what is allowed, what decides the result."""

import pytest

from groundup.core.config import inputs_of, parse_flags, semantic, to_toml, validate
from groundup.core.errors import ConfigError
from groundup.training.config import AdamWConfig, MuonConfig, PretrainConfig


def config_of(**values):
    return validate(PretrainConfig, {"tokens": "tokens.toml", **values}, source="test")


def test_the_optimizer_section_chooses_its_kind_by_name():
    assert config_of().optimizer == MuonConfig()
    assert config_of(optimizer={"kind": "adamw", "lr": 1e-3}).optimizer == AdamWConfig(lr=1e-3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch_tokens": 1000}, "batch_tokens=1000 is not a multiple of context_length=1024"),
        ({"micro_batch_tokens": 7}, "micro_batch_tokens=7 is not a multiple"),
        ({"budget_tokens": 10}, "budget_tokens=10 is less than one step of 4096"),
        ({"optimizer": {"kind": "sgd"}}, "adamw"),
        ({"optimizer": {"kind": "muon", "lr": 1.0}}, "there is no setting"),
        ({"schedule": {"final_fraction": 2.0}}, "final_fraction"),
        ({"learning_rate": 1.0}, "learning_rate"),
    ],
)
def test_wrong_settings_are_named(values, message):
    with pytest.raises(ConfigError, match=message):
        config_of(**values)


def test_the_number_of_steps_is_the_budget_over_the_batch():
    assert config_of(budget_tokens=10_000, batch_tokens=4096).n_steps == 2


def test_machine_settings_do_not_change_the_key():
    first = config_of()
    second = config_of(device="cpu", compile=True, checkpoint_every_s=1.0, log_every_steps=1)
    assert semantic(first) == semantic(second)
    assert semantic(first) != semantic(config_of(optimizer={"kind": "adamw"}))
    assert inputs_of(first) == {"tokens": "tokens.toml"}


def test_flags_reach_into_sections():
    flags = ["--optimizer.matrix-lr", "0.01", "--model.n-layers", "3", "--budget-tokens", "8192"]
    parsed = parse_flags(
        {"pretrain": config_of()}, flags, program="t", description="t", target="pretrain"
    )["pretrain"]
    assert parsed.optimizer.matrix_lr == 0.01
    assert (parsed.model.n_layers, parsed.budget_tokens) == (3, 8192)


def test_the_resolved_recipe_reads_back_as_the_same_settings():
    import tomllib

    config = config_of(optimizer={"kind": "adamw"}, samples={"prompts": ["a", "b"]})
    values = tomllib.loads(to_toml("pretrain", config))
    assert values.pop("stage") == "pretrain"
    again = validate(PretrainConfig, values, source="test")
    assert semantic(again) == semantic(config)
