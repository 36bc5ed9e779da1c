import shutil

import pytest
import torch
from exchange_cases import (
    HF_CASES,
    PADDED,
    change_json,
    hf_folder,
    imported,
    stored,
    write_json,
)
from safetensors.torch import load_file, save_file

from groundup.core.errors import ConfigError, CorruptArtifact, DataError, MissingArtifact
from groundup.exchange.export import export_hf
from groundup.generate.load import open_model
from groundup.model import count


def logits_of(run, ids):
    opened = open_model(run, device="cpu")
    opened.model.compute_dtype = torch.float32
    with torch.no_grad():
        return opened.model(ids)


IDS = torch.randint(266, (2, 200), generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("case", HF_CASES)
def test_an_imported_model_computes_what_transformers_does_and_comes_back_as_it_was(case, tmp_path):
    theirs = hf_folder(tmp_path / "hf", case)
    run = imported(tmp_path / "hf", tmp_path / "run")
    with torch.no_grad():
        expected = theirs(IDS).logits
    assert float((logits_of(run, IDS) - expected).abs().max()) < 1e-5
    assert run.manifest.summary["parameters"] == theirs.num_parameters()
    model = open_model(run, device="cpu")
    assert count.n_params(model.model.config) == theirs.num_parameters()

    export_hf(model, tmp_path / "back", proof=False)
    before, after = stored(tmp_path / "hf"), stored(tmp_path / "back")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    from transformers import AutoModelForCausalLM

    again = AutoModelForCausalLM.from_pretrained(tmp_path / "back", dtype=torch.float32).eval()
    with torch.no_grad():
        assert float((again(IDS).logits - expected).abs().max()) < 1e-5


def test_shards_and_half_precision_are_read_as_they_are(tmp_path):
    theirs = hf_folder(tmp_path / "whole").to(torch.bfloat16)
    hf_folder(tmp_path / "hf")
    (tmp_path / "hf" / "model.safetensors").unlink()
    theirs.save_pretrained(tmp_path / "hf", max_shard_size="20KB")
    assert len(list((tmp_path / "hf").glob("*.safetensors"))) > 2
    run = imported(tmp_path / "hf", tmp_path / "run")
    weights = load_file(run.file("model/model.safetensors"))
    assert {value.dtype for value in weights.values()} == {torch.bfloat16}
    from transformers import AutoModelForCausalLM

    wide = AutoModelForCausalLM.from_pretrained(tmp_path / "hf", dtype=torch.float32).eval()
    with torch.no_grad():
        expected = wide(IDS).logits
    assert float((logits_of(run, IDS) - expected).abs().max()) < 1e-5


def test_a_headless_gpt2_with_its_old_buffers_is_read(tmp_path):
    """As on the hub: names without `transformer.`, and the causal mask among the tensors."""
    theirs = hf_folder(tmp_path / "hf", "gpt2")
    file = tmp_path / "hf" / "model.safetensors"
    tensors = {name.removeprefix("transformer."): value for name, value in load_file(file).items()}
    tensors["h.0.attn.bias"] = torch.ones(1, 1, 4, 4)
    save_file(tensors, file)
    with torch.no_grad():
        expected = theirs(IDS).logits
    run = imported(tmp_path / "hf", tmp_path / "run")
    assert float((logits_of(run, IDS) - expected).abs().max()) < 1e-5


def test_only_tokens_of_the_tokenizer_are_ever_written(tmp_path):
    hf_folder(tmp_path / "hf")
    run = imported(tmp_path / "hf", tmp_path / "run")
    opened = open_model(run, device="cpu")
    opened.model.compute_dtype = torch.float32
    with torch.no_grad():  # the padding is likelier than any token
        opened.model.head.weight[opened.tokenizer.vocab_size :] *= 100
    from groundup.generate.sampling import SamplingParams

    params = SamplingParams(max_new_tokens=20, temperature=0.0)
    prompt = opened.tokenizer.encode("the")
    [answer] = opened.engine.generate([prompt], params)
    assert opened.tokenizer.vocab_size < PADDED == opened.model.config.vocab_size
    assert max(answer.ids) < opened.tokenizer.vocab_size
    assert [piece.id for piece in opened.engine.stream(prompt, params)] == answer.ids


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "hf"
    hf_folder(path, max_shard_size="20KB")
    return path


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "hf")


