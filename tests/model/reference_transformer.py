"""A slow Transformer in NumPy float64, one token and one head at a time, straight from the papers.

It shares no code with `groundup.model`; it reads parameters by their names.
"""

import math

import numpy as np


def reference_logits(weights, config, ids_T):
    """(T, V) logits of one row."""
    w = {name: np.asarray(value, dtype=np.float64) for name, value in weights.items()}
    x_T = [w["embedding.weight"][id].copy() for id in ids_T]
    if config.position == "learned":
        x_T = [x + w["positions.weight"][t] for t, x in enumerate(x_T)]
    for layer in range(config.n_layers):
        block = _Part(w, f"blocks.{layer}.")
        normed_T = [_norm(x, block, "attention_norm", config) for x in x_T]
        added_T = _attention(normed_T, block, config)
        x_T = [x + added for x, added in zip(x_T, added_T, strict=True)]
        x_T = [
            x + _feedforward(_norm(x, block, "feedforward_norm", config), block, config)
            for x in x_T
        ]
    top = _Part(w, "")
    head = w["embedding.weight"] if config.tied else w["head.weight"]
    return np.stack([head @ _norm(x, top, "final_norm", config) for x in x_T])


class _Part:
    def __init__(self, weights, prefix):
        self.weights, self.prefix = weights, prefix

    def linear(self, name, x):
        y = self.weights[f"{self.prefix}{name}.weight"] @ x
        bias = self.weights.get(f"{self.prefix}{name}.bias")
        return y if bias is None else y + bias

    def get(self, name):
        return self.weights.get(self.prefix + name)


def _norm(x, part, name, config):
    scale, shift = part.get(f"{name}.weight"), part.get(f"{name}.bias")
    if config.norm == "layer":
        x = x - x.mean()
    y = x / math.sqrt((x * x).mean() + config.norm_eps) * scale
    return y if shift is None else y + shift


def _heads(vector, width):
    return [vector[start : start + width] for start in range(0, len(vector), width)]


def _prepare(head, t, norm_scale, config):
    """QK-norm, then rotation, of one head's query or key at position t."""
    if norm_scale is not None:
        head = head / math.sqrt((head * head).mean() + config.norm_eps) * norm_scale
    if config.position == "learned":
        return head
    half = len(head) // 2
    turned = np.empty_like(head)
    for pair in range(half):
        angle = t * _frequency(config.rope_theta ** (-2 * pair / len(head)), config.rope_scaling)
        a, b = head[pair], head[pair + half]
        turned[pair] = a * math.cos(angle) - b * math.sin(angle)
        turned[pair + half] = b * math.cos(angle) + a * math.sin(angle)
    return turned


def _frequency(frequency, scaling):
    """Radians a position, scaled as in meta-llama/llama-models, `apply_scaling`."""
    if scaling is None:
        return frequency
    wavelength = 2 * math.pi / frequency
    if wavelength < scaling.original_context_length / scaling.high_frequency_factor:
        return frequency
    if wavelength > scaling.original_context_length / scaling.low_frequency_factor:
        return frequency / scaling.factor
    smooth = scaling.original_context_length / wavelength - scaling.low_frequency_factor
    smooth /= scaling.high_frequency_factor - scaling.low_frequency_factor
    return (1 - smooth) * frequency / scaling.factor + smooth * frequency


def _attention(x_T, block, config):
    width = config.d_head or config.d_model // config.n_heads
    kv_heads = config.n_kv_heads or config.n_heads
    q_norm, k_norm = (block.get(f"attention.{name}_norm.weight") for name in ("query", "key"))
    q, k, v = [], [], []
    for t, x in enumerate(x_T):
        q.append(
            [
                _prepare(h, t, q_norm, config)
                for h in _heads(block.linear("attention.query", x), width)
            ]
        )
        k.append(
            [
                _prepare(h, t, k_norm, config)
                for h in _heads(block.linear("attention.key", x), width)
            ]
        )
        v.append(_heads(block.linear("attention.value", x), width))
    out = []
    for t in range(len(x_T)):
        parts = []
        for h in range(config.n_heads):
            shared = h // (config.n_heads // kv_heads)
            scores = np.array([q[t][h] @ k[s][shared] / math.sqrt(width) for s in range(t + 1)])
            p = np.exp(scores - scores.max())
            p /= p.sum()
            parts.append(sum(p[s] * v[s][shared] for s in range(t + 1)))
        out.append(block.linear("attention.out", np.concatenate(parts)))
    return out


def _feedforward(x, block, config):
    up = block.linear("feedforward.up", x)
    if config.activation == "swiglu":
        gate = block.linear("feedforward.gate", x)
        hidden = gate / (1 + np.exp(-gate)) * up
    elif config.activation == "gelu":
        hidden = np.array([u * 0.5 * (1 + math.erf(u / math.sqrt(2))) for u in up])
    elif config.activation == "gelu_tanh":  # openai/gpt-2, src/model.py
        hidden = 0.5 * up * (1 + np.tanh(np.sqrt(2 / np.pi) * (up + 0.044715 * up**3)))
    else:
        hidden = np.maximum(up, 0) ** 2
    return block.linear("feedforward.down", hidden)
