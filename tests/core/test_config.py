import tomllib
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from groundup.core.config import (
    INPUT,
    LATER,
    VOLATILE,
    Config,
    StageConfig,
    expand_paths,
    inputs_of,
    parse_flags,
    read_recipe,
    semantic,
    to_toml,
    validate,
)
from groundup.core.errors import ConfigError, DataError


class Optimizer(Config, frozen=True):
    """Nested section."""

    lr: Annotated[float, Field(gt=0)] = 1e-3
    """Step size."""
    threads: Annotated[int, VOLATILE] = 1
    """Threads."""


class Example(StageConfig, frozen=True):
    """A stage's config."""

    tokens: Annotated[str, INPUT] = ""
    """Input."""
    models: Annotated[dict[str, str], INPUT] = Field(default={})
    """Inputs by role."""
    optimizer: Optimizer = Optimizer()
    """Section."""
    paths: tuple[str, ...] = ()
    """Files."""
    budget_tokens: int = 100
    """Tokens."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Seed."""
    limit: int | None = None
    """None is off."""
    workers: Annotated[int, VOLATILE] = 2
    """Threads."""


def recipe(folder: Path, text: str) -> Path:
    path = folder / "x.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_recipe_is_a_stage_and_its_values(tmp_path):
    path = recipe(tmp_path, 'stage = "pretrain"\nbudget_tokens = 5\n[optimizer]\nlr = 0.1\n')
    assert read_recipe(path) == ("pretrain", {"budget_tokens": 5, "optimizer": {"lr": 0.1}})


@pytest.mark.parametrize(
    ("text", "problem"),
    [("name = 'x'", "which stage"), ("name 'x'", "line 1"), ("stage = 1", "which stage")],
)
def test_a_recipe_that_cannot_be_read_says_why(tmp_path, text, problem):
    with pytest.raises(ConfigError, match=problem):
        read_recipe(recipe(tmp_path, text))


def test_a_recipe_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "x.toml").write_bytes(b'stage = "\xff"')
    with pytest.raises(ConfigError, match="not TOML"):
        read_recipe(tmp_path / "x.toml")


def test_a_recipe_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"no recipe .*nowhere\.toml"):
        read_recipe(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    ("values", "wrong", "near"),
    [
        ({"budget_token": 5}, "budget_token", "budget_tokens"),
        ({"optimizer": {"learning_rate": 1.0, "lr": 1.0}}, "optimizer.learning_rate", "lr"),
        ({"optimizer": {"thread": 1}}, "optimizer.thread", "threads"),
    ],
)
def test_a_misspelt_setting_suggests_the_near_name(values, wrong, near):
    with pytest.raises(ConfigError, match=f"x.toml: there is no setting '{wrong}'") as caught:
        validate(Example, values, source="x.toml")
    assert near in caught.value.hint


@pytest.mark.parametrize(
    "values",
    [
        {"budget_tokens": "5"},
        {"budget_tokens": 5.5},
        {"budget_tokens": True},
        {"optimizer": {"lr": 0}},
        {"optimizer": {"lr": float("nan")}},
        {"optimizer": {"lr": float("inf")}},
        {"paths": "a.txt"},
        {"name": 7},
    ],
)
def test_values_are_checked_strictly(values):
    with pytest.raises(ConfigError, match=r"x\.toml"):
        validate(Example, values, source="x.toml")


def test_toml_arrays_and_whole_numbers_for_floats_are_accepted():
    config = validate(Example, {"paths": ["a", "b"], "optimizer": {"lr": 1}}, source="x.toml")
    assert (config.paths, config.optimizer.lr) == (("a", "b"), 1.0)


def test_zero_is_a_number_and_none_is_off():
    assert validate(Example, {"limit": 0}, source="x").limit == 0
    assert validate(Example, {}, source="x").limit is None


def test_a_config_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Example().budget_tokens = 1  # type: ignore[misc]


def test_inputs_are_listed_by_role_and_empty_ones_left_out():
    config = Example(tokens="tokens.toml", models={"sft": "sft.toml", "rl": "rl.toml"})
    assert inputs_of(config) == {
        "tokens": "tokens.toml",
        "models.sft": "sft.toml",
        "models.rl": "rl.toml",
    }
    assert inputs_of(Example()) == {}


