"""The `config.json` of transformers to our config and back.

A setting that would change what the model computes, and that our Transformer does not have, is an
error; settings of training and of storage are left aside. Defaults are those of transformers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from groundup.core.errors import ConfigError
from groundup.exchange.families import FAMILIES, Family
from groundup.model.config import ModelConfig

__all__ = ["family_of", "read_config", "write_config"]

_ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu2": "relu2",
}
_ROPE_THETA = 10_000.0  # transformers' default for every family here
_HINT = "groundup imports dense models of these families as they were released"

# Settings that change the model, with the only value that ours has; absent means that value.
_REQUIRED: dict[str, dict[str, Any]] = {
    "gpt2": {
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "add_cross_attention": False,
    },
    "llama": {},
    "qwen2": {},
    "qwen3": {"attention_bias": False},
    "starcoder2": {"use_bias": True},
    "arcee": {},
}


def family_of(values: Mapping[str, Any], *, source: str) -> Family:
    """The family that a `config.json` is of.

    Raises:
        ConfigError: None of ours.
    """
    names = values.get("architectures") or []
    by_class = {family.architecture: family for family in FAMILIES.values()}
    found = [by_class[name] for name in names if name in by_class]
    if found:
        return found[0]
    if not names and values.get("model_type") in FAMILIES:
        return FAMILIES[values["model_type"]]
    what = ", ".join(map(str, names)) or values.get("model_type") or "no architecture"
    raise ConfigError(
        f"{source} is of the architecture {what}, which groundup does not have",
        hint=f"it imports {', '.join(sorted(by_class))}",
    )


def read_config(values: Mapping[str, Any], family: Family, *, source: str) -> ModelConfig:
    """Our config of a model.

    Raises:
        ConfigError: A size is missing or impossible, or a setting is one that ours does not have.
    """
    reader = _Reader(values, family.model_type, source)
    reader.check()
    kind = family.model_type
    ours = reader.gpt2() if kind == "gpt2" else reader.rotary()
    try:
        config = ModelConfig.model_validate(ours)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{source} describes no model: {reason}", hint=_HINT) from error
    lacking = family.lacks(config)
    if lacking:
        raise ConfigError(
            f"{source}: {', '.join(f'{name} = {value!r}' for name, value in lacking.items())} is "
            f"not known of {kind}",
            hint=_HINT,
        )
    return config


@dataclass(frozen=True, slots=True)
class _Reader:
    """Looks settings up, and says which is wrong."""

    values: Mapping[str, Any]
    kind: str
    source: str

    def check(self) -> None:
        """Refuses settings that our Transformer does not have."""
        for name, value in _REQUIRED[self.kind].items():
            if self.values.get(name, value) != value:
                raise self._refusal(name, self.values[name])
        if self.values.get("quantization_config"):
            raise self._refusal("quantization_config", "a quantised model")
        windowed = self.kind == "starcoder2" or self.values.get("use_sliding_window", False)
        window = self.values.get("sliding_window") if windowed else None
        if window is not None and window < self.values.get("max_position_embeddings", window + 1):
            raise self._refusal("sliding_window", window)
        if "sliding_attention" in (self.values.get("layer_types") or []) and window is None:
            raise self._refusal("layer_types", "sliding_attention")

    def gpt2(self) -> dict[str, Any]:
        """Our values of a GPT-2."""
        return {
            "vocab_size": self._size("vocab_size"),
            "n_layers": self._size("n_layer"),
            "d_model": self._size("n_embd"),
            "n_heads": self._size("n_head"),
            "d_ff": self.values.get("n_inner"),
            "context_length": self._size("n_positions"),
            "norm": "layer",
            "norm_eps": self.values.get("layer_norm_epsilon", 1e-5),
            "activation": self._activation("activation_function", "gelu_new"),
            "position": "learned",
            "bias": True,
            "tied": self.values.get("tie_word_embeddings", True),
        }

    def rotary(self) -> dict[str, Any]:
        """Our values of the other families."""
        kind = self.kind
        gated = kind in {"llama", "qwen2", "qwen3"}
        if gated and self.values.get("hidden_act", "silu") != "silu":
            raise self._refusal("hidden_act", self.values["hidden_act"])
        default = "relu2" if kind == "arcee" else "gelu_pytorch_tanh"
        eps = "norm_epsilon" if kind == "starcoder2" else "rms_norm_eps"
        n_heads, d_model = self._size("num_attention_heads"), self._size("hidden_size")
        d_head = self.values.get("head_dim", 128 if kind == "qwen3" else None)
        rope = self._rope()
        return {
            "vocab_size": self._size("vocab_size"),
            "n_layers": self._size("num_hidden_layers"),
            "d_model": d_model,
            "n_heads": n_heads,
            "n_kv_heads": self.values.get("num_key_value_heads") or n_heads,
            "d_head": None if d_head is None or d_head * n_heads == d_model else d_head,
            "d_ff": self._size("intermediate_size"),
            "context_length": self._size("max_position_embeddings"),
            "norm": "layer" if kind == "starcoder2" else "rms",
            "norm_eps": self.values.get(eps, 1e-5 if kind in {"starcoder2", "arcee"} else 1e-6),
            "activation": "swiglu" if gated else self._activation("hidden_act", default),
            "position": "rope",
            **rope,
            "bias": self._bias(),
            "tied": self.values.get("tie_word_embeddings", kind == "starcoder2"),
            "qk_norm": kind == "qwen3",
        }

    def _bias(self) -> bool | str:
        if self.kind == "starcoder2":
            return True
        if self.kind in {"qwen2", "qwen3"}:
            return "qkv" if self.kind == "qwen2" else False
        attention, mlp = (self.values.get(f"{part}_bias", False) for part in ("attention", "mlp"))
        if bool(attention) != bool(mlp):
            raise self._refusal("attention_bias", f"{attention} with mlp_bias = {mlp}")
        return bool(attention)

    def _rope(self) -> dict[str, Any]:
        """Base and stretching, from `rope_parameters` (transformers 5) or its two forebears."""
        rope = self.values.get("rope_parameters") or self.values.get("rope_scaling") or {}
        if not isinstance(rope, Mapping):
            raise self._refusal("rope_scaling", rope)
        theta = rope.get("rope_theta") or self.values.get("rope_theta") or _ROPE_THETA
        if rope.get("partial_rotary_factor", self.values.get("partial_rotary_factor", 1.0)) != 1.0:
            raise self._refusal("partial_rotary_factor", "below 1")
        kind = rope.get("rope_type", rope.get("type", "default"))
        if kind == "default":
            return {"rope_theta": float(theta)}
        if kind != "llama3":
            raise self._refusal("rope_scaling", f"the kind {kind!r}")
        try:
            scaling = {
                "factor": float(rope["factor"]),
                "low_frequency_factor": float(rope["low_freq_factor"]),
                "high_frequency_factor": float(rope["high_freq_factor"]),
                "original_context_length": int(rope["original_max_position_embeddings"]),
            }
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"{self.source}: its llama3 rope_scaling lacks {error}", hint=_HINT
            ) from error
        return {"rope_theta": float(theta), "rope_scaling": scaling}

    def _activation(self, name: str, default: str) -> str:
        value = self.values.get(name, default)
        if value not in _ACTIVATIONS:
            raise self._refusal(name, value)
        return _ACTIVATIONS[value]

    def _size(self, name: str) -> int:
        value = self.values.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ConfigError(f"{self.source}: {name} is {value!r}, not a size", hint=_HINT)
        return value

    def _refusal(self, name: str, value: object) -> ConfigError:
        shown = value if isinstance(value, str) and " " in value else repr(value)
        return ConfigError(
            f"{self.source} sets {name} to {shown}, which groundup's Transformer does not have",
            hint=_HINT,
        )


def write_config(config: ModelConfig, family: Family) -> dict[str, Any]:
    """The `config.json` of a model, without token ids and number format."""
    head = {
        "architectures": [family.architecture],
        "model_type": family.model_type,
        "vocab_size": config.vocab_size,
        "tie_word_embeddings": config.tied,
    }
    if family.model_type == "gpt2":
        return {
            **head,
            "n_layer": config.n_layers,
            "n_embd": config.d_model,
            "n_head": config.n_heads,
            "n_inner": config.ff_width,
            "n_positions": config.context_length,
            "layer_norm_epsilon": config.norm_eps,
            "activation_function": _their_activation(config),
            "embd_pdrop": 0.0,
            "attn_pdrop": 0.0,
            "resid_pdrop": 0.0,
        }
    eps = "norm_epsilon" if family.model_type == "starcoder2" else "rms_norm_eps"
    return {
        **head,
        "num_hidden_layers": config.n_layers,
        "hidden_size": config.d_model,
        "num_attention_heads": config.n_heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_width,
        "intermediate_size": config.ff_width,
        "max_position_embeddings": config.context_length,
        eps: config.norm_eps,
        "hidden_act": "silu" if config.activation == "swiglu" else _their_activation(config),
        **_their_rope(config),
        **_their_bias(config, family),
    }


def _their_activation(config: ModelConfig) -> str:
    """`gelu_new` is the one name for the tanh form that GPT-2 and llama.cpp's converter know."""
    names = {"gelu": "gelu", "gelu_tanh": "gelu_new", "relu2": "relu2"}
    return names[config.activation]


def _their_rope(config: ModelConfig) -> dict[str, Any]:
    """For transformers 5 and, beside it, in the form that earlier versions and vLLM read."""
    scaling = config.rope_scaling
    kind: dict[str, Any] = {"rope_type": "default"}
    if scaling is not None:
        kind = {
            "rope_type": "llama3",
            "factor": scaling.factor,
            "low_freq_factor": scaling.low_frequency_factor,
            "high_freq_factor": scaling.high_frequency_factor,
            "original_max_position_embeddings": scaling.original_context_length,
        }
    parameters = {"rope_theta": config.rope_theta, **kind}
    old = {"rope_theta": config.rope_theta, "rope_scaling": None if scaling is None else kind}
    return {"rope_parameters": parameters, **old}


def _their_bias(config: ModelConfig, family: Family) -> dict[str, Any]:
    if family.model_type == "starcoder2":
        return {"use_bias": True, "sliding_window": None}
    if family.model_type in {"qwen2", "qwen3"}:
        more = {"attention_bias": False} if family.model_type == "qwen3" else {}
        return {"use_sliding_window": False, **more}
    return {"attention_bias": config.has_bias, "mlp_bias": config.has_bias}
