import json

import numpy as np
import pytest
import torch
from exchange_cases import PADDED, hf_folder, imported, own_run

from groundup.core.errors import ConfigError
from groundup.exchange.export import export_gguf
from groundup.exchange.runtimes import is_installed
from groundup.generate.load import open_model

gguf = pytest.importorskip("gguf", reason="the package gguf is not installed")
needs_llama_cpp = pytest.mark.skipif(
    not is_installed("llama_cpp"), reason="llama.cpp is not here: pip install llama-cpp-python"
)


def read(folder):
    [file] = folder.glob("*.gguf")
    reader = gguf.GGUFReader(file)
    values = {name: field.contents() for name, field in reader.fields.items()}
    tensors = {
        tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        for tensor in reader.tensors
    }
    kinds = {tensor.name: tensor.tensor_type.name for tensor in reader.tensors}
    return values, tensors, kinds


def test_a_model_of_ours_is_written_as_llama_cpp_reads_it(tmp_path):
    source = own_run(tmp_path / "run")
    export_gguf(source, tmp_path / "gguf", number_format="f32", proof=False)
    values, tensors, _ = read(tmp_path / "gguf")
    ours = {name: value.detach().numpy() for name, value in source.model.named_parameters()}
    assert values["general.architecture"] == "starcoder2"
    assert values["starcoder2.context_length"] == 256
    assert values["starcoder2.attention.layer_norm_epsilon"] == pytest.approx(1e-5)
    assert values["starcoder2.rope.dimension_count"] == 8
    assert np.array_equal(tensors["token_embd.weight"], ours["embedding.weight"])
    assert np.array_equal(tensors["output.weight"], ours["head.weight"])
    assert np.array_equal(tensors["blk.1.ffn_up.bias"], ours["blocks.1.feedforward.up.bias"])
    assert len(tensors) == len(ours)


def test_the_tokenizer_goes_along(tmp_path):
    source = own_run(tmp_path / "run", pattern="cl100k")
    export_gguf(source, tmp_path / "gguf", number_format="f32", proof=False)
    values, _, _ = read(tmp_path / "gguf")
    file = json.loads(source.tokenizer.to_bytes())
    by_id = {id: text for text, id in file["model"]["vocab"].items()}
    tokens = values["tokenizer.ggml.tokens"]
    assert len(tokens) == source.tokenizer.vocab_size
    assert all(tokens[id] == text for id, text in by_id.items())
    assert tokens[-4:] == ["<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    assert values["tokenizer.ggml.token_type"][-5:] == [1, 3, 3, 3, 3]
    assert values["tokenizer.ggml.merges"][0] == "t h"
    assert values["tokenizer.ggml.pre"] == "llama-bpe"
    assert values["tokenizer.ggml.add_bos_token"] is False
    end = source.tokenizer.end_id
    assert (values["tokenizer.ggml.eos_token_id"], values["tokenizer.ggml.eot_token_id"]) == (
        end,
        end,
    )
    assert "<|end|>" in values["tokenizer.chat_template"]


def test_llamas_queries_and_keys_are_reordered_as_in_llama_cpps_converter(tmp_path):
    hf_folder(tmp_path / "hf", "llama 3.1")
    imported(tmp_path / "hf", tmp_path / "run")
    source = open_model(tmp_path / "run", device="cpu")
    export_gguf(source, tmp_path / "gguf", number_format="f32", proof=False)
    values, tensors, _ = read(tmp_path / "gguf")
    for name, theirs, heads in (("query", "attn_q", 4), ("key", "attn_k", 2)):
        w = dict(source.model.named_parameters())[f"blocks.0.attention.{name}.weight"].detach()
        # ggml-org/llama.cpp, conversion/llama.py, LlamaModel.permute.
        expected = w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:])
        expected = expected.swapaxes(1, 2).reshape(w.shape).numpy()
        assert np.array_equal(tensors[f"blk.0.{theirs}.weight"], expected)
    # Llama 3.1 in transformers: inverse frequencies before and after scaling.
    from transformers import AutoConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](AutoConfig.from_pretrained(tmp_path / "hf"), "cpu")
    plain = 1.0 / 500_000.0 ** (torch.arange(0, 8, 2) / 8)
    assert tensors["rope_freqs.weight"] == pytest.approx((plain / scaled).numpy(), rel=1e-5)
    assert len(values["tokenizer.ggml.tokens"]) == PADDED
    assert values["tokenizer.ggml.token_type"][-1] == 5
    assert values["tokenizer.ggml.eot_token_id"] == source.tokenizer.special["<|im_end|>"]


def test_gpt2_keeps_queries_keys_and_values_in_one_matrix(tmp_path):
    source = own_run(tmp_path / "run", position="learned", tied=True, activation="gelu_tanh")
    export_gguf(source, tmp_path / "gguf", number_format="f32", proof=False)
    _, tensors, _ = read(tmp_path / "gguf")
    ours = {name: value.detach().numpy() for name, value in source.model.named_parameters()}
    whole = [ours[f"blocks.0.attention.{name}.weight"] for name in ("query", "key", "value")]
    assert np.array_equal(tensors["blk.0.attn_qkv.weight"], np.concatenate(whole))
    assert np.array_equal(tensors["position_embd.weight"], ours["positions.weight"])
    assert "output.weight" not in tensors


@pytest.mark.parametrize(("kind", "error"), [("f16", 1e-3), ("bf16", 8e-3), ("q8_0", 1e-2)])
def test_smaller_number_formats_are_near_and_leave_vectors_alone(tmp_path, kind, error):
    source = own_run(tmp_path / "run")
    export_gguf(source, tmp_path / "gguf", number_format=kind, proof=False)
    values, tensors, kinds = read(tmp_path / "gguf")
    ours = source.model.head.weight.detach().numpy()
    assert kinds["output.weight"] == kind.upper()
    assert np.abs(tensors["output.weight"] - ours).max() < error * np.abs(ours).max()
    vectors = {name for name in kinds if name.endswith((".bias", "_norm.weight"))}
    assert {kinds[name] for name in vectors} == {"F32"}
    assert values["general.file_type"] == {"f16": 1, "bf16": 32, "q8_0": 7}[kind]


def test_what_llama_cpp_lacks_is_refused(tmp_path):
    source = own_run(tmp_path / "run", activation="relu2")
    with pytest.raises(ConfigError, match=r"llama\.cpp does not have activation = 'relu2'"):
        export_gguf(source, tmp_path / "gguf", proof=False)


@needs_llama_cpp
@pytest.mark.parametrize("case", ["ours", "ours, learned", "llama 3.1", "qwen2", "qwen3 tied"])
def test_llama_cpp_computes_the_same(tmp_path, case):
    if case.startswith("ours"):
        position = "learned" if "learned" in case else "rope"
        source = own_run(tmp_path / "run", position=position, activation="gelu_tanh")
    else:
        hf_folder(tmp_path / "hf", case)
        imported(tmp_path / "hf", tmp_path / "run")
        source = open_model(tmp_path / "run", device="cpu")
    proof = export_gguf(source, tmp_path / "gguf", number_format="f32")
    assert proof.equal + proof.ties == 10
    assert proof.max_logit_difference < 1e-2 * proof.max_logit
