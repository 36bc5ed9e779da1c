import json

import pytest
import torch
from safetensors.torch import load_file

from groundup.cli.main import main
from groundup.core.artifact import Artifact, Manifest, RunDir
from groundup.model.config import ModelConfig
from groundup.model.transformer import Transformer
from groundup.tokens.tokenizer import Tokenizer
from groundup.training.publish import publish_model


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a finished run of a tiny model."""
    monkeypatch.chdir(tmp_path)
    tokenizer = Tokenizer([bytes([value]) for value in range(256)])
    config = ModelConfig(
        n_layers=1, d_model=16, n_heads=2, context_length=64, position="rope", tied=False,
        vocab_size=tokenizer.vocab_size,
    )  # fmt: skip
    out = RunDir(
        tmp_path / "runs" / "sft" / "tiny-0",
        Manifest(stage="sft", stage_version=1, name="tiny", key="0" * 12),
        "",
    )
    publish_model(out, Transformer(config, seed=1), tokenizer)
    out.complete()
    return tmp_path


def test_a_model_goes_out_and_comes_in_again(here, capsys):
    assert main(["export", "runs/sft/tiny-0", "--to", "hf", "--no-proof"]) == 0
    assert "was made with `--no-proof`" in (here / "hf" / "README.md").read_text()
    assert main(["import", "hf", "--dry-run"]) == 0
    assert 'stage = "import"' in capsys.readouterr().out
    assert main(["import", "hf"]) == 0
    run = Artifact.open(here / capsys.readouterr().out.strip(), stage="import")
    assert run.path.name == f"hf-{run.key}"
    before = load_file(here / "runs" / "sft" / "tiny-0" / "model" / "model.safetensors")
    after = load_file(run.file("model/model.safetensors"))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)

    assert main(["import", "hf"]) == 0  # the same bytes: nothing to do
    assert Artifact.open(here / capsys.readouterr().out.strip()).manifest == run.manifest
    assert main(["chat", str(run.path), "--prompt", "Hi", "--max-tokens", "3"]) == 0
    assert main(["lineage", str(run.path)]) == 0
    assert "import hf-" in capsys.readouterr().out


def test_an_import_may_be_a_recipe(here, capsys):
    assert main(["export", "runs/sft/tiny-0", "--to", "hf", "--no-proof"]) == 0
    (here / "base.toml").write_text('stage = "import"\n# A model.\nfolder = "hf"\nname = "base"\n')
    assert main(["import", "base.toml", "--dry-run"]) == 0
    assert "base-" in capsys.readouterr().out


def test_bad_input_is_one_sentence_and_a_hint(here, capsys):
    assert main(["import", "nowhere"]) == 2
    assert "there is no" in capsys.readouterr().err
    assert main(["export", "runs/sft/tiny-0", "--to", "runs"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["export", "nowhere", "--to", "x"]) == 2
    assert "is not a run directory" in capsys.readouterr().err
    (here / "hf").mkdir()
    (here / "hf" / "config.json").write_text(json.dumps({"architectures": ["BertModel"]}))
    (here / "hf" / "pytorch_model.bin").write_bytes(b"")
    assert main(["import", "hf"]) == 2
    assert "is a pickle" in capsys.readouterr().err


def test_every_stage_that_makes_a_model_is_served():
    from groundup.cli.transfer import MODEL_STAGES
    from groundup.serve.models import ALIASES

    assert set(ALIASES) == set(MODEL_STAGES)
