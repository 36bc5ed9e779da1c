"""Small models for the tests of this folder, one for each switch and for mixtures of them."""

import torch

from groundup.model.config import ModelConfig
from groundup.model.transformer import Transformer

_SMALL = {
    "n_layers": 2,
    "d_model": 16,
    "n_heads": 4,
    "context_length": 24,
    "vocab_size": 37,
}

CASES = {
    "gpt2": {},
    "modern": {
        "norm": "rms", "position": "rope", "activation": "swiglu", "bias": False, "tied": False,
        "n_kv_heads": 2, "qk_norm": True, "norm_eps": 1e-6,
    },
    "demo": {"position": "rope", "tied": False},
    "relu2 with one key head": {"activation": "relu2", "n_kv_heads": 1, "position": "rope"},
    "rms with learned positions": {"norm": "rms", "activation": "swiglu", "d_ff": 20},
    "gpt2 exactly": {"activation": "gelu_tanh"},
    "llama": {
        "norm": "rms", "position": "rope", "activation": "swiglu", "bias": False, "tied": False,
        "n_kv_heads": 2, "rope_scaling": {
            "factor": 4.0, "low_frequency_factor": 0.5, "high_frequency_factor": 2.0,
            "original_context_length": 8,
        },
    },
    "qwen2": {
        "norm": "rms", "position": "rope", "activation": "swiglu", "bias": "qkv", "n_kv_heads": 2,
    },
    "qwen3": {
        "norm": "rms", "position": "rope", "activation": "swiglu", "bias": False, "qk_norm": True,
        "n_kv_heads": 1, "d_head": 6,
    },
    "layer norm without bias": {"bias": False, "qk_norm": True, "rope_theta": 500.0},
}  # fmt: skip


def small_config(**changes):
    return ModelConfig.model_validate({**_SMALL, **changes})


def lively(config, *, dtype=torch.float32, seed=3):
    """A model whose every parameter matters: large random weights, no zeros or ones."""
    model = Transformer(config, seed=None, compute_dtype=dtype).to(dtype)
    stream = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            centre = 1.0 if name.endswith("norm.weight") else 0.0
            parameter.copy_(centre + 0.3 * torch.randn(parameter.shape, generator=stream))
    return model


def random_ids(config, rows, length, seed=5):
    stream = torch.Generator().manual_seed(seed)
    return torch.randint(config.vocab_size, (rows, length), generator=stream)
