"""Shapes by name: the published families, and our own. No PyTorch here.

| family      | sizes and their source                                                            |
|-------------|-----------------------------------------------------------------------------------|
| gpt2*       | Radford et al. 2019, table 2, and the released checkpoints                        |
| gpt3-*      | Brown et al. 2020, arXiv 2005.14165, table 2.1                                    |
| llama2-*    | Touvron et al. 2023, arXiv 2307.09288, and the released `config.json`             |
| llama3*     | Grattafiori et al. 2024, arXiv 2407.21783, table 3, and the released `config.json` |
| qwen2-*     | Yang et al. 2024, arXiv 2407.10671, table 1, and the released `config.json`       |
| qwen3-*     | Yang et al. 2025, arXiv 2505.09388, table 1, and the released `config.json`       |

GPT-3 differs from its paper in three things. Its attention is dense here; there, every second layer
was sparse in an unpublished pattern. Two printed shapes contradict the parameters printed in its
table D.1, which are met with 16 heads instead of 24 for `gpt3-xl` (24 heads of 128 are not 2048
wide), and with a width of 5120 instead of 5140 for `gpt3-13b` (40 heads of 128).
"""

from dataclasses import dataclass

from groundup.model.config import ModelConfig, ModelShape, RopeScaling

__all__ = ["PRESETS", "Preset"]


@dataclass(frozen=True, slots=True)
class Preset:
    """A shape, and the vocabulary that it was published with; None for our own."""

    shape: ModelShape
    vocab_size: int | None = None

    def config(self, *, vocab_size: int | None = None) -> ModelConfig:
        """The shape with its own vocabulary, or with another.

        Raises:
            ValueError: Neither has one.
        """
        chosen = self.vocab_size if vocab_size is None else vocab_size
        if chosen is None:
            raise ValueError("this preset is for any vocabulary; give vocab_size")
        return ModelConfig.of(self.shape, vocab_size=chosen)


_GPT_VOCABULARY = 50_257
_LLAMA3_VOCABULARY = 128_256


def _gpt(n_layers: int, d_model: int, n_heads: int, *, context_length: int = 1024) -> Preset:
    """LayerNorm, learned positions, GELU in its tanh form, biases, a tied output layer."""
    shape = ModelShape(
        n_layers=n_layers,
        d_model=d_model,
        n_heads=n_heads,
        context_length=context_length,
        activation="gelu_tanh",
    )
    return Preset(shape, _GPT_VOCABULARY)


def _gpt3(n_layers: int, d_model: int, n_heads: int) -> Preset:
    return _gpt(n_layers, d_model, n_heads, context_length=2048)


def _llama2(n_layers: int, d_model: int, n_heads: int, n_kv_heads: int, d_ff: int) -> Preset:
    shape = ModelShape(
        n_layers=n_layers,
        d_model=d_model,
        n_heads=n_heads,
        n_kv_heads=n_kv_heads,
        d_ff=d_ff,
        context_length=4096,
        norm="rms",
        activation="swiglu",
        position="rope",
        bias=False,
        tied=False,
    )
    return Preset(shape, 32_000)


def _llama3(
    n_layers: int,
    d_model: int,
    n_heads: int,
    d_ff: int,
    *,
    stretched: float | None = None,
    tied: bool = False,
) -> Preset:
    """Llama 3; with `stretched` (a factor) the context of 131,072 that came with Llama 3.1."""
    shape = ModelShape(
        n_layers=n_layers,
        d_model=d_model,
        n_heads=n_heads,
        n_kv_heads=8,
        d_ff=d_ff,
        context_length=8192 if stretched is None else 131_072,
        norm="rms",
        activation="swiglu",
        position="rope",
        rope_theta=500_000.0,
        rope_scaling=None if stretched is None else RopeScaling(factor=stretched),
        bias=False,
        tied=tied,
    )
    return Preset(shape, _LLAMA3_VOCABULARY)


