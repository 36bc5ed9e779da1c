"""Log-probabilities of target tokens from hidden states, without keeping the logits.

Letters: N rows (tokens), D model width, V vocabulary.

`softmax` of a bfloat16 logit row is computed in float32 inside one pass and rounded once at the
end, so the log-probability of the target is right to 0.4%, where a bfloat16 `log_softmax` would be
rounded to 1/32 nat. The probabilities are also all that the gradient needs:
d logp_n / d logit_nv = [v = target_n] - p_nv.
"""

from typing import Any

import torch
from torch import Tensor

__all__ = ["IGNORED", "target_log_probs"]

IGNORED = -100
"""Target id of a token that is not learned (PyTorch's convention)."""

# Probabilities kept for the backward pass, in elements; above it they are computed again, a piece
# at a time, which costs one more product with the output layer.
_KEPT_ELEMENTS = 1 << 28
_PIECE_ELEMENTS = 1 << 25


def target_log_probs(
    hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, *, exact: bool = False
) -> Tensor:
    """Log-probabilities of the targets, log softmax(hidden @ weight.T), in nats.

    Args:
        hidden_ND: In the compute format.
        weight_VD: The output layer in the same format; gradients reach it.
        targets_N: int64 ids, or `IGNORED`.
        exact: Logits and log-softmax in float32 (float64 when the inputs are): for validation, not
            differentiable. The weights may then be of any format.

    Returns:
        float32 (N,), 0 where ignored.
    """
    if exact:
        return _exact(hidden_ND.detach(), weight_VD.detach(), targets_N)
    result: Tensor = _TargetLogProbs.apply(hidden_ND, weight_VD, targets_N)  # type: ignore[no-untyped-call]  # torch's
    return result


def _pieces(n_rows: int, vocab_size: int) -> list[slice]:
    rows = max(1, _PIECE_ELEMENTS // vocab_size)
    return [slice(start, min(start + rows, n_rows)) for start in range(0, n_rows, rows)]


def _exact(hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor) -> Tensor:
    wide = torch.promote_types(hidden_ND.dtype, torch.float32)
    weight_VD = weight_VD.to(wide)
    logp_N = torch.empty(targets_N.shape, dtype=wide, device=targets_N.device)
    for piece in _pieces(len(targets_N), len(weight_VD)):
        logits = hidden_ND[piece].to(wide) @ weight_VD.T
        chosen = logits.gather(1, targets_N[piece].clamp(min=0)[:, None])[:, 0]
        logp_N[piece] = chosen - logits.logsumexp(1)
    return logp_N.masked_fill_(targets_N == IGNORED, 0.0)


class _TargetLogProbs(torch.autograd.Function):
    """The differentiable version; see the module's docstring."""

    @staticmethod
    def forward(ctx: Any, hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor) -> Tensor:
        wide = torch.promote_types(hidden_ND.dtype, torch.float32)
        ids_N1 = targets_N.clamp(min=0)[:, None]
        keep = targets_N.numel() * len(weight_VD) <= _KEPT_ELEMENTS
        logp_N = torch.empty(targets_N.shape, dtype=wide, device=targets_N.device)
        pieces = [slice(None)] if keep else _pieces(len(targets_N), len(weight_VD))
        for piece in pieces:
            p_NV = torch.softmax(hidden_ND[piece] @ weight_VD.T, dim=-1)
            smallest = torch.finfo(p_NV.dtype).tiny
            logp_N[piece] = p_NV.gather(1, ids_N1[piece])[:, 0].to(wide).clamp(min=smallest).log()
        ctx.save_for_backward(hidden_ND, weight_VD, targets_N, p_NV if keep else None)
        return logp_N.masked_fill_(targets_N == IGNORED, 0.0)

    @staticmethod
    def backward(ctx: Any, grad_N: Tensor) -> tuple[Tensor, Tensor, None]:
        hidden_ND, weight_VD, targets_N, kept_NV = ctx.saved_tensors
        grad_N = grad_N.masked_fill(targets_N == IGNORED, 0.0)
        ids_N1 = targets_N.clamp(min=0)[:, None]
        if kept_NV is not None:
            g_NV = _logit_gradient(kept_NV, ids_N1, grad_N)
            return g_NV @ weight_VD, g_NV.T @ hidden_ND, None
        grad_hidden_ND = torch.empty_like(hidden_ND)
        grad_weight_VD = torch.zeros_like(
            weight_VD, dtype=torch.promote_types(weight_VD.dtype, torch.float32)
        )
        for piece in _pieces(len(targets_N), len(weight_VD)):
            p_NV = torch.softmax(hidden_ND[piece] @ weight_VD.T, dim=-1)
            g_NV = _logit_gradient(p_NV, ids_N1[piece], grad_N[piece])
            grad_hidden_ND[piece] = g_NV @ weight_VD
            grad_weight_VD += g_NV.T @ hidden_ND[piece]
        return grad_hidden_ND, grad_weight_VD.to(weight_VD.dtype), None


def _logit_gradient(p_NV: Tensor, ids_N1: Tensor, grad_N: Tensor) -> Tensor:
    """Gradient by the logits, grad * ([v = target] - p), as a new tensor."""
    grad_N1 = grad_N[:, None].to(p_NV.dtype)
    return (p_NV * -grad_N1).scatter_add_(1, ids_N1, grad_N1)
