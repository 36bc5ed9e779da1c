"""The architectures of transformers that our one Transformer is, with what each can express.

A family is data: names of its modules, and for each switch of `ModelShape` the values that it has.
An export takes the first family that has all of a model's values.

| family     | block                                                                    |
|------------|--------------------------------------------------------------------------|
| gpt2       | LayerNorm, learned positions, plain feed-forward, biases                 |
| llama      | RMSNorm, rotary positions, SwiGLU, GQA                                   |
| qwen2      | as llama, biases of queries, keys and values                             |
| qwen3      | as llama, norms of query and key heads                                   |
| starcoder2 | LayerNorm, rotary positions, plain feed-forward, biases, GQA: our recipe |
| arcee      | as llama, squared ReLU without a gate                                    |
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from groundup.core.errors import ConfigError
from groundup.model.config import ModelConfig

__all__ = ["FAMILIES", "Family", "family_for", "switches"]

Switch = str | bool


@dataclass(frozen=True, slots=True)
class Family:
    """One architecture.

    Attributes:
        model_type: Its name in `config.json`.
        architecture: Its class in transformers.
        has: Switch (`switches`) to the values that it can express.
        modules: Our module names to theirs; `{}` stands for the layer. Several of ours with one
            name of theirs are one fused matrix, in this order.
        prefix: What names of theirs begin with in a whole model, and lack in a headless one.
        transposed: Modules of theirs that keep matrices as (inputs, outputs).
        fills_biases: Whether its biases are always there; missing ones of ours are written as 0.
        gguf: Its name in llama.cpp.
        interleaved: Whether llama.cpp rotates pairs (2i, 2i + 1), so that queries and keys have to
            be reordered.
    """

    model_type: str
    architecture: str
    has: Mapping[str, frozenset[Switch]]
    modules: Mapping[str, str]
    prefix: str = "model."
    transposed: frozenset[str] = field(default_factory=frozenset)
    fills_biases: bool = False
    gguf: str = ""
    interleaved: bool = False

    def lacks(self, config: ModelConfig) -> dict[str, Switch]:
        """The switches of a model that this family does not have, with their values."""
        return {
            name: value for name, value in switches(config).items() if value not in self.has[name]
        }


def switches(config: ModelConfig) -> dict[str, Switch]:
    """The values of a model that not every family has."""
    return {
        "norm": config.norm,
        "position": config.position,
        "activation": config.activation,
        "bias": config.bias,
        "qk_norm": config.qk_norm,
        "n_kv_heads": config.kv_heads != config.n_heads,
        "d_head": config.head_width * config.n_heads != config.d_model,
        "rope_scaling": config.rope_scaling is not None,
    }


def _has(**values: Switch | tuple[Switch, ...]) -> dict[str, frozenset[Switch]]:
    return {
        name: frozenset(value if isinstance(value, tuple) else (value,))
        for name, value in values.items()
    }


_EITHER = (False, True)
_PLAIN = ("gelu", "gelu_tanh", "relu2")

_LLAMA_BLOCK = {
    "embedding": "model.embed_tokens",
    "blocks.{}.attention_norm": "model.layers.{}.input_layernorm",
    "blocks.{}.attention.query": "model.layers.{}.self_attn.q_proj",
    "blocks.{}.attention.key": "model.layers.{}.self_attn.k_proj",
    "blocks.{}.attention.value": "model.layers.{}.self_attn.v_proj",
    "blocks.{}.attention.out": "model.layers.{}.self_attn.o_proj",
    "blocks.{}.attention.query_norm": "model.layers.{}.self_attn.q_norm",
    "blocks.{}.attention.key_norm": "model.layers.{}.self_attn.k_norm",
    "blocks.{}.feedforward_norm": "model.layers.{}.post_attention_layernorm",
    "blocks.{}.feedforward.gate": "model.layers.{}.mlp.gate_proj",
    "blocks.{}.feedforward.up": "model.layers.{}.mlp.up_proj",
    "blocks.{}.feedforward.down": "model.layers.{}.mlp.down_proj",
    "final_norm": "model.norm",
    "head": "lm_head",
}

_GATED: dict[str, Switch | tuple[Switch, ...]] = {
    "norm": "rms",
    "position": "rope",
    "activation": "swiglu",
    "n_kv_heads": _EITHER,
    "rope_scaling": _EITHER,
}

_GPT2 = Family(
    model_type="gpt2",
    architecture="GPT2LMHeadModel",
    has=_has(
        norm="layer",
        position="learned",
        activation=_PLAIN,
        bias=(True, False, "qkv"),
        qk_norm=False,
        n_kv_heads=False,
        d_head=False,
        rope_scaling=False,
    ),
    modules={
        "embedding": "transformer.wte",
        "positions": "transformer.wpe",
        "blocks.{}.attention_norm": "transformer.h.{}.ln_1",
        "blocks.{}.attention.query": "transformer.h.{}.attn.c_attn",
        "blocks.{}.attention.key": "transformer.h.{}.attn.c_attn",
        "blocks.{}.attention.value": "transformer.h.{}.attn.c_attn",
        "blocks.{}.attention.out": "transformer.h.{}.attn.c_proj",
        "blocks.{}.feedforward_norm": "transformer.h.{}.ln_2",
        "blocks.{}.feedforward.up": "transformer.h.{}.mlp.c_fc",
        "blocks.{}.feedforward.down": "transformer.h.{}.mlp.c_proj",
        "final_norm": "transformer.ln_f",
        "head": "lm_head",
    },
    prefix="transformer.",
    transposed=frozenset({"attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"}),
    fills_biases=True,
    gguf="gpt2",
)

_LLAMA = Family(
    model_type="llama",
    architecture="LlamaForCausalLM",
    has=_has(**_GATED, bias=_EITHER, qk_norm=False, d_head=_EITHER),
    modules=_LLAMA_BLOCK,
    gguf="llama",
    interleaved=True,
)

_QWEN2 = Family(
    model_type="qwen2",
    architecture="Qwen2ForCausalLM",
    has=_has(**_GATED, bias="qkv", qk_norm=False, d_head=False),
    modules=_LLAMA_BLOCK,
    gguf="qwen2",
)

_QWEN3 = Family(
    model_type="qwen3",
    architecture="Qwen3ForCausalLM",
    has=_has(**_GATED, bias=False, qk_norm=True, d_head=_EITHER),
    modules=_LLAMA_BLOCK,
    gguf="qwen3",
)

_STARCODER2 = Family(
    model_type="starcoder2",
    architecture="Starcoder2ForCausalLM",
    has=_has(
        norm="layer",
        position="rope",
        activation=_PLAIN,
        bias=(True, False, "qkv"),
        qk_norm=False,
        n_kv_heads=_EITHER,
        d_head=False,
        rope_scaling=False,
    ),
    modules={
        **_LLAMA_BLOCK,
        "blocks.{}.feedforward.up": "model.layers.{}.mlp.c_fc",
        "blocks.{}.feedforward.down": "model.layers.{}.mlp.c_proj",
    },
    fills_biases=True,
    gguf="starcoder2",
)

_ARCEE = Family(
    model_type="arcee",
    architecture="ArceeForCausalLM",
    has=_has(
        **{**_GATED, "activation": "relu2"},
        bias=_EITHER,
        qk_norm=False,
        d_head=_EITHER,
    ),
    modules=_LLAMA_BLOCK,
    gguf="arcee",
    interleaved=True,
)

FAMILIES = {
    family.model_type: family for family in (_GPT2, _LLAMA, _QWEN2, _QWEN3, _STARCODER2, _ARCEE)
}
"""All families, by the `model_type` of their `config.json`."""


def family_for(config: ModelConfig) -> Family:
    """The family that a model of ours is exported to.

    Raises:
        ConfigError: None has all of its switches; names those that the nearest one lacks.
    """
    lacking = {family.model_type: family.lacks(config) for family in FAMILIES.values()}
    nearest = min(lacking, key=lambda name: len(lacking[name]))
    if not lacking[nearest]:
        return FAMILIES[nearest]
    values = " and ".join(f"{name} = {_shown(name, config)}" for name in lacking[nearest])
    raise ConfigError(
        f"no architecture of transformers is this model: the nearest, {nearest}, does not have "
        f"{values}",
        hint="train with another value of that switch to export; groundup itself runs the model",
    )


def _shown(name: str, config: ModelConfig) -> str:
    value = getattr(config, name)
    return f"{value!r}".lower() if isinstance(value, bool) else f"{value!r}"
