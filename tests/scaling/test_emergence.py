"""Verdicts on made curves whose nature is known, and on Pythia's published results."""

import json

import numpy as np
import pytest

from groundup.cli.main import main
from groundup.core.errors import ConfigError, DataError
from groundup.scaling.emergence import Curve, judge_task, loss_view
from groundup.scaling.results import read_results

X = np.linspace(8.0, 11.0, 61)  # twenty checkpoints a decade
ITEMS = 2000


def curve(series, accuracy, continuous):
    accuracy = np.clip(accuracy, 0, 1)
    error = np.sqrt(accuracy * (1 - accuracy) / ITEMS)
    return Curve(series, X, accuracy, error, continuous)


def rise(middle, width):
    return 1 / (1 + np.exp(-(X - middle) * 4.39 / width))


def made(nature):
    """Three seeds; p is the probability of the right token."""
    curves = []
    for seed, middle in enumerate((9.4, 9.5, 9.6)):
        if nature == "sharp":  # p itself jumps, as in induction
            p = 0.1 + 0.85 * rise(middle, 0.06)
            accuracy = p
        elif nature == "metric-sharp":  # p creeps up over two decades, the metric asks for p > .8
            p = 0.3 + 0.65 * rise(middle - 0.4, 1.6)
            accuracy = np.where(p > 0.8, 0.9, 0.0)
        elif nature == "smooth":
            p = 0.1 + 0.8 * rise(middle, 1.5)
            accuracy = p
        else:
            p = np.full_like(X, 0.05) + 0.02 * rise(middle, 1.0)
            accuracy = np.zeros_like(X)
        curves.append(curve(f"seed {seed}", accuracy, np.log(p)))
    return curves


@pytest.mark.parametrize("nature", ["sharp", "metric-sharp", "smooth", "absent"])
def test_the_four_verdicts(nature):
    found = judge_task("made", made(nature), 0.0, replicates=50)
    assert found.verdict == nature
    assert found.shares[nature] > 0.9


def test_a_threshold_lies_among_the_seeds_own():
    found = judge_task("made", made("sharp"), 0.0, replicates=100)
    assert found.threshold.low >= 9.35
    assert found.threshold.high <= 9.65
    assert found.width.high < 0.15


def test_without_a_continuous_metric_there_is_no_verdict_on_a_jump():
    curves = [Curve(c.series, c.x, c.accuracy, c.error, None) for c in made("sharp")]
    found = judge_task("made", curves, 0.0, replicates=20)
    assert found.verdict == "undecided"
    assert any("no continuous metric" in warning for warning in found.warnings)


def test_few_seeds_and_wide_gaps_are_warned_of():
    wide = [
        Curve(c.series, c.x[::8], c.accuracy[::8], c.error[::8], c.continuous[::8])
        for c in made("sharp")[:2]
    ]
    warnings = " ".join(judge_task("made", wide, 0.0, replicates=20).warnings)
    assert "2 curves only" in warnings
    assert "bracketed, not dated" in warnings


def test_too_few_checkpoints_are_refused():
    with pytest.raises(ConfigError, match="fewer than 5"):
        judge_task("made", [], 0.0)


def test_sizes_that_share_one_curve_over_loss_collapse():
    generator = np.random.default_rng(0)
    tokens, size = generator.uniform(8, 11, 200), generator.uniform(6, 9, 200)
    loss = 10 - 0.5 * tokens - 0.4 * size
    accuracy = 1 / (1 + np.exp(loss - 2)) + 0.003 * generator.standard_normal(200)
    view = loss_view(accuracy, {"loss": loss, "tokens": tokens, "compute": tokens + size})
    assert view.collapses
    assert view.residual["loss"] == pytest.approx(0.003, rel=0.2)


PYTHIA = "pythia-evals-by-size-and-step.csv.gz"


@pytest.fixture
def pythia(published):
    return read_results(published(PYTHIA), where=["shots=0"])


