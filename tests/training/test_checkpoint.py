"""Checkpoints: whole or not at all, verified, and enough to go on exactly."""

import json
import shutil

import pytest
import torch

from groundup.core.errors import CorruptArtifact
from groundup.model.config import ModelConfig
from groundup.model.transformer import Transformer
from groundup.training import checkpoint, parts
from groundup.training.config import AdamWConfig, MuonConfig
from groundup.training.optimizer import build


def small(seed=0, *, d_model=16, tied=True, config=None):
    shape = ModelConfig(
        n_layers=1, d_model=d_model, n_heads=2, context_length=8, vocab_size=32, tied=tied
    )
    model = Transformer(shape, seed=seed)
    return model, build(model, config or MuonConfig())


def learn(model, optimizer, steps):
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        ids = torch.randint(0, 32, (4, 9), generator=generator)
        model.loss(ids[:, :-1], ids[:, 1:]).backward()
        optimizer.step(1.0 / (step + 1))
        optimizer.zero_grad()


def weights_of(model):
    return {name: value.detach().clone() for name, value in model.named_parameters()}


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("config", [MuonConfig(), AdamWConfig()])
def test_a_loaded_checkpoint_learns_on_bit_for_bit(new_run, tied, config):
    out = new_run()
    model, optimizer = small(1, tied=tied, config=config)
    learn(model, optimizer, range(3))
    checkpoint.save(out, 3, model, optimizer, {"tokens": 12})
    learn(model, optimizer, range(3, 6))

    other, other_optimizer = small(2, tied=tied, config=config)
    found = checkpoint.load_latest(out, other, other_optimizer)
    assert (found.step, found.state) == (3, {"tokens": 12})
    learn(other, other_optimizer, range(3, 6))
    expected = weights_of(model)
    assert all(torch.equal(value, expected[name]) for name, value in weights_of(other).items())
    moments = optimizer.tensors()
    assert moments.keys() == other_optimizer.tensors().keys()
    for name, value in other_optimizer.tensors().items():
        assert torch.equal(value, moments[name]), name


def test_there_is_nothing_to_load_at_first(new_run):
    assert checkpoint.load_latest(new_run(), *small()) is None


def test_only_the_last_ones_are_kept(new_run):
    out = new_run()
    for step in (9, 10, 100_000, 1_000_000):
        checkpoint.save(out, step, *small(), keep=2)
    names = sorted(path.name for path in (out.path / "checkpoints").iterdir())
    assert names == ["step_100000", "step_1000000"]
    assert checkpoint.load_latest(out, *small()).step == 1_000_000
    checkpoint.drop_all(out, keep=1)
    assert [path.name for path in (out.path / "checkpoints").iterdir()] == ["step_1000000"]
    checkpoint.drop_all(out)
    checkpoint.drop_all(out)
    assert not (out.path / "checkpoints").exists()


def flip(path, place=8):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def damage_missing(folder):
    (folder / "optimizer.safetensors").unlink()


def damage_cut(folder):
    path = folder / "state.json"
    path.write_text(path.read_text()[:-20])


def damage_version(folder):
    path = folder / "state.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 99}))


def damage_half_written(folder):
    (folder / "state.json").unlink()


