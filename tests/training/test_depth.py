from pathlib import Path

import pytest

from groundup.core.config import parse_flags, semantic, validate
from groundup.core.dial import turn
from groundup.core.errors import ConfigError
from groundup.model.config import ModelConfig, ModelShape
from groundup.model.count import flops_per_token, matrix_params, n_params
from groundup.training.config import PretrainConfig
from groundup.training.depth import batch_tokens, budget_tokens, context_length, width_factor

ROOT = Path(__file__).resolve().parents[2]


def pretrain(**values):
    return validate(PretrainConfig, {"tokens": "tokens.toml", **values}, source="test")


def flags(arguments, **given):
    given = {"tokens": "tokens.toml", **given}
    loaded = {"pretrain": validate(PretrainConfig, given, source="test")}
    parsed = parse_flags(
        turn(loaded, {"pretrain": given}, arguments, target="pretrain"),
        arguments,
        program="test",
        description="test",
        target="pretrain",
    )
    return parsed["pretrain"]


def test_depth_twelve_is_gpt2_small_in_shape():
    shape = pretrain(depth=12).model
    assert (shape.n_layers, shape.d_model, shape.n_heads) == (12, 768, 12)  # GPT-2, table 2
    assert (shape.position, shape.tied) == ("rope", False)


def test_the_batch_is_the_one_of_step_law():
    # arXiv 2503.04715: 0.58 * 1e11^0.571, about 1.1 million tokens for 100 billion
    assert batch_tokens(100_000_000_000, 2048) == 2**20
    assert batch_tokens(1_000_000, 256) == 4096
    assert batch_tokens(1_000_000_000, 1000) % 1000 == 0


def test_learning_rates_meet_gpt3s_at_its_smallest_width():
    adamw = pretrain(depth=12, optimizer={"kind": "adamw"}).optimizer
    assert adamw.lr == pytest.approx(6.0e-4, rel=0.03)  # GPT-3, table 2.1, 768 wide
    assert width_factor(128) == 1.0


def test_muons_rate_is_the_same_at_every_width():
    assert pretrain(depth=2).optimizer.matrix_lr == pretrain(depth=24).optimizer.matrix_lr
    assert pretrain(depth=2).optimizer.head_lr > pretrain(depth=24).optimizer.head_lr


@pytest.mark.parametrize("depth", [12, 16, 24])
def test_the_budget_lies_between_nanochats_optimum_and_hoffmanns(depth):
    config = pretrain(depth=depth)
    with_head = matrix_params(ModelConfig.of(config.model, vocab_size=32_768))
    assert 10.5 < config.budget_tokens / with_head < 20
    assert config.budget_tokens == budget_tokens(config.model)


@pytest.mark.parametrize(("d_model", "context"), [(128, 256), (384, 512), (512, 1024), (9e3, 2048)])
def test_the_context_grows_with_the_width(d_model, context):
    assert context_length(int(d_model)) == context


@pytest.mark.parametrize("depth", range(1, 65))
def test_every_depth_is_a_valid_recipe(depth):
    config = pretrain(depth=depth)
    assert config.model.n_layers == depth
    assert config.n_steps > 100


def test_what_the_recipe_says_stays_and_the_rest_follows_from_it():
    config = pretrain(depth=4, model={"d_model": 320}, optimizer={"head_lr": 0.5}, batch_tokens=512)
    assert (config.model.d_model, config.model.n_heads, config.model.n_layers) == (320, 5, 4)
    assert (config.optimizer.head_lr, config.batch_tokens) == (0.5, 512)
    assert config.budget_tokens == budget_tokens(config.model)


def test_heads_of_a_width_that_the_recipe_gives():
    shape = pretrain(depth=4, model={"d_head": 128}).model
    assert (shape.n_heads, shape.d_head) == (2, 128)


def test_the_key_is_that_of_the_resolved_values():
    dialled = pretrain(depth=3)
    written = pretrain(**dialled.model_dump(mode="json", exclude={"depth", "name", "tokens"}))
    assert written.depth is None
    assert semantic(written) == semantic(dialled)


def test_the_resolved_recipe_repeats_itself():
    config = pretrain(depth=3, model={"n_layers": 5})
    assert pretrain(**config.model_dump(mode="json", exclude={"tokens"})) == config


@pytest.mark.parametrize("spelt", [["--depth", "4"], ["--depth=4"], ["--depth", "9", "--depth=4"]])
def test_the_flag_fills_in_what_the_recipe_leaves_open(spelt):
    config = flags(spelt, model={"context_length": 64})
    assert config == pretrain(depth=4, model={"context_length": 64})


def test_the_flag_replaces_the_recipes_depth_but_not_its_values():
    config = flags(["--depth", "4"], depth=2, batch_tokens=8192)
    assert config == pretrain(depth=4, batch_tokens=8192)


def test_other_flags_win_over_the_dial():
    config = flags(["--model.n-heads", "2", "--depth", "4", "--optimizer.embedding-lr", "0.5"])
    assert (config.model.n_heads, config.optimizer.embedding_lr) == (2, 0.5)
    assert config.model.d_model == 256


def test_help_shows_the_values_that_the_dial_gives(capsys):
    with pytest.raises(SystemExit):
        flags(["--depth", "10", "--help"])
    shown = capsys.readouterr().out
    assert "640" in shown
    assert "Layers of groundup's own recipe" in shown


@pytest.mark.parametrize("depth", [0, 65, "4", 2.5, True])
def test_a_depth_that_is_none_is_refused(depth):
    with pytest.raises(ConfigError, match="depth"):
        pretrain(depth=depth)


def test_a_depth_flag_out_of_range_is_refused():
    with pytest.raises(ConfigError, match="depth"):
        flags(["--depth", "65"])


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"model": 3}, "model"),
        ({"optimizer": "muon"}, "optimizer"),
        ({"model": {"d_model": "wide"}}, "model.d_model"),
        ({"model": {"d_model": 320, "n_heads": 3}}, "n_heads"),
        ({"budget_tokens": "all"}, "budget_tokens"),
    ],
)
def test_values_of_a_wrong_kind_are_named_as_without_a_dial(values, named):
    with pytest.raises(ConfigError, match=named):
        pretrain(depth=4, **values)


def test_without_a_dial_nothing_is_filled_in():
    assert pretrain().model == ModelShape()


def table_row(depth):
    """A row of the table in docs/recipe.md: a vocabulary of 32,768, two cores, one H100."""
    config = pretrain(depth=depth)
    shape = ModelConfig.of(config.model, vocab_size=32_768)
    flops = flops_per_token(shape, shape.context_length) * config.budget_tokens
    cpu_hours, gpu_hours = flops / 270e9 / 3600, flops / (0.4 * 989e12) / 3600
    optimizer = config.optimizer
    return (
        f"| {depth} | {shape.d_model} | {shape.n_heads} | {shape.context_length}"
        f" | {n_params(shape) / 1e6:,.1f}M | {config.budget_tokens / 1e6:,.0f}M"
        f" | {config.batch_tokens:,} | {config.n_steps:,} | {optimizer.embedding_lr:g}"
        f" | {optimizer.head_lr:g} | {flops:.1e} | {readable(cpu_hours)} | {readable(gpu_hours)} |"
    )


def readable(hours):
    if hours < 1:
        return f"{60 * hours:.1f} min"
    return f"{hours:,.1f} h" if hours < 100 else f"{hours / 24:,.0f} days"


@pytest.mark.parametrize("depth", [2, 3, 4, 6, 8, 10, 12, 16, 20, 24])
def test_the_table_of_the_docs_is_what_the_dial_gives(depth):
    assert table_row(depth) in (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8")
