"""The shape of a model, as a recipe's `[model]` section gives it. No PyTorch here."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from groundup.core.config import Config

__all__ = ["ModelConfig", "ModelShape", "RopeScaling"]

_SWIGLU_MULTIPLE = 64  # keeps the three matrices' widths friendly to matrix units


class RopeScaling(Config, frozen=True):
    """How Llama 3.1 stretches rotary positions over a longer context than it was pretrained with.

    Source: meta-llama/llama-models, `apply_scaling` (Grattafiori et al. 2024, arXiv 2407.21783).
    """

    factor: Annotated[float, Field(ge=1)] = 8.0
    """By how much the slow rotations are slowed down further."""
    low_frequency_factor: Annotated[float, Field(gt=0)] = 1.0
    """Rotations with fewer turns than this in the original context get the whole factor."""
    high_frequency_factor: Annotated[float, Field(gt=0)] = 4.0
    """Rotations with more turns than this stay as they are; between the two, in proportion."""
    original_context_length: Annotated[int, Field(ge=2)] = 8192
    """Context of pretraining, in tokens."""

    @model_validator(mode="after")
    def _ordered(self) -> "RopeScaling":
        low, high = self.low_frequency_factor, self.high_frequency_factor
        if low >= high:
            raise ValueError(
                f"low_frequency_factor={low} is not below high_frequency_factor={high}"
            )
        return self


class ModelShape(Config, frozen=True):
    """Everything about a Transformer but its vocabulary; sizes default to those of GPT-2 small."""

    n_layers: Annotated[int, Field(ge=1)] = 12
    """Blocks of attention and feed-forward."""
    d_model: Annotated[int, Field(ge=1)] = 768
    """Width of the residual stream."""
    n_heads: Annotated[int, Field(ge=1)] = 12
    """Query heads."""
    n_kv_heads: Annotated[int, Field(ge=1)] | None = None
    """Key and value heads, a divisor of `n_heads` (GQA, arXiv 2305.13245); unset: `n_heads`."""
    d_head: Annotated[int, Field(ge=1)] | None = None
    """Width of one head; unset: `d_model / n_heads`."""
    d_ff: Annotated[int, Field(ge=1)] | None = None
    """Feed-forward width; unset: 4 d_model, or 8/3 d_model rounded up to 64 for swiglu."""
    context_length: Annotated[int, Field(ge=2)] = 1024
    """Most tokens the model sees at once."""
    norm: Literal["layer", "rms"] = "layer"
    """LayerNorm (arXiv 1607.06450) or RMSNorm (arXiv 1910.07467)."""
    norm_eps: Annotated[float, Field(gt=0)] = 1e-5
    """Added to the variance (GPT-2's value)."""
    activation: Literal["gelu", "gelu_tanh", "swiglu", "relu2"] = "gelu"
    """gelu (arXiv 1606.08415, exact; gelu_tanh is GPT-2's approximation of it), swiglu (arXiv
    2002.05202) or relu squared (2109.08668)."""
    position: Literal["learned", "rope"] = "learned"
    """A learned vector for each position, or rotary positions (arXiv 2104.09864)."""
    rope_theta: Annotated[float, Field(gt=1)] = 10_000.0
    """Base of the rotary wavelengths; unused with learned positions."""
    rope_scaling: RopeScaling | None = None
    """Stretches rotary positions (Llama 3.1); unset: as they are."""
    bias: bool | Literal["qkv"] = True
    """Biases of linear layers and of LayerNorm; "qkv": of queries, keys and values only (Qwen2)."""
    tied: bool = True
    """Whether the output layer is the token embedding."""
    qk_norm: bool = False
    """RMSNorm on each query and key head before attention (arXiv 2302.05442)."""

    @model_validator(mode="after")
    def _check(self) -> "ModelShape":
        if self.d_head is None and self.d_model % self.n_heads:
            raise ValueError(f"d_model={self.d_model} is not a multiple of n_heads={self.n_heads}")
        if self.n_heads % self.kv_heads:
            raise ValueError(
                f"n_heads={self.n_heads} is not a multiple of n_kv_heads={self.n_kv_heads}"
            )
        if self.position == "rope" and self.head_width % 2:
            raise ValueError(f"rotary positions need an even head width, not {self.head_width}")
        if self.position != "rope" and self.rope_scaling is not None:
            raise ValueError('rope_scaling needs rotary positions, position = "rope"')
        return self

    @property
    def head_width(self) -> int:
        """Width of one head, the default resolved."""
        return self.d_model // self.n_heads if self.d_head is None else self.d_head

    @property
    def has_bias(self) -> bool:
        """Whether all linear layers and LayerNorm have a bias."""
        return self.bias is True

    @property
    def has_qkv_bias(self) -> bool:
        """Whether queries, keys and values have a bias."""
        return self.bias is not False

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
