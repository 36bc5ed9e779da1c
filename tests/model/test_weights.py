import json

import pytest
import torch
from model_cases import CASES, lively, random_ids, small_config
from safetensors.torch import load_file, save_file

from groundup.core.errors import CorruptArtifact, MissingArtifact
from groundup.model import weights


@pytest.mark.parametrize("case", CASES)
def test_a_saved_model_comes_back_bit_for_bit(case, tmp_path):
    model = lively(small_config(**CASES[case]))
    weights.save(model, tmp_path / "model")
    again = weights.load(tmp_path / "model")
    assert again.config == model.config
    assert not again.training
    again.compute_dtype = torch.float32
    ids = random_ids(model.config, 2, 9)
    assert torch.equal(again(ids), model(ids))
    assert (again.head.weight is again.embedding.weight) == model.config.tied
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        "config.json",
        "model.safetensors",
    ]


def test_saving_again_replaces_and_gives_equal_bytes(tmp_path):
    model = lively(small_config())
    weights.save(model, tmp_path)
    first = (tmp_path / weights.WEIGHTS_FILE).read_bytes()
    weights.save(model, tmp_path)
    assert (tmp_path / weights.WEIGHTS_FILE).read_bytes() == first


@pytest.fixture
def folder(tmp_path):
    weights.save(lively(small_config()), tmp_path)
    return tmp_path


def _change_tensors(folder, change):
    tensors = load_file(folder / weights.WEIGHTS_FILE)
    change(tensors)
    save_file(tensors, folder / weights.WEIGHTS_FILE)


def test_a_missing_tensor_is_named(folder):
    _change_tensors(folder, lambda tensors: tensors.pop("final_norm.bias"))
    with pytest.raises(CorruptArtifact, match=r"lacks final_norm\.bias \(1 such"):
        weights.load(folder)


def test_an_unknown_tensor_is_named(folder):
    _change_tensors(folder, lambda tensors: tensors.update(extra=torch.ones(1)))
    with pytest.raises(CorruptArtifact, match="unknown tensor extra"):
        weights.load(folder)


def test_a_tensor_of_another_shape_is_named(folder):
    _change_tensors(folder, lambda t: t.update({"embedding.weight": torch.ones(3, 16)}))
    with pytest.raises(CorruptArtifact, match=r"embedding\.weight is \(3, 16\).*\(37, 16\)"):
        weights.load(folder)


def test_cut_weights_are_damaged(folder):
    path = folder / weights.WEIGHTS_FILE
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(CorruptArtifact, match="is damaged"):
        weights.load(folder)


def test_missing_files_are_named(folder):
    (folder / weights.WEIGHTS_FILE).unlink()
    with pytest.raises(MissingArtifact, match=r"model\.safetensors"):
        weights.load(folder)
    (folder / weights.CONFIG_FILE).unlink()
    with pytest.raises(MissingArtifact, match=r"config\.json"):
        weights.load(folder)


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "{}", json.dumps({"format": "groundup-transformer-1", "vocab_size": 0})],
)
def test_a_damaged_config_is_refused(folder, text):
    (folder / weights.CONFIG_FILE).write_text(text)
    with pytest.raises(CorruptArtifact, match="does not describe a model"):
        weights.load(folder)


def test_a_later_format_is_refused(folder):
    path = folder / weights.CONFIG_FILE
    path.write_text(path.read_text().replace("transformer-1", "transformer-9"))
    with pytest.raises(CorruptArtifact, match="transformer-9"):
        weights.load(folder)
