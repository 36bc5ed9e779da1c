"""Several ranks train as one process does: same losses, same gradient norms, same measurements."""

import json

import pytest
from rank_work import Ranks, run_directory, steps, write_recipe

from groundup.training.config import AdamWConfig, MuonConfig

RELATIVE = 1e-5  # float32 sums in another order, over 20 steps

OPTIMIZERS = {"adamw": AdamWConfig(), "muon": MuonConfig(clip_norm=1.0)}


@pytest.fixture(scope="module")
def alone(tmp_path_factory, tokens, config):
    """Optimizer to the folder of a run in one process."""
    folders = {}
    for name, optimizer in OPTIMIZERS.items():
        folder = folders[name] = tmp_path_factory.mktemp(f"alone-{name}")
        recipe = write_recipe(folder, tokens, config, optimizer=optimizer)
        ranks = Ranks(1, folder, recipe)
        assert ranks.finish() == [0], ranks.said()
    return folders


@pytest.mark.parametrize("kind", ["fsdp", "ddp"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_two_ranks_train_as_one_process_does(tmp_path, tokens, config, alone, kind, optimizer):
    recipe = write_recipe(tmp_path, tokens, config, optimizer=OPTIMIZERS[optimizer])
    ranks = Ranks(2, tmp_path, recipe, "--parallel", kind, "--micro-batch-tokens", 64)
    assert ranks.finish() == [0, 0], ranks.said()
    expected, found = steps(alone[optimizer]), steps(tmp_path)
    assert list(found) == list(expected) == list(range(1, 21))
    for step in expected:
        assert found[step][:2] == pytest.approx(expected[step][:2], rel=RELATIVE), step
    assert steps(tmp_path, rank=1).keys() == found.keys()
    bits = [
        json.loads((run_directory(folder) / "result.json").read_text())["validation_bits_per_byte"]
        for folder in (alone[optimizer], tmp_path)
    ]
    assert bits[1] == pytest.approx(bits[0], abs=2e-5)  # written with five decimals
    assert ranks.said()[1] == ""  # rank 0 alone logs


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fsdp", "ddp"])
def test_rows_that_do_not_divide_are_shared_unevenly(tmp_path, tokens, config, alone, kind):
    """Eight rows on three ranks are 3, 3 and 2, in micro-batches of one row."""
    recipe = write_recipe(tmp_path, tokens, config, optimizer=OPTIMIZERS["muon"])
    ranks = Ranks(3, tmp_path, recipe, "--parallel", kind, "--micro-batch-tokens", 32)
    assert ranks.finish() == [0, 0, 0], ranks.said()
    expected = steps(alone["muon"])
    for step, found in steps(tmp_path).items():
        assert found[:2] == pytest.approx(expected[step][:2], rel=RELATIVE), step
