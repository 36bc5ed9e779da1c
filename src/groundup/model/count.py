"""Exact parameters, and floating-point operations per token, of a config; nothing is built.

A product of (m, k) and (k, n) is 2mkn operations; only matrix products count, as in PyTorch's
`FlopCounterMode`. A backward pass does twice the work of a forward pass, so a trained token costs

    6 * matrix_params + 12 * n_layers * n_heads * d_head * context          operations,

`matrix_params` being every weight that a token is multiplied by: blocks and output layer, but
neither the lookup in the embedding, nor norms and biases. The second term is attention's two
products (Kaplan et al. 2020, arXiv 2001.08361, section 2.1; Chowdhery et al. 2022, arXiv
2204.02311, appendix B). It counts the whole (T, T) square, as PaLM and nanoGPT do; causal attention
needs half of it, and counting all makes utilisation comparable, not smaller work.
"""

from groundup.model.config import ModelConfig, ModelShape

__all__ = ["flops_per_token", "forward_flops_per_token", "matrix_params", "n_params"]

_BACKWARD_AND_FORWARD = 3  # forward, gradient by inputs, gradient by weights


def n_params(config: ModelConfig, *, embeddings: bool = True) -> int:
    """Trained numbers; a tied output layer counts once.

    Args:
        embeddings: False leaves out token and position embeddings and an untied output layer
            (Kaplan's N).
    """
    blocks = config.n_layers * _block_params(config) + _norm_params(config, config.d_model)
    if not embeddings:
        return blocks
    tables = config.vocab_size * config.d_model * (1 if config.tied else 2)
    learned = config.context_length if config.position == "learned" else 0
    return blocks + tables + learned * config.d_model


def matrix_params(config: ModelConfig) -> int:
    """Weights that each token is multiplied by, output layer included."""
    return config.n_layers * _block_matrices(config) + config.vocab_size * config.d_model


def forward_flops_per_token(config: ModelConfig, context: int) -> int:
    """Operations for one token that attends to `context` tokens."""
    attention = 4 * config.n_layers * config.n_heads * config.head_width * context
    return 2 * matrix_params(config) + attention


def flops_per_token(config: ModelConfig, context: int) -> int:
    """Operations to train on one token in rows of `context` tokens, forward and backward."""
    return _BACKWARD_AND_FORWARD * forward_flops_per_token(config, context)


def _block_matrices(shape: ModelShape) -> int:
    heads = shape.n_heads + shape.kv_heads
    attention = 2 * shape.d_model * heads * shape.head_width  # query and out, key and value
    return attention + _ff_matrices(shape) * shape.d_model * shape.ff_width


def _ff_matrices(shape: ModelShape) -> int:
    return 3 if shape.activation == "swiglu" else 2


def _block_params(shape: ModelShape) -> int:
    params = _block_matrices(shape) + 2 * _norm_params(shape, shape.d_model)
    if shape.has_qkv_bias:
        params += (shape.n_heads + 2 * shape.kv_heads) * shape.head_width
    if shape.has_bias:
        params += 2 * shape.d_model + (_ff_matrices(shape) - 1) * shape.ff_width
    if shape.qk_norm:
        params += 2 * shape.head_width
    return params


def _norm_params(shape: ModelShape, width: int) -> int:
    return 2 * width if shape.norm == "layer" and shape.has_bias else width
