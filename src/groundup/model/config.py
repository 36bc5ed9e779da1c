"""The shape of a model, as a recipe's `[model]` section gives it. No PyTorch here."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from groundup.core.config import Config

__all__ = ["PRESETS", "ModelConfig", "ModelShape"]

_SWIGLU_MULTIPLE = 64  # keeps the three matrices' widths friendly to matrix units


class ModelShape(Config, frozen=True):
    """Everything about a Transformer but its vocabulary; the defaults are GPT-2 small."""

    n_layers: Annotated[int, Field(ge=1)] = 12
    """Blocks of attention and feed-forward."""
    d_model: Annotated[int, Field(ge=1)] = 768
    """Width of the residual stream."""
    n_heads: Annotated[int, Field(ge=1)] = 12
    """Query heads; `d_model / n_heads` is the width of one."""
    n_kv_heads: Annotated[int, Field(ge=1)] | None = None
    """Key and value heads, a divisor of `n_heads` (GQA, arXiv 2305.13245); unset: `n_heads`."""
    d_ff: Annotated[int, Field(ge=1)] | None = None
    """Feed-forward width; unset: 4 d_model, or 8/3 d_model rounded up to 64 for swiglu."""
    context_length: Annotated[int, Field(ge=2)] = 1024
    """Most tokens the model sees at once."""
    norm: Literal["layer", "rms"] = "layer"
    """LayerNorm (arXiv 1607.06450) or RMSNorm (arXiv 1910.07467)."""
    norm_eps: Annotated[float, Field(gt=0)] = 1e-5
    """Added to the variance (GPT-2's value)."""
    activation: Literal["gelu", "swiglu", "relu2"] = "gelu"
    """gelu (arXiv 1606.08415, exact), swiglu (arXiv 2002.05202) or relu squared (2109.08668)."""
    position: Literal["learned", "rope"] = "learned"
    """A learned vector for each position, or rotary positions (arXiv 2104.09864)."""
    rope_theta: Annotated[float, Field(gt=1)] = 10_000.0
    """Base of the rotary wavelengths; unused with learned positions."""
    bias: bool = True
    """Whether linear layers and LayerNorm have a bias."""
    tied: bool = True
    """Whether the output layer is the token embedding."""
    qk_norm: bool = False
    """RMSNorm on each query and key head before attention (arXiv 2302.05442)."""

    @model_validator(mode="after")
    def _check(self) -> "ModelShape":
        if self.d_model % self.n_heads:
            raise ValueError(f"d_model={self.d_model} is not a multiple of n_heads={self.n_heads}")
        if self.n_heads % self.kv_heads:
            raise ValueError(
                f"n_heads={self.n_heads} is not a multiple of n_kv_heads={self.n_kv_heads}"
            )
        if self.position == "rope" and self.d_head % 2:
            raise ValueError(f"rotary positions need an even head width, not {self.d_head}")
        return self

    @property
    def d_head(self) -> int:
        """Width of one head."""
        return self.d_model // self.n_heads

    @property
    def kv_heads(self) -> int:
        """Key and value heads, the default resolved."""
        return self.n_heads if self.n_kv_heads is None else self.n_kv_heads

    @property
    def ff_width(self) -> int:
        """Feed-forward width, the default resolved."""
        if self.d_ff is not None:
            return self.d_ff
        if self.activation == "swiglu":
            return -(-8 * self.d_model // (3 * _SWIGLU_MULTIPLE)) * _SWIGLU_MULTIPLE
        return 4 * self.d_model


class ModelConfig(ModelShape, frozen=True):
    """A shape and the size of the vocabulary: all that is needed to build the model."""

    vocab_size: Annotated[int, Field(ge=2)]
    """Number of token ids, special tokens included."""

    @classmethod
    def of(cls, shape: ModelShape, *, vocab_size: int) -> "ModelConfig":
        """The shape with a vocabulary."""
        return cls(**shape.model_dump(exclude={"vocab_size"}), vocab_size=vocab_size)


def _gpt2(n_layers: int, d_model: int, n_heads: int) -> ModelShape:
    """GPT-2 sizes (Radford et al. 2019, table 2)."""
    return ModelShape(n_layers=n_layers, d_model=d_model, n_heads=n_heads)


def _modern(n_layers: int, d_model: int, n_heads: int, n_kv_heads: int) -> ModelShape:
    """The block that Llama 3 and Qwen3 share: RMSNorm, RoPE, SwiGLU, GQA, no bias."""
    return ModelShape(
        n_layers=n_layers,
        d_model=d_model,
        n_heads=n_heads,
        n_kv_heads=n_kv_heads,
        context_length=2048,
        norm="rms",
        norm_eps=1e-6,
        activation="swiglu",
        position="rope",
        rope_theta=100_000.0,  # nanochat's value at this context length
        bias=False,
        tied=False,
        qk_norm=True,
    )


PRESETS: dict[str, ModelShape] = {
    "demo": ModelShape(
        n_layers=4, d_model=128, n_heads=2, context_length=256, position="rope", tied=False
    ),
    "gpt2": _gpt2(12, 768, 12),
    "gpt2-medium": _gpt2(24, 1024, 16),
    "gpt2-large": _gpt2(36, 1280, 20),
    "gpt2-xl": _gpt2(48, 1600, 25),
    "modern-small": _modern(12, 768, 12, 4),
    "modern-medium": _modern(24, 1024, 16, 4),
    "modern-large": _modern(24, 2048, 16, 8),
}
"""Shapes by name."""
