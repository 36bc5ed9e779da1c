import json

import pytest
import torch
from exchange_cases import hf_folder, imported, own_run

from groundup.core.errors import ConfigError, DataError
from groundup.exchange import export
from groundup.exchange.export import export_gguf, export_hf
from groundup.exchange.proof import prove
from groundup.exchange.runtimes import Transformers
from groundup.exchange.sample import CONVERSATIONS, QUESTIONS, TEXTS
from groundup.generate.load import open_model


@pytest.mark.parametrize("pattern", ["gpt2", "cl100k", "qwen2"])
def test_a_model_of_ours_is_proved_in_transformers(tmp_path, pattern):
    source = own_run(tmp_path / "run", pattern=pattern)
    proof = export_hf(source, tmp_path / "hf", lineage=["sft small", "└─ pretrain small"])
    assert proof.max_logit_difference < 1e-4 * proof.max_logit
    assert proof.equal + proof.ties == proof.answers == len(QUESTIONS) == 10
    assert (proof.texts, proof.conversations) == (len(TEXTS), len(CONVERSATIONS))
    assert json.loads((tmp_path / "hf" / "proof.json").read_text())["equal"] == proof.equal
    card = (tmp_path / "hf" / "README.md").read_text()
    assert "└─ pretrain small" in card
    assert f"{sum(p.numel() for p in source.model.parameters()):,}" in card
    assert all(line in card for line in proof.lines())
    generation = json.loads((tmp_path / "hf" / "generation_config.json").read_text())
    assert set(generation["eos_token_id"]) == source.stop_ids


def test_the_chat_template_of_the_folder_is_ours(tmp_path):
    """Rendered by transformers to the text that `tokens.chat` writes, answers included."""
    from transformers import AutoTokenizer

    from groundup.tokens import chat

    source = own_run(tmp_path / "run")
    export_hf(source, tmp_path / "hf", proof=False)
    theirs = AutoTokenizer.from_pretrained(tmp_path / "hf")
    assert theirs.eos_token == "<|end|>"
    for messages in CONVERSATIONS:
        written = [{"role": m.role, "content": m.content} for m in messages]
        prompt = theirs.apply_chat_template(written, tokenize=False, add_generation_prompt=True)
        assert prompt == chat.render_text(messages)
        written.append({"role": "assistant", "content": "Yes."})
        whole = theirs.apply_chat_template(written, tokenize=False)
        assert whole == chat.render_text(messages, "Yes.")
        ids = theirs(whole, add_special_tokens=False)["input_ids"]
        assert ids == chat.render_example(source.tokenizer, messages, "Yes.").ids


@pytest.mark.parametrize("case", ["gpt2", "llama 3.1", "qwen3 tied"])
def test_an_imported_model_is_proved_with_its_own_template(tmp_path, case):
    hf_folder(tmp_path / "hf", case)
    imported(tmp_path / "hf", tmp_path / "run")
    proof = export_hf(open_model(tmp_path / "run", device="cpu"), tmp_path / "back")
    assert proof.equal + proof.ties == 10
    back = json.loads((tmp_path / "back" / "tokenizer_config.json").read_text())
    there = json.loads((tmp_path / "hf" / "tokenizer_config.json").read_text())
    assert back["chat_template"] == there["chat_template"]
    tokenizers = [(tmp_path / name / "tokenizer.json").read_bytes() for name in ("hf", "back")]
    assert tokenizers[0] == tokenizers[1]


def test_half_precision_is_proved_on_rounded_weights(tmp_path):
    source = own_run(tmp_path / "run")
    proof = export_hf(source, tmp_path / "hf", number_format="bf16")
    assert proof.exact
    assert proof.equal + proof.ties == 10
    assert json.loads((tmp_path / "hf" / "config.json").read_text())["dtype"] == "bfloat16"
    again = Transformers(tmp_path / "hf")
    ids = source.tokenizer.encode("the list")
    source.model.compute_dtype = torch.float32
    with torch.no_grad():
        expected = source.model(torch.tensor([ids]))[0]
    assert float((again.logits(ids) - expected).abs().max()) < 1e-4


@pytest.fixture
def exported(tmp_path):
    source = own_run(tmp_path / "run")
    export_hf(source, tmp_path / "hf", proof=False)
    return source, Transformers(tmp_path / "hf")


def test_other_weights_are_not_proved(exported):
    source, runtime = exported
    with torch.no_grad():
        runtime._model.model.layers[0].mlp.c_fc.weight.mul_(-1)
    with pytest.raises(DataError, match=r"logits of up to .* differ by up to"):
        prove(source, runtime, exact=True)


def test_other_tokens_are_not_proved(exported):
    source, runtime = exported
    right = runtime.encode
    runtime.encode = lambda text: [0, *right(text)]
    with pytest.raises(DataError, match="other token ids for the Latin text"):
        prove(source, runtime, exact=True)


def test_another_template_is_not_proved(exported):
    source, runtime = exported
    runtime._tokenizer.chat_template = "{{ messages[0].content }}"
    with pytest.raises(DataError, match="renders a conversation of 1 messages to other ids"):
        prove(source, runtime, exact=True)


def test_one_that_does_not_stop_is_not_proved(exported):
    source, runtime = exported
    with torch.no_grad():  # so that answers end
        source.model.head.weight[source.tokenizer.end_id] += 1.5
        runtime._model.lm_head.weight[source.tokenizer.end_id] += 1.5
    proof = prove(source, runtime, exact=True)
    assert proof.stopped > 0
    assert proof.stop_tokens == proof.own_stop_tokens == 4
    runtime._model.generation_config.eos_token_id = None
    with pytest.raises(DataError, match="has none of the tokens that end an answer"):
        prove(source, runtime, exact=True)


def test_nothing_is_left_when_the_proof_fails(tmp_path, monkeypatch):
    source = own_run(tmp_path / "run")
    monkeypatch.setattr(Transformers, "encode", lambda self, text: [])
    with pytest.raises(DataError, match="is not proved"):
        export_hf(source, tmp_path / "hf")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_without_the_program_the_export_says_so(tmp_path, monkeypatch, caplog):
    source = own_run(tmp_path / "run")
    monkeypatch.setattr(export, "is_installed", lambda module: False)
    assert export_hf(source, tmp_path / "hf") is None
    said = "transformers is not installed here (`pip install transformers`)"
    assert said in caplog.text
    assert said in (tmp_path / "hf" / "README.md").read_text()
    assert json.loads((tmp_path / "hf" / "proof.json").read_text())["compared"] is False
    with pytest.raises(ConfigError, match="package gguf is not installed") as found:
        export_gguf(source, tmp_path / "gguf")
    assert "pip install 'groundup[export]'" in found.value.hint


def test_nothing_is_overwritten_and_formats_are_checked(tmp_path):
    source = own_run(tmp_path / "run")
    with pytest.raises(ConfigError, match="exists already"):
        export_hf(source, tmp_path / "run")
    with pytest.raises(ConfigError, match="no number format 'q8_0' here"):
        export_hf(source, tmp_path / "hf", number_format="q8_0")
    with pytest.raises(ConfigError, match="no number format 'q4_k' here"):
        export_gguf(source, tmp_path / "gguf", number_format="q4_k")
