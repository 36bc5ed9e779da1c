"""A run whose loss explodes goes back, and equals itself when it is interrupted as well."""

import json

import pytest
import torch
from safetensors.torch import load_file

from groundup.core.artifact import Manifest, RunDir, digest_file
from groundup.core.errors import NumericalError
from groundup.core.metrics import read_metrics
from groundup.core.seeds import derive
from groundup.training import checkpoint
from groundup.training import run as stage
from groundup.training.config import SafetyConfig
from groundup.training.session import Session

BAD_BATCHES = range(44, 48)
FINAL = (
    "model/model.safetensors",
    "checkpoints/step_000070/optimizer.safetensors",
    "samples.jsonl",
)


@pytest.fixture(scope="module")
def watched(config):
    """Seventy steps, and a state to go back to every ten."""
    return config.model_copy(
        update={
            "budget_tokens": 70 * 256,
            "keep_optimizer": True,
            "safety": SafetyConfig(
                window_steps=16, spike_steps=2, snapshot_every_steps=10, max_interventions=2
            ),
        }
    )


@pytest.fixture
def poison(monkeypatch):
    """Makes some batches teach the opposite, or give NaN; told by their rows, not by their step."""

    def spoil(batches, kind="reversed"):
        clean_loss_fn = Session._loss_fn

        def spoiled_loss_fn(session):
            loss_fn = clean_loss_fn(session)
            seed = derive(session.config.seed, "pretrain/rows")
            bad = {bytes(row) for n in batches for row in session.rows.batch(seed, n, 8)[:, :-1]}

            def loss(ids, targets):
                found = loss_fn(ids, targets)
                if bytes(ids[0].numpy()) not in bad:
                    return found
                if kind == "nan":
                    return found * torch.nan
                return 30 * (found.detach() - found) + found.detach()

            return loss

        monkeypatch.setattr(Session, "_loss_fn", spoiled_loss_fn)

    return spoil


class Killed(BaseException):
    """Ends a run as `kill -9` would: nothing is tidied."""


def train(folder, tokens, config, *, kill_at=None):
    out = RunDir(folder, Manifest(stage="pretrain", stage_version=1, name="p", key="1" * 12), "")
    log = out.metrics.log

    def note(step, **values):
        log(step, **values)
        if step == kill_at and "train__loss_nats" in values:
            raise Killed

    out.metrics.log = note
    try:
        stage.run(config, {"tokens": tokens}, out)
    except BaseException:
        out.abandon()
        raise
    out.complete()
    return json.loads((folder / "result.json").read_text())


def test_a_healthy_run_is_left_alone(tmp_path, tokens, watched):
    off = watched.model_copy(update={"safety": SafetyConfig(max_interventions=0)})
    assert train(tmp_path / "on", tokens, watched)["skipped_batches"] == []
    train(tmp_path / "off", tokens, off)
    for name in FINAL:
        assert digest_file(tmp_path / "on" / name) == digest_file(tmp_path / "off" / name), name


def test_after_a_spike_the_run_goes_back_and_leaves_those_batches_out(
    tmp_path, tokens, watched, poison, caplog
):
    poison(BAD_BATCHES)
    with caplog.at_level("WARNING"):
        result = train(tmp_path / "run", tokens, watched)
    ((first, last),) = result["skipped_batches"]
    assert first in (30, 40)  # a state to go back to
    assert first <= BAD_BATCHES[0]
    assert BAD_BATCHES[0] < last <= BAD_BATCHES[-1] + 8
    assert f"back to step {first}, without batches {first} to {last} (" in caplog.text
    rows = list(read_metrics(tmp_path / "run/metrics.jsonl"))
    (note,) = [row for row in rows if "safety/interventions" in row]
    assert (note["step"], note["safety/skipped_batches"]) == (first, last - first + 1)
    losses = {row["step"]: row["train/loss_nats"] for row in rows if "train/loss_nats" in row}
    assert losses[70] < losses[first] + 0.2
    assert result["tokens"] == watched.budget_tokens


@pytest.mark.parametrize("kill_at", [36, 44, 56])
def test_an_interrupted_rescue_ends_with_the_same_bits(tmp_path, tokens, watched, poison, kill_at):
    poison(BAD_BATCHES)
    whole = train(tmp_path / "whole", tokens, watched)
    often = watched.model_copy(update={"checkpoint_every_s": 1e-9})
    with pytest.raises(Killed):
        train(tmp_path / "cut", tokens, often, kill_at=kill_at)
    cut = train(tmp_path / "cut", tokens, often)
    assert cut["skipped_batches"] == whole["skipped_batches"] != []
    for name in FINAL:
        assert digest_file(tmp_path / "cut" / name) == digest_file(tmp_path / "whole" / name), name


def test_one_batch_of_nan_costs_that_batch(tmp_path, tokens, watched, poison):
    poison([5], kind="nan")
    assert train(tmp_path / "run", tokens, watched)["skipped_batches"] == [[5, 5]]
    for value in load_file(tmp_path / "run" / FINAL[0]).values():
        assert value.isfinite().all()


def test_help_is_bounded_and_the_checkpoint_from_before_stays(tmp_path, tokens, watched, poison):
    poison(range(25, 500), kind="nan")
    with pytest.raises(NumericalError) as caught:
        train(tmp_path / "run", tokens, watched)
    assert "after 2 interventions" in caught.value.message
    assert "lower the learning rates" in caught.value.hint
    out = RunDir(
        tmp_path / "run", Manifest(stage="pretrain", stage_version=1, name="p", key="1" * 12), ""
    )
    assert checkpoint.steps(out)[0] in (10, 20)


def test_without_a_state_to_go_back_to_it_says_so_at_once(tmp_path, tokens, watched, poison):
    poison(range(500), kind="nan")
    with pytest.raises(NumericalError, match="at step 0 after 1 interventions"):
        train(tmp_path / "run", tokens, watched)
