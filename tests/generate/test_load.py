import json

import pytest
import torch
from generate_cases import TOKENIZER, model

from groundup.core.artifact import Artifact, Manifest, RunDir
from groundup.core.errors import (
    CorruptArtifact,
    IncompleteArtifact,
    MissingArtifact,
    WrongKindArtifact,
)
from groundup.core.records import Message
from groundup.generate.load import open_model
from groundup.generate.sampling import SamplingParams
from groundup.model import weights
from groundup.tokens import chat


def _run(path, *, stage="sft", chat_json=None, finish=True):
    manifest = Manifest(stage=stage, stage_version=1, name="small", key="0123456789ab")
    out = RunDir(path, manifest, "")
    weights.save(model(), out.path / "model")
    TOKENIZER.save(out.file("model/tokenizer.json"))
    out.write_json("model/chat.json", chat_json or chat.template_json(TOKENIZER))
    return out.complete() if finish else out.abandon()


@pytest.mark.parametrize("stage", ["pretrain", "import", "sft", "grpo"])
def test_a_finished_run_opens_and_answers(tmp_path, stage):
    artifact = _run(tmp_path / "run", stage=stage)
    for source in (artifact, tmp_path / "run"):
        opened = open_model(source, device="cpu")
        assert (opened.name, opened.context_length) == ("small", 64)
        assert opened.stop_ids == chat.stop_ids(TOKENIZER)
        messages = [Message("user", "abc")]
        ids = opened.chat_ids(messages)
        assert ids == chat.prompt_ids(TOKENIZER, messages)
        opened.model.compute_dtype = torch.float32
        params = SamplingParams(max_new_tokens=5, temperature=0.0)
        from groundup.generate.engine import Engine

        expected = Engine(model(), TOKENIZER).generate([ids], params)
        assert opened.engine.generate([ids], params) == expected


def test_other_stages_and_unfinished_runs_are_refused(tmp_path):
    _run(tmp_path / "tokens", stage="tokens")
    with pytest.raises(WrongKindArtifact, match="'tokens', not pretrain or import or sft or grpo"):
        open_model(tmp_path / "tokens")
    _run(tmp_path / "unfinished", finish=False)
    with pytest.raises(IncompleteArtifact):
        open_model(tmp_path / "unfinished")
    with pytest.raises(MissingArtifact):
        open_model(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "name", ["model.safetensors", "config.json", "tokenizer.json", "chat.json"]
)
def test_a_changed_byte_in_any_file_is_found(tmp_path, name):
    _run(tmp_path / "run")
    path = tmp_path / "run" / "model" / name
    damaged = bytearray(path.read_bytes())
    damaged[-3] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(CorruptArtifact, match=name):
        open_model(tmp_path / "run")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"template": "other-2", "stop_ids": [1]}, "other-2"),
        ({"template": "groundup-1"}, "is damaged"),
        ([1], "is damaged"),
    ],
)
def test_a_chat_file_of_another_program_is_refused(tmp_path, values, reason):
    _run(tmp_path / "run", chat_json=values)
    with pytest.raises(CorruptArtifact, match=reason):
        open_model(tmp_path / "run")


def test_a_tokenizer_of_another_size_is_refused(tmp_path):
    from groundup.tokens.tokenizer import Tokenizer

    artifact = _run(tmp_path / "run")
    other = Tokenizer([bytes([value]) for value in range(256)])
    other.save(tmp_path / "run" / "model" / "tokenizer.json")
    out = RunDir(tmp_path / "run", artifact.manifest, "")
    out.complete()
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["status"] == "complete"
    with pytest.raises(CorruptArtifact, match="tokenizer has 260 ids, the model 270"):
        open_model(Artifact.open(tmp_path / "run"))
