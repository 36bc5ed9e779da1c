"""Plans forwards and backwards, against published models and hand-worked cases."""

import json
import math

import pytest

from groundup.cli.main import main
from groundup.core.errors import ConfigError
from groundup.model.count import flops_per_token
from groundup.model.presets import PRESETS
from groundup.scaling.devices import DEVICES, machine_named
from groundup.scaling.families import FAMILIES, GPT3
from groundup.scaling.laws import EPOCH
from groundup.scaling.plan import make_plan
from groundup.scaling.saved import epoch_fit
from groundup.scaling.shapes import PlanShape, named_shape, shapes_between
from groundup.scaling.sizing import Ask

H200X8 = machine_named("h200x8")
PF_DAY = 8.64e19


def planned(machine=H200X8, **given):
    return make_plan(Ask(**given), machine, epoch_fit())


@pytest.mark.parametrize("row", GPT3, ids=lambda row: row.preset)
def test_gpt3_s_published_sizes_and_operations(row):
    shape = PlanShape.of(PRESETS[row.preset].config())
    assert shape.n_total == pytest.approx(row.n_params, rel=0.0035)
    assert 6 * row.n_params * 300e9 == pytest.approx(row.train_flops, rel=0.002)
    assert row.train_flops / PF_DAY == pytest.approx(row.pf_days, rel=0.005)


def test_attention_s_share_of_gpt3_s_operations():
    """PaLM's formula (2204.02311, appendix B) at 2048 tokens: 23% at 125M, 2.7% at 175B."""
    for preset, share in (("gpt3-small", 0.23), ("gpt3-13b", 0.06), ("gpt3-175b", 0.027)):
        config = PRESETS[preset].config()
        attention = 12 * config.n_layers * config.d_model * 2048
        assert attention / flops_per_token(config, 2048) == pytest.approx(share, abs=0.006)


def test_a_budget_in_hours_is_spent_exactly():
    plan = planned(hours=8)
    assert plan.flops == pytest.approx(8 * 3600 * 8 * 989e12 * 0.40)
    assert plan.hours == pytest.approx(8)
    assert plan.machine.dollars(plan.hours) == pytest.approx(8 * 8 * 3.5)
    assert plan.machine.kwh(plan.hours) == pytest.approx(8 * 8 * 0.7 * 0.7 * 1.2)


@pytest.mark.parametrize("flops", [1e18, 1e20, 1e22, 3.14e23])
def test_a_plan_lies_at_the_law_s_optimum(flops):
    """The closed form knows 6 N D alone; a real shape pays for attention and whole heads."""
    plan = planned(flops=flops)
    n, d = EPOCH.optimum(flops)
    assert plan.flops == pytest.approx(flops, rel=1e-12)
    assert plan.loss == pytest.approx(EPOCH.loss(n, d), rel=0.025)
    assert plan.loss >= EPOCH.loss(n, d) * 0.999
    assert 0.4 < plan.shape.n_total / n < 1.5
    low, high = plan.interval
    assert low < plan.loss < high


def test_no_other_shape_is_better():
    plan = planned(flops=1e20)
    shapes = shapes_between(plan.shape.n_total / 3, plan.shape.n_total * 3)
    best = min(EPOCH.loss(s.n_total, 1e20 / s.train_flops) for s in shapes)
    assert best <= plan.loss <= best * 1.002  # the price of usual proportions


def test_loss_and_budget_are_inverse():
    first = planned(flops=1e21)
    back = planned(loss=first.loss)
    assert back.flops == pytest.approx(1e21, rel=0.01)
    assert back.loss == pytest.approx(first.loss, abs=1e-9)


def test_dollars_and_hours_are_the_same_budget():
    assert planned(dollars=224).flops == pytest.approx(planned(hours=8).flops)


def test_a_given_model_and_data_are_priced():
    plan = planned(model="gpt2", tokens=2.5e9)
    assert plan.shape.n_total == 124_439_808
    config = PRESETS["gpt2"].config()
    assert plan.flops == pytest.approx(2.5e9 * flops_per_token(config, 1024))
    assert plan.loss == pytest.approx(EPOCH.loss(124_439_808, 2.5e9))


def test_a_number_of_parameters_finds_a_shape_of_that_size():
    for n in (10e6, 124e6, 1e9, 70e9):
        shape = named_shape(n)
        assert shape.n_total == pytest.approx(n, rel=0.06)
        assert 32 <= shape.aspect <= 128


@pytest.mark.parametrize("ratio", [5.0, 20.0, 200.0])
def test_tokens_per_parameter_can_be_asked_for(ratio):
    plan = planned(flops=1e20, tokens_per_param=ratio)
    assert plan.tokens / plan.shape.n_total == pytest.approx(ratio, rel=0.1)


def test_175_billion_on_1024_a100_at_45_percent_takes_25_days():
    machine = machine_named("a100x1024", mfu=0.45)
    seconds = 6 * 174.6e9 * 300e9 / machine.flops_per_s
    assert seconds / 86_400 == pytest.approx(25, abs=0.5)


def test_repeated_data_makes_models_larger_and_losses_higher():
    free, scarce = planned(flops=1e21), planned(flops=1e21, unique_tokens=3e9)
    assert scarce.shape.n_total > free.shape.n_total
    assert scarce.loss > free.loss
    assert scarce.epochs == pytest.approx(scarce.tokens / 3e9)
    assert scarce.as_json()["effective_tokens"] < scarce.tokens


def test_more_than_sixteen_passes_are_refused_unless_meant():
    with pytest.raises(ConfigError, match="passes over") as caught:
        planned(flops=1e22, unique_tokens=1e9)
    assert "--allow-repeats" in caught.value.hint
    assert planned(flops=1e22, unique_tokens=1e9, allow_repeats=True).epochs > 16


