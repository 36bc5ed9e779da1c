import json

import pytest
import torch
from exchange_cases import CHATML_TEMPLATE, change_json, hf_folder, imported, write_json

from groundup.core.artifact import Artifact, Manifest, RunDir
from groundup.core.errors import DataError
from groundup.core.records import Example, Message
from groundup.exchange.config import ImportConfig
from groundup.exchange.run import outside
from groundup.finetune.data import encode
from groundup.finetune.preflight import refuse_untrainable
from groundup.generate.load import open_model
from groundup.tokens import chat
from groundup.tokens.jinja_template import PLAIN
from groundup.training.publish import publish_model

HELLO = [Message("user", " Hello <|im_end|> ")]


def test_the_template_and_the_stop_tokens_come_along(tmp_path):
    hf_folder(tmp_path / "hf")
    write_json(tmp_path / "hf" / "generation_config.json", {"eos_token_id": [266, 267]})
    run = imported(tmp_path / "hf", tmp_path / "run")
    opened = open_model(run, device="cpu")
    end = opened.tokenizer.special["<|im_end|>"]
    assert opened.stop_ids == opened.engine.stop_ids == {266, 267, end}
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(tmp_path / "hf")
    messages = [Message("system", "Be brief."), Message("user", "Hello ")]
    written = [{"role": m.role, "content": m.content} for m in messages]
    text = theirs.apply_chat_template(written, tokenize=False, add_generation_prompt=True)
    assert opened.chat_ids(messages) == theirs(text, add_special_tokens=False)["input_ids"]
    forged = opened.chat_ids(HELLO)
    assert forged.count(end) == 1


def test_a_template_of_its_own_file_goes_before(tmp_path):
    hf_folder(tmp_path / "hf", template="{{ 'wrong' }}<|im_end|>")
    (tmp_path / "hf" / "chat_template.jinja").write_text(CHATML_TEMPLATE)
    run = imported(tmp_path / "hf", tmp_path / "run")
    assert json.loads(run.file("model/chat.json").read_text())["jinja"] == CHATML_TEMPLATE


def test_a_model_without_a_template_gets_the_plain_one(tmp_path, caplog):
    hf_folder(tmp_path / "hf", template=None)
    run = imported(tmp_path / "hf", tmp_path / "run")
    assert "has no chat template" in caplog.text
    opened = open_model(run, device="cpu")
    assert opened.tokenizer.template.source == PLAIN
    assert opened.chat_ids(HELLO)[:4] == opened.tokenizer.encode("User:")


def test_nothing_that_ends_an_answer_is_an_error(tmp_path):
    hf_folder(tmp_path / "hf")
    write_json(tmp_path / "hf" / "tokenizer_config.json", {})
    change_json(tmp_path / "hf" / "config.json", eos_token_id=None)
    (tmp_path / "hf" / "generation_config.json").unlink()
    with pytest.raises(DataError, match="does not say which token ends an answer"):
        imported(tmp_path / "hf", tmp_path / "run")


def test_a_tuned_import_keeps_template_tokenizer_and_padding(tmp_path):
    hf_folder(tmp_path / "hf")
    base = open_model(imported(tmp_path / "hf", tmp_path / "run"), device="cpu")
    examples = [Example(id="1", task="t", messages=HELLO, answer="yes")]
    rows, _ = encode(base.tokenizer, examples, context_length=base.context_length)
    refuse_untrainable(rows, end_ids=base.stop_ids)
    end = base.tokenizer.special["<|im_end|>"]
    assert rows[0].ids.tolist() == [*base.chat_ids(HELLO), *base.tokenizer.encode("yes"), end]
    assert rows[0].trained.sum() == len(base.tokenizer.encode("yes")) + 1

    out = RunDir(
        tmp_path / "sft", Manifest(stage="sft", stage_version=1, name="s", key="2" * 12), ""
    )
    publish_model(out, base.model, base.tokenizer)
    out.complete()
    tuned = open_model(Artifact.open(tmp_path / "sft"), device="cpu")
    assert tuned.chat_ids(HELLO) == base.chat_ids(HELLO)
    assert tuned.stop_ids == base.stop_ids == chat.stop_ids(tuned.tokenizer)
    assert torch.equal(tuned.model.head.weight, base.model.head.weight)


def test_the_key_follows_every_byte_that_is_read(tmp_path):
    hf_folder(tmp_path / "hf")
    config = ImportConfig(folder=str(tmp_path / "hf"))
    before = outside(config)
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(before)
    (tmp_path / "hf" / "chat_template.jinja").write_text(CHATML_TEMPLATE)
    assert outside(config) != before
