"""A model of ours as one GGUF file for llama.cpp. The layout follows llama.cpp's own converter.

Norms, biases, positions and rotary factors are float32 in every file, as llama.cpp wants them;
`--type` is the format of the matrices.
"""

import importlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from groundup.core.errors import ConfigError
from groundup.exchange.families import Family
from groundup.exchange.gguf_tokenizer import add_tokenizer
from groundup.exchange.layout import shapes_of
from groundup.generate.load import LoadedModel
from groundup.model.config import ModelConfig
from groundup.model.rope import stretch_factors

__all__ = ["NUMBER_FORMATS", "check", "write_file"]

log = logging.getLogger(__name__)

# `--type` to the format of matrices and to `general.file_type`.
NUMBER_FORMATS = {
    "f32": ("F32", "ALL_F32"),
    "f16": ("F16", "MOSTLY_F16"),
    "bf16": ("BF16", "MOSTLY_BF16"),
    "q8_0": ("Q8_0", "MOSTLY_Q8_0"),
}

_BLOCK = 32  # numbers that share a scale in q8_0

_MODULES = {
    "embedding": "token_embd",
    "positions": "position_embd",
    "final_norm": "output_norm",
    "head": "output",
    "attention_norm": "attn_norm",
    "attention.query": "attn_q",
    "attention.key": "attn_k",
    "attention.value": "attn_v",
    "attention.out": "attn_output",
    "attention.query_norm": "attn_q_norm",
    "attention.key_norm": "attn_k_norm",
    "feedforward_norm": "ffn_norm",
    "feedforward.gate": "ffn_gate",
    "feedforward.up": "ffn_up",
    "feedforward.down": "ffn_down",
}
_FUSED = ("attention.query", "attention.key", "attention.value")


def check(config: ModelConfig, family: Family) -> None:
    """Checks that llama.cpp computes what transformers does with this family.

    Raises:
        ConfigError: It does not; names the switch.
    """
    plain = family.model_type in {"gpt2", "starcoder2"}
    wrong = {
        "activation": plain and config.activation == "relu2",
        "rope_scaling": config.rope_scaling is not None and not family.interleaved,
        "bias": family.model_type == "arcee" and config.has_bias,
    }
    for name, is_wrong in wrong.items():
        if is_wrong:
            raise ConfigError(
                f"llama.cpp does not have {name} = {getattr(config, name)!r} in its architecture "
                f"{family.gguf}",
                hint="export this model with --format hf",
            )
    if plain and config.activation == "gelu":
        log.warning("llama.cpp computes GELU in its tanh form, so logits differ a little")


def write_file(source: LoadedModel, family: Family, file: Path, *, number_format: str) -> None:
    """Writes the file."""
    gguf: Any = importlib.import_module("gguf")
    config = source.model.config
    matrix, file_type = NUMBER_FORMATS[number_format]
    writer = gguf.GGUFWriter(file, family.gguf)
    writer.add_name(source.name)
    writer.add_file_type(gguf.LlamaFileType[file_type])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    _add_shape(writer, config)
    add_tokenizer(writer, source)
    ours = {name: value.detach().cpu().float() for name, value in source.model.named_parameters()}
    for name, tensor in _tensors(ours, config, family):
        kind = gguf.GGMLQuantizationType[_format_of(name, tensor, matrix)]
        numbers: NDArray[np.float32] = tensor.contiguous().numpy()
        writer.add_tensor(name, gguf.quants.quantize(numbers, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_shape(writer: Any, config: ModelConfig) -> None:
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.context_length)
    writer.add_embedding_length(config.d_model)
    writer.add_block_count(config.n_layers)
    writer.add_feed_forward_length(config.ff_width)
    writer.add_head_count(config.n_heads)
    writer.add_head_count_kv(config.kv_heads)
    writer.add_key_length(config.head_width)
    writer.add_value_length(config.head_width)
    if config.norm == "layer":
        writer.add_layer_norm_eps(config.norm_eps)
    else:
        writer.add_layer_norm_rms_eps(config.norm_eps)
    if config.position == "rope":
        writer.add_rope_freq_base(config.rope_theta)
        writer.add_rope_dimension_count(config.head_width)


def _format_of(name: str, tensor: Tensor, matrix: str) -> str:
    """Number format of one tensor; q8_0 needs rows of whole blocks."""
    if tensor.ndim == 1 or name.startswith("position_embd"):
        return "F32"
    return "F16" if matrix == "Q8_0" and tensor.shape[-1] % _BLOCK else matrix


def _tensors(
    ours: Mapping[str, Tensor], config: ModelConfig, family: Family
) -> Iterator[tuple[str, Tensor]]:
    """Names and values as llama.cpp has them."""
    full = config.model_copy(update={"bias": True}) if family.fills_biases else config
    values = {
        name: ours[name] if name in ours else torch.zeros(shape)
        for name, shape in shapes_of(full).items()
    }
    if config.rope_scaling is not None:
        factors = stretch_factors(config.head_width, config.rope_theta, config.rope_scaling)
        yield "rope_freqs.weight", factors.float()
    for name, value in values.items():
        layer, inside, kind = _parts(name)
        heads = {"attention.query": config.n_heads, "attention.key": config.kv_heads}.get(inside)
        if family.interleaved and heads is not None:
            value = _interleave(value, heads)
        if family.model_type == "gpt2" and inside in _FUSED:
            if inside == _FUSED[0]:
                parts = [values[f"blocks.{layer}.{part}.{kind}"] for part in _FUSED]
                yield f"blk.{layer}.attn_qkv.{kind}", torch.cat(parts)
            continue
        prefix = f"blk.{layer}." if layer else ""
        yield f"{prefix}{_MODULES[inside]}.{kind}", value


def _parts(name: str) -> tuple[str, str, str]:
    """Layer (empty outside of blocks), module and kind of a parameter's name."""
    module, kind = name.rsplit(".", 1)
    if module.startswith("blocks."):
        _, layer, inside = module.split(".", 2)
        return layer, inside, kind
    return "", module, kind


def _interleave(value: Tensor, heads: int) -> Tensor:
    """Rows of each head from (i, i + C/2) to (2i, 2i + 1), as llama.cpp rotates Llama's."""
    return value.view(heads, 2, -1, *value.shape[1:]).transpose(1, 2).reshape(value.shape)