def test_a_model_that_serves_a_lot_is_smaller_and_trained_longer():
    plan = planned(flops=1e23, served_tokens=10e12)
    served = plan.served
    assert served.shape.n_total < 0.7 * plan.shape.n_total
    assert served.tokens > plan.tokens
    assert EPOCH.loss(served.shape.n_total, served.tokens) == pytest.approx(plan.loss, abs=1e-9)
    together = served.train_flops + 10e12 * served.serve_flops
    assert together < plan.flops + 10e12 * plan.shape.serve_flops


def test_the_same_loss_costs_more_at_other_sizes():
    half, this, twice = planned(flops=1e21).same_loss
    assert half.train_flops > this.train_flops < twice.train_flops
    assert half.serve_flops < this.serve_flops < twice.serve_flops
    for other in (half, this, twice):
        assert EPOCH.loss(other.shape.n_total, other.tokens) == pytest.approx(
            EPOCH.loss(this.shape.n_total, this.tokens), abs=1e-9
        )


def test_small_and_large_budgets_are_stamped():
    assert planned(flops=1e20).times_outside == 1.0
    assert planned(flops=1.3e24).times_outside == pytest.approx(100)
    tiny = planned(flops=1e13)
    assert tiny.beyond_sense
    assert tiny.as_json()["extrapolation"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "nothing to plan from"),
        ({"hours": 1, "flops": 1e20}, "are all given"),
        ({"flops": 1e20, "loss": 2.5}, "both given"),
        ({"model": 124e6}, "alone is no plan"),
        ({"model": "gpt9", "tokens": 1e9}, "no model 'gpt9'"),
        ({"model": 124e6, "loss": 2.0}, "do not reach"),
        ({"loss": 1.7}, "no model reaches"),
        ({"loss": 2.0, "unique_tokens": 1e8, "allow_repeats": True}, "so few unique tokens"),
        ({"flops": 1e9}, "no shape has about"),
        ({"flops": 1e20, "vocab_size": 1}, "no model has 1 token ids"),
        ({"flops": 1e20, "context": 1}, "a context of 1"),
    ],
)
def test_what_cannot_be_planned_is_answered(given, message):
    with pytest.raises(ConfigError, match=message):
        planned(**given)


def test_devices_are_named_with_counts():
    assert (H200X8.device.name, H200X8.count) == ("h200", 8)
    assert machine_named("rtx4090").count == 1
    assert machine_named("h100-pciex4").device.name == "h100-pcie"
    with pytest.raises(ConfigError, match="no device 'tpu9'"):
        machine_named("tpu9")
    with pytest.raises(ConfigError, match="no device"):
        machine_named("h100x0")
    assert all(device.source for device in DEVICES.values())


def test_undisclosed_stays_undisclosed():
    (gpt4,) = (model for model in FAMILIES if model.name == "GPT-4")
    assert gpt4.n_params is None
    assert gpt4.tokens is None
    assert all(model.source for model in FAMILIES)


def test_json_of_the_command_line(capsys):
    assert main(["plan", "--hours", "8", "--device", "h200x8", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["hours"] == pytest.approx(8)
    assert result["flops"] == pytest.approx(
        result["model"]["train_flops_per_token"] * result["tokens"]
    )
    assert result["loss_interval"][0] < result["loss_nats"] < result["loss_interval"][1]
    assert "2404.10102" in result["law"]["source"]


def test_the_command_line_prints_a_plan_and_keeps_charts(capsys, tmp_path):
    assert main(["plan", "--flops", "1e21", "--unique-tokens", "3B", "--inference-tokens", "2T",
                 "--to", str(tmp_path)]) == 0  # fmt: skip
    shown = capsys.readouterr().out
    for word in ("passes over the data", "kWh", "dollars", "Step Law", "half the size", "served"):
        assert word in shown
    assert (tmp_path / "figures" / "tokens_against_params.svg").is_file()
    assert (tmp_path / "figures" / "size_against_task.png").is_file()
    assert json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))["epochs"] > 4


def test_the_command_line_says_when_a_law_ends(capsys):
    assert main(["plan", "--flops", "1e13"]) == 0
    shown = capsys.readouterr().out
    assert "EXTRAPOLATION" in shown
    assert f"{math.log(50_304):.2f}" in shown


def test_families_are_printed(capsys):
    assert main(["plan", "--families"]) == 0
    shown = capsys.readouterr().out
    assert "undisclosed" in shown
    assert "Chinchilla" in shown
    assert "0.789" in shown  # HellaSwag at 175B


def test_a_plan_by_your_own_fit_names_it(capsys, tmp_path):
    from groundup.scaling.saved import save_fit

    law = EPOCH
    document = {"law": "mine", "E": law.E, "A": law.A, "B": law.B, "alpha": law.alpha,
                "beta": law.beta, "n_points": 12, "source": "points.csv",
                "flops_range": [1e12, 1e14]}  # fmt: skip
    save_fit(tmp_path / "fit.json", document, law, [law] * 30)
    assert main(["plan", "--flops", "1e15", "--fit", str(tmp_path), "--vocab-size", "256"]) == 0
    shown = capsys.readouterr().out
    assert "plan by mine" in shown
    assert "12 runs of points.csv" in shown
    assert "10 times outside" in shown


@pytest.mark.parametrize("bad", ["-1", "0", "lots", "1e", "nan"])
def test_a_budget_that_is_no_number_is_refused(bad, capsys):
    with pytest.raises(SystemExit):
        main(["plan", f"--flops={bad}"])
    assert "no positive number" in capsys.readouterr().err
