"""From a table to the printed result, through the command line."""

import json

import numpy as np
import pytest

from groundup.cli.main import main
from groundup.scaling.analysis import Request, analyse
from groundup.scaling.forms import FORMS
from groundup.scaling.saved import epoch_fit, load_fit

TRUTH = {"E": 1.5, "A": 200.0, "B": 900.0, "alpha": 0.33, "beta": 0.35}
KEYS = {"alpha", "beta", "E", "A", "B", "a", "objective", "n_points", "held_out", "intervals"}


@pytest.fixture
def table(tmp_path):
    """Twenty runs of five sizes on a known law, with 0.1% of noise."""
    generator = np.random.default_rng(0)
    lines = ["N,D,loss,trunk"]
    for n in np.geomspace(1e7, 1e9, 5):
        for d in np.geomspace(5e8, 2e10, 4):
            loss = TRUTH["E"] + TRUTH["A"] * n**-0.33 + TRUTH["B"] * d**-0.35
            loss *= np.exp(0.001 * generator.standard_normal())
            lines.append(f"{n:.0f},{d:.0f},{loss:.6f},size{n:.0f}")
    path = tmp_path / "points.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def run_json(capsys, *arguments):
    assert main(["scale", "fit", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_json_has_the_law_its_intervals_and_a_forecast(table, capsys):
    result = run_json(capsys, table, "--bootstrap", 200)
    assert set(result) >= KEYS
    assert result["n_points"] == 20
    assert result["n_trunks"] == 5
    for name, truth in TRUTH.items():
        ends = result["intervals"][name]
        assert ends["low"] < truth < ends["high"] or abs(result[name] / truth - 1) < 0.1
    held = result["held_out"]
    assert held["runs_left_out"] == 4  # the whole trunk of the largest run
    assert abs(held["error"]) < 0.01
    assert held["low"] < held["loss"] < held["high"]


def test_the_fit_and_its_figures_are_kept(table, tmp_path, capsys):
    kept = tmp_path / "kept"
    assert main(["scale", "fit", str(table), "--bootstrap", "50", "--to", str(kept)]) == 0
    shown = capsys.readouterr().out
    assert "held out" in shown
    assert "N_opt = k C^a" in shown
    saved = load_fit(kept)
    assert len(saved.draws) == 50
    low, high = saved.interval(1e9, 2e10)
    assert low < saved.law.loss(1e9, 2e10) < high
    names = {path.name for path in (kept / "figures").iterdir()}
    for chart in (
        "loss_against_params",
        "loss_against_tokens",
        "loss_against_compute",
        "residuals",
    ):
        assert {f"{chart}.svg", f"{chart}.png"} <= names


@pytest.mark.parametrize("law", ["equal-exponent", "power", "kaplan"])
def test_every_law_can_be_asked_for(table, capsys, law):
    assert run_json(capsys, table, "--law", law, "--bootstrap", 0)["law"] == law


def test_forms_are_compared_by_the_largest_run(table):
    choices = analyse(Request(table, replicates=0)).choices
    assert {choice.form for choice in choices} == set(FORMS)
    assert choices[0].form in {"chinchilla", "equal-exponent"}


def test_left_out_runs_are_reported_with_and_without(table, capsys):
    result = run_json(capsys, table, "--drop-worst", 2, "--bootstrap", 0)
    assert result["n_points"] == 18
    assert result["with_all_points"]["alpha"] != result["alpha"]


def test_optima_give_the_law_they_are_the_optima_of(tmp_path, capsys):
    """Along exact optima of a law the fit must return that law."""
    from groundup.scaling.laws import EPOCH

    lines = ["flops,n_opt,tokens_opt,loss_opt"]
    for c in np.geomspace(1e18, 1e22, 9):
        n, d = EPOCH.optimum(c)
        lines.append(f"{c},{n},{d},{EPOCH.loss(n, d)}")
    path = tmp_path / "optima.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    result = run_json(capsys, path, "--bootstrap", 20)
    for name in ("E", "alpha", "beta", "a"):
        assert result[name] == pytest.approx(getattr(EPOCH, name), rel=1e-3)
    assert result["A"] == pytest.approx(EPOCH.A, rel=0.02)
    assert result["B"] == pytest.approx(EPOCH.B, rel=0.02)


def test_chinchilla_through_the_command_line(published, capsys):
    path = published("chinchilla-fig4-extracted.csv")
    result = run_json(capsys, path, "--drop-worst", 5, "--bootstrap", 100)
    assert result["n_points"] == 240
    assert result["beta"] == pytest.approx(0.3672, abs=0.002)
    assert result["with_all_points"]["beta"] == pytest.approx(0.4530, abs=0.001)
    assert result["approaches"]["3 parametric"]["a"] == pytest.approx(0.5139, abs=0.002)


def test_a_recipe_is_named_when_tables_mix_them(published, capsys):
    assert main(["scale", "fit", str(published("overtraining-c4-rpj.csv"))]) == 2
    assert "--where train_dataset=rpj" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--drop-worst", "99"], "leave out fewer"),
        (["--columns", "N"], "names no column"),
        (["--where", "N=10000000"], "need"),
    ],
)
def test_a_wrong_request_is_answered_with_a_hint(table, capsys, flags, says):
    assert main(["scale", "fit", str(table), *flags]) == 2
    shown = capsys.readouterr().err
    assert says in shown
    assert "hint:" in shown


def test_the_shipped_resamples_have_epochs_standard_errors():
    draws = epoch_fit().draws
    assert np.std([law.alpha for law in draws]) == pytest.approx(0.015, abs=0.003)
    assert np.std([law.beta for law in draws]) == pytest.approx(0.021, abs=0.004)
    low, high = epoch_fit().interval(70e9, 1.4e12)
    assert low < epoch_fit().law.loss(70e9, 1.4e12) < high


@pytest.mark.parametrize("content", ["{}", "[]", "no", '{"schema_version": 9}'])
def test_what_is_no_fit_is_refused(tmp_path, content):
    from groundup.core.errors import DataError

    (tmp_path / "fit.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError):
        load_fit(tmp_path)
    with pytest.raises(DataError, match="there is no fit"):
        load_fit(tmp_path / "none.json")
