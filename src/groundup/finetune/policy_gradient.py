"""The arithmetic of GRPO: advantages and the clipped loss, pure functions on tensors.

Source: Shao et al. 2024, arXiv 2402.03300 (GRPO, eq. 3), with the corrections of later work:

- advantages are not divided by the group's standard deviation, which would weigh the easiest and
  hardest prompts most, and the sum over tokens is divided by a constant, not by each answer's own
  length, which would favour long wrong answers (Dr. GRPO, Liu et al. 2025, arXiv 2503.20783,
  section 3.1 and figure 1);
- the ratio's upper clip is wider than the lower one (DAPO, Yu et al. 2025, arXiv 2503.14476,
  section 3.1), and groups whose answers all earn the same are left out (section 3.2; differs from
  the paper: they are not replaced by other prompts).

Letters: P prompt, G completion of one prompt, N answer tokens of a batch.
"""

import torch
from torch import Tensor

from groundup.core.errors import ShapeError

__all__ = ["advantages", "grpo_loss", "has_signal", "kl_estimate"]


def advantages(rewards_PG: Tensor) -> Tensor:
    """How much more each answer earned than the mean of its siblings, itself included: (P, G)."""
    return rewards_PG - rewards_PG.mean(dim=1, keepdim=True)


def has_signal(rewards_PG: Tensor) -> Tensor:
    """Which prompts teach something, their answers not all earning the same: bool (P,)."""
    return (rewards_PG != rewards_PG[:, :1]).any(dim=1)


def kl_estimate(logp_N: Tensor, reference_N: Tensor) -> Tensor:
    """Estimates KL(policy, reference) at each sampled token, in nats: (N,), never below 0.

    Source: Schulman 2020, "Approximating KL divergence", estimator k3; GRPO's eq. 4.
    """
    ratio_N = reference_N - logp_N
    return ratio_N.exp() - ratio_N - 1.0


def grpo_loss(
    logp_N: Tensor,
    old_N: Tensor,
    advantage_N: Tensor,
    *,
    normaliser: float,
    clip_low: float,
    clip_high: float,
    reference_N: Tensor | None = None,
    kl_coefficient: float = 0.0,
) -> Tensor:
    """The loss whose gradient makes answers with a positive advantage likelier: a scalar.

    Args:
        logp_N: Log-probability of each sampled token under the policy, in nats.
        old_N: The same under the policy that sampled; no gradient.
        advantage_N: Advantage of the answer that each token belongs to.
        normaliser: What the sum over tokens is divided by: answers sampled in the step times the
            most tokens of one.
        clip_low: The ratio counts as at least 1 - clip_low ...
        clip_high: ... and as at most 1 + clip_high, where that makes the loss larger.
        reference_N: The same under the model started from; only for the KL penalty.
        kl_coefficient: Weight of that penalty.

    Raises:
        ShapeError: The inputs differ in shape.
    """
    if not logp_N.shape == old_N.shape == advantage_N.shape:
        raise ShapeError(
            f"log-probabilities {tuple(logp_N.shape)} and {tuple(old_N.shape)}, advantages "
            f"{tuple(advantage_N.shape)}: they must be alike"
        )
    ratio_N = torch.exp(logp_N - old_N)
    clipped_N = ratio_N.clamp(1.0 - clip_low, 1.0 + clip_high)
    gain_N = torch.minimum(ratio_N * advantage_N, clipped_N * advantage_N)
    if reference_N is not None:
        gain_N = gain_N - kl_coefficient * kl_estimate(logp_N, reference_N)
    return -gain_N.sum() / normaliser
