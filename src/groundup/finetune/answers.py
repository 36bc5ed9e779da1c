"""Log-probabilities of answer tokens: the quantity that SFT raises and RL weighs.

The output layer runs on answer positions only. Prompts are most of a fine-tuning batch and the
vocabulary is wide, so that saves a good part of the work.

Letters: B batch, T position, N answer tokens of the whole batch, D model width, V vocabulary.
"""

import torch
from torch import Tensor

from groundup.finetune.data import IGNORED, Batch
from groundup.model.loss import target_log_probs
from groundup.model.transformer import Transformer

__all__ = ["answer_log_probs", "to_device"]


def to_device(batch: Batch, device: torch.device) -> tuple[Tensor, Tensor]:
    """The batch's ids and targets as int64 tensors, both (B, T)."""
    return torch.from_numpy(batch.ids).to(device), torch.from_numpy(batch.targets).to(device)


def answer_log_probs(
    model: Transformer,
    ids_BT: Tensor,
    targets_BT: Tensor,
    *,
    temperature: float = 1.0,
    exact: bool = False,
) -> Tensor:
    """Log-probability in nats of every target that counts: float32 (N,), row after row.

    Args:
        model: The policy.
        ids_BT: Token ids.
        targets_BT: The token that follows each; -100 is left out of the result.
        temperature: Divides the logits, as in sampling.
        exact: Log-softmax in float32, for validation; not differentiable.
    """
    counts_BT = targets_BT != IGNORED
    hidden_ND = model.hidden(ids_BT)[counts_BT] / temperature
    weight_VD, _ = model.head.cast(hidden_ND.dtype)
    return target_log_probs(hidden_ND, weight_VD, targets_BT[counts_BT], exact=exact)