DAMAGES = {
    "first byte of the weights": lambda folder: flip(folder / "model.safetensors"),
    "last byte of the moments": lambda folder: flip(folder / "optimizer.safetensors", -1),
    "missing": damage_missing,
    "cut": damage_cut,
    "version": damage_version,
    "half written": damage_half_written,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(new_run, caplog, damage):
    out = new_run()
    model, optimizer = small(seed=1)
    checkpoint.save(out, 1, model, optimizer)
    newest = checkpoint.save(out, 2, *small(seed=2))
    DAMAGES[damage](newest)
    other, other_optimizer = small(seed=3)
    assert checkpoint.load_latest(out, other, other_optimizer).step == 1
    expected = weights_of(model)
    assert all(torch.equal(value, expected[name]) for name, value in weights_of(other).items())
    assert f"passing over checkpoint {newest}" in caplog.text
    # It no longer counts among those to keep, and goes with the others.
    assert not newest.exists()
    assert (out.path / "checkpoints/step_000002.damaged").exists()
    checkpoint.save(out, 2, *small(), keep=1)
    assert checkpoint.load_latest(out, *small()).step == 2
    checkpoint.drop_all(out)
    assert not (out.path / "checkpoints").exists()


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_to_all_of_them_is_an_error_whose_hint_leads_on(new_run, damage):
    out = new_run()
    for step in (1, 2):
        DAMAGES[damage](checkpoint.save(out, step, *small(), keep=3))
    with pytest.raises(CorruptArtifact, match="no checkpoint can be used") as caught:
        checkpoint.load_latest(out, *small())
    assert str(out.path / "checkpoints/step_000002") in caught.value.message
    shutil.rmtree(out.path / "checkpoints")  # what the hint says
    assert f"rm -r {out.path / 'checkpoints'}" in caught.value.hint
    assert checkpoint.load_latest(out, *small()) is None


def test_a_folder_that_a_killed_process_left_half_written_is_not_looked_at(new_run):
    out = new_run()
    checkpoint.save(out, 1, *small())
    left = out.path / "checkpoints/step_000002.saving.partial"
    left.mkdir()
    (left / "model.safetensors").write_bytes(b"half")
    assert checkpoint.load_latest(out, *small()).step == 1
    checkpoint.save(out, 2, *small())
    assert checkpoint.load_latest(out, *small()).step == 2


def test_multiples_of_keep_every_steps_stay_for_good(new_run):
    out = new_run()
    for step in range(1, 9):
        pending = checkpoint.begin(out, step, *small())
        pending.publish(keep=1, keep_every_steps=3)
    names = sorted(path.name for path in (out.path / "checkpoints").iterdir())
    assert names == ["step_000003", "step_000006", "step_000008"]
    checkpoint.drop_all(out, keep_every_steps=3)
    names = sorted(path.name for path in (out.path / "checkpoints").iterdir())
    assert names == ["step_000003", "step_000006"]


def test_a_background_save_holds_the_state_of_the_moment_it_began(new_run):
    out = new_run()
    model, optimizer = small(seed=1)
    learn(model, optimizer, range(2))
    expected, moments = weights_of(model), optimizer.tensors()
    moments = {name: value.clone() for name, value in moments.items()}
    pending = checkpoint.begin(out, 2, model, optimizer, background=True)
    learn(model, optimizer, range(2, 5))
    assert checkpoint.load_latest(out, *small()) is None  # not published yet
    pending.publish(keep=2, keep_every_steps=None)
    other, other_optimizer = small(seed=2)
    checkpoint.load_latest(out, other, other_optimizer)
    assert all(torch.equal(value, expected[name]) for name, value in weights_of(other).items())
    for name, value in other_optimizer.tensors().items():
        assert torch.equal(value, moments[name]), name


def test_a_failure_in_the_background_is_raised_when_the_files_are_needed(new_run, monkeypatch):
    def full(tensors, path):
        raise OSError(28, "No space left on device", str(path))

    out = new_run()
    monkeypatch.setattr(parts, "write", full)
    pending = checkpoint.begin(out, 1, *small(), background=True)
    with pytest.raises(OSError, match="No space"):
        pending.publish(keep=2, keep_every_steps=None)
    assert list((out.path / "checkpoints").iterdir()) == []


def test_weights_of_another_shape_are_refused_before_anything_changes(new_run):
    out = new_run()
    checkpoint.save(out, 1, *small(d_model=8))
    model, optimizer = small(d_model=16)
    before = weights_of(model)
    with pytest.raises(CorruptArtifact, match="another shape"):
        checkpoint.load_latest(out, model, optimizer)
    assert all(torch.equal(value, before[name]) for name, value in weights_of(model).items())


def test_a_failure_while_saving_leaves_the_checkpoint_before(new_run):
    out = new_run()
    checkpoint.save(out, 1, *small())
    with pytest.raises(TypeError):
        checkpoint.save(out, 2, *small(), {"not": object()})
    assert [path.name for path in (out.path / "checkpoints").iterdir()] == ["step_000001"]


def test_saving_a_step_again_replaces_it(new_run):
    out = new_run()
    checkpoint.save(out, 1, *small(), {"which": "first"})
    checkpoint.save(out, 1, *small(), {"which": "second"})
    assert checkpoint.load_latest(out, *small()).state == {"which": "second"}