def test_lambada_emerges_by_its_metric_alone(pythia):
    """Zero at step 512 and not at step 1000 for every size, while perplexity falls all along."""
    found = judge_task("lambada_openai", pythia.curves("lambada_openai", "tokens"), 0.0)
    assert found.verdict == "metric-sharp"
    assert set(found.shares) == {"metric-sharp"}
    assert len(found.each) == 8
    for verdict in found.each.values():
        assert 10 ** np.array(verdict.appears) == pytest.approx([1.07e9, 2.10e9], rel=0.01)
        assert 4.4e9 < 10**verdict.logistic.middle < 7.8e9  # asked 4.5 to 7.7; reached 4.47 to 7.67
        assert 0.70 < verdict.logistic.width < 0.95  # asked .71 to .94; reached .707 to .939
        assert 0.2 < verdict.continuous_before < 0.35
    after = [verdict.logistic.high for verdict in found.each.values()]
    assert (min(after), max(after)) == (  # asked .22 and .67
        pytest.approx(0.22, abs=0.01),
        pytest.approx(0.67, abs=0.01),
    )
    assert any("bracketed" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("task", "loss", "tokens", "compute"),
    [
        ("sciq", 0.014, 0.072, 0.097),
        ("arc_easy", 0.012, 0.072, 0.034),
        ("piqa", 0.0075, 0.040, 0.019),
        ("lambada_openai", 0.005, 0.116, 0.066),
        ("winogrande", 0.013, 0.030, 0.010),
        ("logiqa", 0.012, 0.012, 0.012),
    ],
)
def test_sizes_fall_on_one_curve_over_their_own_loss(published, task, loss, tokens, compute):
    """Spread about a quintic, of the seven sizes that were asked about."""
    results = read_results(published(PYTHIA), where=["shots=0"])
    rows = [row for row in results.by_task[task] if row.series != "pythia-1b-bf16"]
    seven = type(results)({task: tuple(rows)}, results.loss, results.loss_is)
    view = loss_view(*seven.aligned(task))
    assert view.residual["loss"] == pytest.approx(loss, abs=0.0006)
    assert view.residual["tokens"] == pytest.approx(tokens, abs=0.001)
    assert view.residual["compute"] == pytest.approx(compute, abs=0.0011)
    assert view.collapses == (task in {"sciq", "arc_easy", "piqa", "lambada_openai"})


def test_pythia_through_the_command_line(published, capsys, tmp_path):
    path = str(published(PYTHIA))
    assert main(["scale", "emergence", "--table", path]) == 2
    assert "--where shots=0" in capsys.readouterr().err
    arguments = ["scale", "emergence", "--table", path, "--where", "shots=0"]
    assert main([*arguments, "--bootstrap", "20", "--to", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "verdict: metric-sharp" in shown
    assert "sizes fall on one curve" in shown
    assert (tmp_path / "figures" / "lambada_openai_over_tokens.svg").is_file()
    assert (tmp_path / "figures" / "lambada_openai_over_loss.png").is_file()


def write_table(path, curves, *, task="made", metric="log_prob"):
    lines = [f"model,params,tokens,task,accuracy,{metric}"]
    for number, made_curve in enumerate(curves):
        for x, accuracy, log_p in zip(
            made_curve.x, made_curve.accuracy, made_curve.continuous, strict=True
        ):
            value = np.exp(-log_p) if metric == "ppl" else log_p
            lines.append(f"m{number},{10**number},{10**x},{task},{accuracy},{value}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("metric", ["log_prob", "ppl"])
def test_json_of_your_own_table(tmp_path, capsys, metric):
    path = write_table(tmp_path / "mine.csv", made("sharp"), metric=metric)
    arguments = ["scale", "emergence", "--table", str(path), "--chance", "0", "--json"]
    assert main([*arguments, "--bootstrap", "20"]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert result["verdict"] == "sharp"
    assert 10**9.3 < result["threshold"]["low"] <= result["threshold"]["high"] < 10**9.7


def test_ability_over_size_is_one_curve(tmp_path):
    rows = ["model,params,tokens,task,accuracy,log_prob"]
    for n in range(6):
        rows += [f"m{n},{10 ** (6 + n)},{t},made,{min(0.1 * n, 1)},-{6 - n}" for t in (1e9, 2e9)]
    path = tmp_path / "sizes.csv"
    path.write_text("\n".join(rows), encoding="utf-8")
    (one,) = read_results(path).curves("made", "params")
    assert one.x == pytest.approx(range(6, 12))


def test_what_is_missing_is_named(tmp_path, capsys):
    path = write_table(tmp_path / "mine.csv", made("sharp"))
    assert main(["scale", "emergence", "--table", str(path)]) == 2
    assert "--chance" in capsys.readouterr().err
    assert main(["scale", "emergence", "--table", str(path), "--task", "other"]) == 2
    assert main(["scale", "emergence", "--table", str(path), "--chance", "0", "--task", "x"]) == 2
    assert "no task 'x'" in capsys.readouterr().err
    (tmp_path / "bad.csv").write_text("model,tokens\na,1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="no column for params"):
        read_results(tmp_path / "bad.csv")
    (tmp_path / "empty.csv").write_text(
        "model,params,tokens,task,acc\na,1,1,t,\n", encoding="utf-8"
    )
    with pytest.raises(DataError, match="no results"):
        read_results(tmp_path / "empty.csv")
    (tmp_path / "plain.csv").write_text(
        "model,params,tokens,task,acc\na,1,1,t,0.5\n", encoding="utf-8"
    )
    assert main(["scale", "emergence", "--table", str(tmp_path / "plain.csv")]) == 2
    assert "has a continuous metric" in capsys.readouterr().err
