"""Ranks that are stopped, killed, or more or fewer than before: the run goes on, and ends alike."""

import json
import signal
import time

import pytest
import torch
from rank_work import Ranks, run_directory, steps, write_recipe
from safetensors.torch import load_file

from groundup.core.metrics import read_metrics

# |a - b| / |a| of a weight after 20 steps in float32: sums over ranks are taken in another order.
DISTANCE = 1e-4


def weights(folder):
    return load_file(run_directory(folder) / "model" / "model.safetensors")


def distance(left, right):
    return max(float((left[n] - right[n]).norm() / left[n].norm()) for n in left)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory, tokens, config):
    return write_recipe(tmp_path_factory.mktemp("recipe"), tokens, config)


@pytest.fixture(scope="module")
def alone(tmp_path_factory, recipe):
    folder = tmp_path_factory.mktemp("alone")
    ranks = Ranks(1, folder, recipe)
    assert ranks.finish() == [0], ranks.said()
    return folder


def shards(folder):
    """Names of the files of the newest checkpoint."""
    newest = sorted((run_directory(folder) / "checkpoints").iterdir())[-1]
    return newest.name, sorted(path.name for path in newest.iterdir())


def test_a_signal_to_one_rank_saves_on_all_and_another_number_goes_on(tmp_path, recipe, alone):
    ranks = Ranks(2, tmp_path, recipe, "--parallel", "fsdp", stop=(1, "step", 9, signal.SIGTERM))
    assert ranks.finish() == [130, 130]
    assert sum("stopped by SIGTERM, state saved" in text for text in ranks.said()) == 1
    parts = [
        f"{kind}-0000{n}-of-00002.safetensors" for kind in ("model", "optimizer") for n in (1, 2)
    ]
    assert shards(tmp_path) == ("step_000009", [*parts, "state.json"])
    ranks = Ranks(1, tmp_path, recipe)
    assert ranks.finish() == [0], ranks.said()
    assert "going on after step 9" in ranks.said()[0]
    assert distance(weights(alone), weights(tmp_path)) < DISTANCE
    assert list(steps(tmp_path)) == list(range(1, 21))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fsdp", "ddp"])
def test_one_then_four_then_two_ranks_end_like_one(tmp_path, recipe, alone, kind):
    ranks = Ranks(1, tmp_path, recipe, stop=(0, "step", 6, signal.SIGTERM))
    assert ranks.finish() == [130]
    ranks = Ranks(4, tmp_path, recipe, "--parallel", kind, stop=(2, "step", 12, signal.SIGINT))
    assert ranks.finish() == [130] * 4
    ranks = Ranks(2, tmp_path, recipe, "--parallel", kind)
    assert ranks.finish() == [0, 0], ranks.said()
    assert distance(weights(alone), weights(tmp_path)) < DISTANCE


@pytest.mark.parametrize("kind", ["fsdp", "ddp"])
def test_a_killed_rank_ends_the_other_and_the_same_command_goes_on(tmp_path, recipe, alone, kind):
    often = ("--parallel", kind, "--checkpoint-every-s", 1e-3)
    ranks = Ranks(2, tmp_path, recipe, *often, stop=(1, "step", 12, signal.SIGKILL))
    codes = ranks.finish()
    assert codes == [1, -signal.SIGKILL]
    killed_at_s = steps(tmp_path, rank=1)[12][2]
    assert time.time() - killed_at_s < 60.0  # a few seconds when the machine is free
    assert "rank 1 has gone" in ranks.said()[0] or "rank 0 lost the others" in ranks.said()[0]
    ranks = Ranks(2, tmp_path, recipe, *often)
    assert ranks.finish() == [0, 0], ranks.said()
    assert "going on after step" in ranks.said()[0]
    assert distance(weights(alone), weights(tmp_path)) < DISTANCE


def test_rank_0_may_be_the_one_that_is_killed(tmp_path, recipe):
    ranks = Ranks(2, tmp_path, recipe, stop=(0, "step", 12, signal.SIGKILL))
    assert ranks.finish() == [-signal.SIGKILL, 1]
    assert "has gone" in ranks.said()[1]
    assert "Traceback" not in ranks.said()[1]


@pytest.mark.parametrize("n_ranks", [1, 2])
def test_a_signal_while_measuring_saves_and_the_next_process_measures(
    tmp_path, recipe, alone, n_ranks
):
    last = n_ranks - 1
    ranks = Ranks(n_ranks, tmp_path, recipe, stop=(last, "measure", 8, signal.SIGTERM))
    assert ranks.finish() == [130] * n_ranks
    assert shards(tmp_path)[0] == "step_000008"
    measured = run_directory(tmp_path) / "metrics.jsonl"
    assert [r["step"] for r in read_metrics(measured) if "validation/loss_nats" in r] == [0]
    ranks = Ranks(n_ranks, tmp_path, recipe)
    assert ranks.finish() == [0] * n_ranks, ranks.said()
    expected, found = (
        {
            row["step"]: row["validation/bits_per_byte"]
            for row in read_metrics(path)
            if len(row) == 4
        }
        for path in (run_directory(alone) / "metrics.jsonl", measured)
    )
    assert list(found) == [0, 8, 16, 20]
    assert found == pytest.approx(expected, abs=1e-3)
    if n_ranks == 1:
        assert all(torch.equal(v, weights(tmp_path)[n]) for n, v in weights(alone).items())


def test_more_ranks_than_rows_is_one_sentence(tmp_path, tokens, config):
    small = write_recipe(tmp_path, tokens, config, batch_tokens=32, micro_batch_tokens=None)
    ranks = Ranks(2, tmp_path, small)
    assert ranks.finish() == [2, 2]
    said = [text for text in ranks.said() if "error:" in text]
    assert len(said) == 1
    assert "2 ranks, but a batch has 1 rows" in said[0]
    assert "start at most 1 ranks" in said[0]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_where_none_is_ends_all_ranks_with_one_sentence(tmp_path, recipe):
    ranks = Ranks(2, tmp_path, recipe, "--device", "cuda")
    assert ranks.finish() == [2, 2]
    said = [text for text in ranks.said() if "error:" in text]
    assert len(said) == 1
    assert "PyTorch sees 0 GPUs" in said[0]


def test_half_of_the_variables_of_torchrun_is_one_sentence(tmp_path, recipe):
    ranks = Ranks(2, tmp_path, recipe, missing=("MASTER_PORT", "LOCAL_RANK"))
    assert ranks.finish() == [2, 2]
    assert "LOCAL_RANK and MASTER_PORT are not" in ranks.said()[0]


def test_inputs_are_built_by_rank_0_alone(tmp_path, recipe):
    ranks = Ranks(2, tmp_path, recipe)
    assert ranks.finish() == [0, 0], ranks.said()
    manifest = json.loads((run_directory(tmp_path) / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert not any("checkpoints" in output["path"] for output in manifest["outputs"])
    ranks = Ranks(2, tmp_path, recipe)  # reuses it
    assert ranks.finish() == [0, 0], ranks.said()
    assert "reuse" in ranks.said()[0]
