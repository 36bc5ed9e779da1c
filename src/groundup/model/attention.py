"""Causal self-attention with grouped key/value heads, cached and uncached.

Letters: B batch, T query position, S key position, D model width, H query head, K key/value head,
C head width. Source: Vaswani et al. 2017, arXiv 1706.03762, section 3.2; grouped heads: Ainslie et
al. 2023, arXiv 2305.13245.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundup.model.cache import HIDDEN, Cache
from groundup.model.config import ModelShape
from groundup.model.layers import Linear, RMSNorm
from groundup.model.rope import Rotation, no_rotation, rotate

__all__ = [
    "Attention",
    "CausalAttention",
    "Frame",
    "attend",
    "attend_causally",
    "attend_plainly",
    "forget_masks",
]

# Above this many keys PyTorch's fused kernel beats a plain product on a CPU in bfloat16
# (forward and backward, 6 heads of 64, one Zen4 core: 11.7 against 25.0 ms at 256 keys, 141 against
# 164 ms at 2048); the plain product also holds the (T, S) weights in memory.
_PLAIN_MAX_KEYS = 2048


# With a cache, the plain product is used up to this many scores; more would not fit the caches of a
# processor, nor, for a long prompt, its memory.
_PLAIN_MAX_SCORES = 1 << 26


@dataclass(frozen=True, slots=True)
class Frame:
    """What all layers of one forward pass share.

    Attributes:
        dtype: Number format of matrix products.
        rotation: Cosines and sines of the tokens' positions; empty with learned positions.
        cache: Keys and values of earlier tokens; None means none, and causal attention.
        bias: What the cache adds to the scores of its slots; empty without a cache.
    """

    dtype: torch.dtype
    rotation: Rotation
    cache: Cache | None
    bias: Tensor


CausalAttention = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Queries (B, H, T, C), keys and values (B, K, T, C) to (B, H, T, C); token t sees 0..t."""


class Attention(nn.Module):
    """Attention of one layer.

    Attributes:
        attend_causally: What computes it without a cache; see `model/attention_probe.py`.
    """

    def __init__(self, shape: ModelShape, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.d_head = shape.head_width
        width, kv_width = shape.n_heads * self.d_head, shape.kv_heads * self.d_head
        self.query = Linear(shape.d_model, width, bias=shape.has_qkv_bias)
        self.key = Linear(shape.d_model, kv_width, bias=shape.has_qkv_bias)
        self.value = Linear(shape.d_model, kv_width, bias=shape.has_qkv_bias)
        self.out = Linear(width, shape.d_model, bias=shape.has_bias)
        self.query_norm = _head_norm(shape)
        self.key_norm = _head_norm(shape)
        self.rotate = rotate if shape.position == "rope" else no_rotation
        self.attend_causally: CausalAttention = attend_causally

    def forward(self, x_BTD: Tensor, frame: Frame) -> Tensor:
        """Returns what the residual stream gets, (B, T, D)."""
        q_BHTC = self.rotate(self.query_norm(self._heads(self.query(x_BTD))), frame.rotation)
        k_BKTC = self.rotate(self.key_norm(self._heads(self.key(x_BTD))), frame.rotation)
        v_BKTC = self._heads(self.value(x_BTD))
        if frame.cache is None:
            y_BHTC = self.attend_causally(q_BHTC, k_BKTC, v_BKTC)
        else:
            y_BHTC = attend(q_BHTC, *frame.cache.append(self.layer, k_BKTC, v_BKTC), frame.bias)
        y_BTD: Tensor = self.out(y_BHTC.transpose(1, 2).flatten(2))
        return y_BTD

    def _heads(self, x: Tensor) -> Tensor:
        """(B, T, heads * C) to (B, heads, T, C)."""
        B, T, _ = x.shape
        return x.view(B, T, -1, self.d_head).transpose(1, 2)


def _head_norm(shape: ModelShape) -> nn.Module:
    return RMSNorm(shape.head_width, eps=shape.norm_eps) if shape.qk_norm else nn.Identity()


def attend_causally(q_BHTC: Tensor, k_BKTC: Tensor, v_BKTC: Tensor) -> Tensor:
    """Attention in which token t sees tokens 0..t; returns (B, H, T, C)."""
    T = q_BHTC.shape[2]
    if q_BHTC.device.type == "cpu" and q_BHTC.dtype == torch.bfloat16 and T <= _PLAIN_MAX_KEYS:
        return _attend_plainly(q_BHTC, k_BKTC, v_BKTC, _causal_bias(T, q_BHTC.dtype))
    grouped = q_BHTC.shape[1] != k_BKTC.shape[1]
    return F.scaled_dot_product_attention(
        q_BHTC, k_BKTC, v_BKTC, is_causal=True, enable_gqa=grouped
    )


def attend(q_BHTC: Tensor, k_BKSC: Tensor, v_BKSC: Tensor, bias: Tensor) -> Tensor:
    """Attention with `bias`, (T, S) or (B, 1, T, S), added to the scores; returns (B, H, T, C)."""
    n_scores = q_BHTC.shape[:3].numel() * k_BKSC.shape[2]
    if q_BHTC.device.type == "cpu" and n_scores <= _PLAIN_MAX_SCORES:
        return _attend_plainly(q_BHTC, k_BKSC, v_BKSC, bias)
    grouped = q_BHTC.shape[1] != k_BKSC.shape[1]
    return F.scaled_dot_product_attention(
        q_BHTC, k_BKSC, v_BKSC, attn_mask=bias, enable_gqa=grouped
    )


def attend_plainly(q_BHTC: Tensor, k_BKTC: Tensor, v_BKTC: Tensor) -> Tensor:
    """As `attend_causally`, always as two batched products: what other kernels must agree with."""
    bias = _causal_bias(q_BHTC.shape[2], q_BHTC.dtype).to(q_BHTC.device)
    return _attend_plainly(q_BHTC, k_BKTC, v_BKTC, bias)


@lru_cache(maxsize=4)
def _causal_bias(T: int, dtype: torch.dtype) -> Tensor:
    """(T, T): 0 on and below the diagonal, hidden above."""
    return torch.full((T, T), HIDDEN, dtype=dtype).triu_(1)


def forget_masks() -> None:
    """Drops kept masks; around passes over tensors without data, which leave theirs."""
    _causal_bias.cache_clear()


def _attend_plainly(q_BHTC: Tensor, k_BKSC: Tensor, v_BKSC: Tensor, bias: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(C) + bias) v, as two batched products.

    The query heads of a group stand below each other as more rows of one product, so grouped keys
    and values are never repeated.
    """
    B, H, T, C = q_BHTC.shape
    K, S = k_BKSC.shape[1:3]
    rows = H // K * T  # query rows that share a key head
    q = q_BHTC.reshape(B * K, rows, C)
    k = k_BKSC.reshape(B * K, S, C)
    v = v_BKSC.reshape(B * K, S, C)
    if bias.ndim > 2:
        bias = bias.expand(B, H, T, S).reshape(B * K, rows, S)
    elif H > K:
        bias = bias.repeat(H // K, 1)
    scores = torch.baddbmm(bias, q, k.transpose(1, 2), alpha=C**-0.5)
    y = torch.bmm(torch.softmax(scores, dim=-1), v)
    return y.view(B, H, T, C)
