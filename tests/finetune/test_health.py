import json

import pytest

from groundup.finetune.health import grpo_findings, save, sft_findings

GOOD_SFT = {"first_loss": 3.0, "last_loss": 1.0, "train_loss": 0.9, "stop_fraction": 1.0}
GOOD_RL = {
    "reward": (0.4, 0.7),
    "stop_fraction": 1.0,
    "entropy": (0.5, 0.4),
    "answer_tokens": (10.0, 8.0),
    "no_signal_fraction": 0.3,
    "kl_nats": 0.05,
}


def bad(findings):
    return [finding.name for finding in findings if not finding.good]


def test_good_runs_have_no_bad_line():
    assert bad(sft_findings(**GOOD_SFT)) == []
    assert bad(grpo_findings(**GOOD_RL)) == []


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"first_loss": 1.02}, "learned"),
        ({"train_loss": 0.3}, "overfit"),
        ({"stop_fraction": 0.5}, "stops"),
    ],
)
def test_what_goes_wrong_in_sft_is_named(change, name):
    assert bad(sft_findings(**{**GOOD_SFT, **change})) == [name]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"reward": (0.4, 0.4)}, "reward"),
        ({"stop_fraction": 0.5}, "stops"),
        ({"entropy": (0.5, 0.01)}, "variety"),
        ({"answer_tokens": (10.0, 30.0)}, "length"),
        ({"no_signal_fraction": 0.95}, "signal"),
        ({"kl_nats": 2.0}, "distance"),
    ],
)
def test_what_goes_wrong_in_rl_is_named(change, name):
    assert bad(grpo_findings(**{**GOOD_RL, **change})) == [name]


def test_what_was_not_measured_is_not_judged():
    names = [finding.name for finding in grpo_findings(**{**GOOD_RL, "kl_nats": None})]
    assert "distance" not in names
    assert len(sft_findings(**{**GOOD_SFT, "stop_fraction": None})) == 2


def test_findings_are_saved(new_run):
    out = new_run("sft")
    save(sft_findings(**GOOD_SFT), out)
    rows = json.loads((out.path / "health.json").read_text())
    assert rows[0]["says"] == "validation loss went from 3.000 to 1.000 nats per answer token"
