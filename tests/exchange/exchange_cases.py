"""Small random models of transformers in folders, and runs of ours that hold small models."""

import json

import torch
from safetensors.torch import load_file

from groundup.core.artifact import Artifact, Manifest, RunDir
from groundup.exchange import run as import_stage
from groundup.exchange.config import ImportConfig
from groundup.generate.load import open_model
from groundup.model.config import ModelConfig
from groundup.model.transformer import Transformer
from groundup.tokens.tokenizer import Tokenizer
from groundup.training.publish import publish_model

WORDS = [
    b"th",
    b"the",
    b" t",
    b" the",
    b"in",
    b"is",
    b"er",
    b"\xd0\xb0",
    b"\xe4\xba",
    b"\xe4\xba\xba",
]
BYTES = [bytes([value]) for value in range(256)]
CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
PADDED = 320  # ids of the embedding; the tokenizers have fewer

CHATML_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message.role + '\n' + message.content | trim + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

_SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 56,
    "vocab_size": PADDED,
    "max_position_embeddings": 256,
}
_GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": PADDED, "n_positions": 256}
_LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}

HF_CASES = {
    "gpt2": ("gpt2", _GPT2),
    "gpt2 untied": ("gpt2", {**_GPT2, "tie_word_embeddings": False, "n_inner": 40}),
    "llama": ("llama", _SIZES),
    "llama 3.1": ("llama", {**_SIZES, "rope_parameters": _LLAMA3}),
    "llama with biases": ("llama", {**_SIZES, "attention_bias": True, "mlp_bias": True}),
    "qwen2": ("qwen2", _SIZES),
    "qwen2 tied": ("qwen2", {**_SIZES, "tie_word_embeddings": True}),
    "qwen3": ("qwen3", {**_SIZES, "head_dim": 16}),
    "qwen3 tied": ("qwen3", {**_SIZES, "head_dim": 16, "tie_word_embeddings": True}),
    "starcoder2": ("starcoder2", _SIZES),
    "arcee": ("arcee", _SIZES),
}


def hf_model(case, seed=0):
    """A random model of transformers in evaluation mode; biases and norms are random too."""
    from transformers import AutoConfig, AutoModelForCausalLM

    kind, values = HF_CASES[case]
    values = {**values, "bos_token_id": 0, "eos_token_id": 0}
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **values)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def hf_folder(path, case="qwen2", *, template=CHATML_TEMPLATE, special=CHATML, **options):
    """A folder as `save_pretrained` writes it, with a byte-level tokenizer; returns the model."""
    model = hf_model(case)
    model.save_pretrained(path, **options)
    tokenizer = Tokenizer([*BYTES, *WORDS], pattern="qwen2", special=special)
    tokenizer.save(path / "tokenizer.json")
    config = {"eos_token": special[-1], "chat_template": template}
    write_json(path / "tokenizer_config.json", config)
    return model


def write_json(path, value):
    path.write_text(json.dumps(value), encoding="utf-8")


def change_json(path, **values):
    write_json(path, {**json.loads(path.read_text(encoding="utf-8")), **values})


def imported(folder, run):
    """The run that importing a folder makes."""
    out = RunDir(run, Manifest(stage="import", stage_version=1, name="small", key="0" * 12), "")
    try:
        import_stage.run(ImportConfig(folder=str(folder)), {}, out)
    except BaseException:
        out.abandon()
        raise
    out.complete()
    return Artifact.open(run)


def own_run(run, *, pattern="gpt2", tokenizer=None, **changes):
    """A run of ours with a small, opinionated model of our recipe; its tokenizer is our own."""
    tokenizer = tokenizer or Tokenizer([*BYTES, *WORDS], pattern=pattern)
    values = {
        "n_layers": 2, "d_model": 32, "n_heads": 4, "position": "rope", "tied": False,
        "context_length": 256, "vocab_size": tokenizer.vocab_size,
    }  # fmt: skip
    model = Transformer(ModelConfig.model_validate({**values, **changes}), seed=None)
    stream = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            centre = 1.0 if name.endswith("norm.weight") else 0.0
            parameter.copy_(centre + 0.3 * torch.randn(parameter.shape, generator=stream))
    out = RunDir(run, Manifest(stage="sft", stage_version=1, name="small", key="1" * 12), "")
    publish_model(out, model, tokenizer)
    out.complete()
    return open_model(run, device="cpu")


def stored(folder):
    return load_file(folder / "model.safetensors")