def _qwen2(
    n_layers: int,
    d_model: int,
    n_heads: int,
    n_kv_heads: int,
    d_ff: int,
    *,
    tied: bool = False,
    vocab_size: int = 152_064,
) -> Preset:
    shape = ModelShape(
        n_layers=n_layers,
        d_model=d_model,
        n_heads=n_heads,
        n_kv_heads=n_kv_heads,
        d_ff=d_ff,
        context_length=32_768,
        norm="rms",
        norm_eps=1e-6,
        activation="swiglu",
        position="rope",
        rope_theta=1e6,
        bias="qkv",
        tied=tied,
    )
    return Preset(shape, vocab_size)


def _qwen3(n_layers: int, d_model: int, n_heads: int, d_ff: int, *, tied: bool = False) -> Preset:
    shape = ModelShape(
        n_layers=n_layers,
        d_model=d_model,
        n_heads=n_heads,
        n_kv_heads=8,
        d_head=128,
        d_ff=d_ff,
        context_length=40_960,
        norm="rms",
        norm_eps=1e-6,
        activation="swiglu",
        position="rope",
        rope_theta=1e6,
        bias=False,
        tied=tied,
        qk_norm=True,
    )
    return Preset(shape, 151_936)


def _modern(n_layers: int, d_model: int, n_heads: int, n_kv_heads: int) -> Preset:
    """Qwen3's block at smaller sizes: RMSNorm, RoPE, SwiGLU, GQA, QK-norm, no bias."""
    shape = ModelShape(
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
    return Preset(shape)


PRESETS: dict[str, Preset] = {
    "demo": Preset(
        ModelShape(
            n_layers=4, d_model=128, n_heads=2, context_length=256, position="rope", tied=False
        )
    ),
    "modern-small": _modern(12, 768, 12, 4),
    "modern-medium": _modern(24, 1024, 16, 4),
    "modern-large": _modern(24, 2048, 16, 8),
    "gpt2": _gpt(12, 768, 12),
    "gpt2-medium": _gpt(24, 1024, 16),
    "gpt2-large": _gpt(36, 1280, 20),
    "gpt2-xl": _gpt(48, 1600, 25),
    "gpt3-small": _gpt3(12, 768, 12),
    "gpt3-medium": _gpt3(24, 1024, 16),
    "gpt3-large": _gpt3(24, 1536, 16),
    "gpt3-xl": _gpt3(24, 2048, 16),
    "gpt3-2.7b": _gpt3(32, 2560, 32),
    "gpt3-6.7b": _gpt3(32, 4096, 32),
    "gpt3-13b": _gpt3(40, 5120, 40),
    "gpt3-175b": _gpt3(96, 12_288, 96),
    "llama2-7b": _llama2(32, 4096, 32, 32, 11_008),
    "llama2-13b": _llama2(40, 5120, 40, 40, 13_824),
    "llama2-70b": _llama2(80, 8192, 64, 8, 28_672),
    "llama3-8b": _llama3(32, 4096, 32, 14_336),
    "llama3-70b": _llama3(80, 8192, 64, 28_672),
    "llama3.1-8b": _llama3(32, 4096, 32, 14_336, stretched=8.0),
    "llama3.1-70b": _llama3(80, 8192, 64, 28_672, stretched=8.0),
    "llama3.1-405b": _llama3(126, 16_384, 128, 53_248, stretched=8.0),
    "llama3.2-1b": _llama3(16, 2048, 32, 8192, stretched=32.0, tied=True),
    "llama3.2-3b": _llama3(28, 3072, 24, 8192, stretched=32.0, tied=True),
    "qwen2-0.5b": _qwen2(24, 896, 14, 2, 4864, tied=True, vocab_size=151_936),
    "qwen2-1.5b": _qwen2(28, 1536, 12, 2, 8960, tied=True, vocab_size=151_936),
    "qwen2-7b": _qwen2(28, 3584, 28, 4, 18_944),
    "qwen2-72b": _qwen2(80, 8192, 64, 8, 29_568),
    "qwen3-0.6b": _qwen3(28, 1024, 16, 3072, tied=True),
    "qwen3-1.7b": _qwen3(28, 2048, 16, 6144, tied=True),
    "qwen3-4b": _qwen3(36, 2560, 32, 9728, tied=True),
    "qwen3-8b": _qwen3(36, 4096, 32, 12_288),
    "qwen3-14b": _qwen3(40, 5120, 40, 17_408),
    "qwen3-32b": _qwen3(64, 5120, 64, 25_600),
}
"""All of them, by name."""
