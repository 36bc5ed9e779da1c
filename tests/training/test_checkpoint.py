"""Checkpoints: whole or not at all, verified, and enough to go on exactly."""

import json

import pytest
import torch

from groundup.core.errors import CorruptArtifact
from groundup.model.config import ModelConfig
from groundup.model.transformer import Transformer
from groundup.training import checkpoint
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


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.safetensors"])
@pytest.mark.parametrize("place", [8, -1])
def test_a_flipped_byte_is_found_and_the_hint_leads_on(new_run, file, place):
    out = new_run()
    checkpoint.save(out, 1, *small())
    folder = checkpoint.save(out, 2, *small())
    content = bytearray((folder / file).read_bytes())
    content[place] ^= 1
    (folder / file).write_bytes(content)
    with pytest.raises(CorruptArtifact) as caught:
        checkpoint.load_latest(out, *small())
    assert str(folder / file) in caught.value.message
    assert f"rm -r {folder}" in caught.value.hint
    for part in folder.iterdir():
        part.unlink()
    folder.rmdir()  # what the hint says
    assert checkpoint.load_latest(out, *small()).step == 1


def damage_missing(folder):
    (folder / "optimizer.safetensors").unlink()


def damage_cut(folder):
    path = folder / "state.json"
    path.write_text(path.read_text()[:-20])


def damage_version(folder):
    path = folder / "state.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 99}))


@pytest.mark.parametrize("damage", [damage_missing, damage_cut, damage_version])
def test_a_damaged_folder_is_refused(new_run, damage):
    out = new_run()
    damage(checkpoint.save(out, 1, *small()))
    with pytest.raises(CorruptArtifact):
        checkpoint.load_latest(out, *small())


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