def refused(folder, tmp_path, error, message):
    with pytest.raises(error, match=message) as found:
        imported(folder, tmp_path / "run")
    assert found.value.hint
    assert found.value.exit_code == 2


def test_an_unknown_architecture_is_named(folder, tmp_path):
    change_json(folder / "config.json", architectures=["MambaForCausalLM"])
    refused(folder, tmp_path, ConfigError, "of the architecture MambaForCausalLM, which groundup")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_act": "gelu"}, "sets hidden_act to 'gelu'"),
        (
            {"rope_parameters": {"rope_type": "yarn", "factor": 4.0}},
            "rope_scaling to the kind 'yarn'",
        ),
        ({"rope_parameters": {"rope_type": "llama3"}}, "llama3 rope_scaling lacks 'factor'"),
        ({"use_sliding_window": True, "sliding_window": 16}, "sets sliding_window to 16"),
        ({"quantization_config": {"bits": 4}}, "sets quantization_config to a quantised model"),
        ({"hidden_size": "32"}, "hidden_size is '32', not a size"),
        ({"num_key_value_heads": 3}, "n_heads=4 is not a multiple of n_kv_heads=3"),
    ],
)
def test_a_setting_that_ours_does_not_have_is_named(folder, tmp_path, change, message):
    change_json(folder / "config.json", **change)
    refused(folder, tmp_path, ConfigError, message)


def test_a_config_of_another_size_is_refused(folder, tmp_path):
    change_json(folder / "config.json", intermediate_size=57)
    refused(folder, tmp_path, DataError, r"gate_proj\.weight is \(56, 32\).*asks for \(57, 32\)")


def test_a_missing_layer_and_a_layer_too_many_are_named(folder, tmp_path):
    change_json(folder / "config.json", num_hidden_layers=3)
    refused(folder, tmp_path, DataError, r"lacks the tensor model\.layers\.2\.")
    change_json(folder / "config.json", num_hidden_layers=1)
    refused(folder, tmp_path, DataError, r"has the tensor model\.layers\.1\..*which a qwen2 model")


def test_a_shard_that_is_missing_or_cut_is_named(folder, tmp_path):
    shard = sorted(folder.glob("*.safetensors"))[1]
    content = shard.read_bytes()
    shard.write_bytes(content[:-7])
    refused(folder, tmp_path, CorruptArtifact, f"{shard.name} is damaged")
    shard.unlink()
    refused(folder, tmp_path, MissingArtifact, f"names {shard.name}, which is not there")


def test_a_pickle_is_not_read(folder, tmp_path):
    for file in folder.glob("*.safetensors*"):
        file.unlink()
    refused(folder, tmp_path, MissingArtifact, "has neither model.safetensors nor")
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04")
    refused(folder, tmp_path, DataError, r"pytorch_model\.bin is a pickle, which runs")


def test_quantised_tensors_are_refused(folder, tmp_path):
    file = sorted(folder.glob("*.safetensors"))[0]
    tensors = {name: value.to(torch.int8) for name, value in load_file(file).items()}
    save_file(tensors, file)
    refused(folder, tmp_path, DataError, "is stored as int8")


def test_a_tokenizer_that_does_not_fit_is_refused(folder, tmp_path):
    write_json(folder / "tokenizer.json", {"model": {"type": "Unigram"}, "added_tokens": []})
    with pytest.raises(Exception, match="is not a tokenizer that groundup can use"):
        imported(folder, tmp_path / "run")
    from exchange_cases import BYTES, CHATML

    from groundup.tokens.tokenizer import Tokenizer

    many = [bytes([a, b]) for a in range(97, 105) for b in range(97, 110)]
    Tokenizer([*BYTES, *many], special=CHATML).save(folder / "tokenizer.json")
    refused(folder, tmp_path, DataError, "has 363 ids, but the model's embedding only 320")


def test_a_config_that_is_not_there_or_no_json_is_refused(folder, tmp_path):
    (folder / "config.json").write_text("{")
    refused(folder, tmp_path, CorruptArtifact, r"config\.json is not JSON")
    (folder / "config.json").unlink()
    refused(folder, tmp_path, MissingArtifact, r"there is no .*config\.json")