def test_volatile_fields_and_inputs_do_not_decide_the_result():
    one = Example(name="a", workers=1, tokens="x", optimizer=Optimizer(threads=1))
    two = Example(name="b", workers=8, tokens="y", optimizer=Optimizer(threads=9))
    assert semantic(one) == semantic(two)
    assert semantic(one) == {
        "optimizer": {"lr": 1e-3},
        "paths": [],
        "budget_tokens": 100,
        "seed": 1,
        "limit": None,
    }


class Extended(Example, frozen=True):
    """The same config after fields were added to it."""

    mixture: Annotated[dict[str, float], LATER] = Field(default={})
    """By name."""
    lists: Annotated[tuple[str, ...], LATER] = ()
    """Files."""


def test_a_later_field_is_in_the_key_only_when_it_is_set():
    assert semantic(Extended()) == semantic(Example())
    assert semantic(Extended(mixture={"a": 2.0})) == semantic(Example()) | {"mixture": {"a": 2.0}}
    assert semantic(Extended(lists=("a",))) == semantic(Example()) | {"lists": ["a"]}


def test_every_other_field_decides_the_result():
    for changed in (
        Example(budget_tokens=1),
        Example(limit=0),
        Example(paths=("a",)),
        Example(optimizer=Optimizer(lr=1.0)),
    ):
        assert semantic(changed) != semantic(Example())


def test_the_resolved_recipe_reads_back_to_the_same_config(tmp_path):
    config = Example(name="é", paths=("a b",), optimizer=Optimizer(lr=3e-4), tokens="t.toml")
    stage, values = read_recipe(recipe(tmp_path, to_toml("pretrain", config)))
    assert stage == "pretrain"
    assert validate(Example, values, source="x") == config
    assert tomllib.loads(to_toml("s", config))["optimizer"]["lr"] == 3e-4


def flags(*arguments: str, target: str | None = "pretrain") -> dict[str, Config]:
    configs = {"pretrain": Example(budget_tokens=7), "tokens": Example()}
    return parse_flags(configs, arguments, program="p", description="d", target=target)


def test_a_flag_overrides_the_recipe():
    changed = flags("--budget-tokens", "9", "--optimizer.lr", "0.5")
    assert changed["pretrain"].budget_tokens == 9
    assert changed["pretrain"].optimizer.lr == 0.5
    assert changed["tokens"] == Example()
    assert flags()["pretrain"].budget_tokens == 7


def test_flags_of_a_graph_carry_the_recipe_name():
    changed = flags("--tokens.budget-tokens", "3", target=None)
    assert changed["tokens"].budget_tokens == 3
    assert changed["pretrain"].budget_tokens == 7


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (("--optimizer.lr", "-1"), "greater than 0"),
        (("--budget-token", "9"), "budget-token"),
        (("--budget-tokens", "many"), "budget-tokens"),
        (("--seed", "-1"), "greater than or equal to 0"),
    ],
)
def test_a_wrong_flag_or_value_says_so_and_exits_with_2(capsys, arguments, shown):
    with pytest.raises(SystemExit) as caught:
        flags(*arguments)
    assert caught.value.code == 2
    assert shown in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_patterns_name_files_once_and_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.txt", "a.txt", "c[1].txt"):
        Path(name).touch()
    assert expand_paths(["c[1].txt", "*.txt"]) == [Path("c[1].txt"), Path("a.txt"), Path("b.txt")]
    assert expand_paths([f"{tmp_path}/a*"]) == [tmp_path / "a.txt"]


def test_a_pattern_that_matches_nothing_is_an_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"no file matches \*.warc") as caught:
        expand_paths(["*.warc"])
    assert str(tmp_path) in caught.value.hint


class Required(Config, frozen=True):
    """A config with a field that a recipe must give."""

    kind: str
    """No default."""


def test_a_misspelt_name_of_a_required_setting_names_the_near_one():
    with pytest.raises(ConfigError, match="there is no setting 'kindd'") as caught:
        validate(Required, {"kindd": "folder"}, source="x.toml")
    assert caught.value.hint == "did you mean 'kind'?"


def test_a_required_setting_that_is_not_given_is_said_to_be_missing():
    with pytest.raises(ConfigError, match=r"^x\.toml: kind is missing$") as caught:
        validate(Required, {}, source="x.toml")
    assert "kind" in caught.value.hint
