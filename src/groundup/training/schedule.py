"""Learning-rate schedules: pure functions from a step to a factor of the peak learning rate.

A factor needs nothing but the step, so a resumed run continues on exactly the same curve.
"""

import math

from groundup.training.config import ScheduleConfig

__all__ = ["cosine", "lr_factor", "wsd"]


def wsd(
    step: int,
    *,
    total_steps: int,
    warmup_steps: int = 0,
    flat_fraction: float = 0.4,
    final_fraction: float = 0.0,
) -> float:
    """Warmup, stable, decay. Source: Hu et al. 2024, arXiv 2404.06395, section 4.1.

    Linear rise over `warmup_steps` (the first step already learns), flat until `flat_fraction` of
    all steps, then linear: the line reaches `final_fraction` at `total_steps`, one step after the
    last. Differs from the paper: the decay is linear (Haegele et al. 2024, arXiv 2405.18392).

    Args:
        step: Steps already taken, from 0.
        flat_fraction: Share of `total_steps` (warmup included) before the decay begins.
        final_fraction: Factor at the end, 0..1.
    """
    decay_start = max(flat_fraction * total_steps, warmup_steps)
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    if step < decay_start:
        return 1.0
    done = min((step - decay_start) / max(total_steps - decay_start, 1.0), 1.0)
    return 1.0 - (1.0 - final_fraction) * done


def cosine(
    step: int, *, total_steps: int, warmup_steps: int = 0, final_fraction: float = 0.1
) -> float:
    """Linear warmup, then half a cosine. Source: Loshchilov and Hutter 2017, arXiv 1608.03983.

    The default end, a tenth of the peak, is GPT-3's (arXiv 2005.14165, appendix B).

    Args:
        step: Steps already taken, from 0.
        final_fraction: Factor at `total_steps`, 0..1.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    done = min((step - warmup_steps) / max(total_steps - warmup_steps, 1), 1.0)
    return final_fraction + (1.0 - final_fraction) * 0.5 * (1.0 + math.cos(math.pi * done))


def lr_factor(step: int, *, total_steps: int, config: ScheduleConfig) -> float:
    """The factor that a recipe's `[schedule]` section gives at a step, in 0..1."""
    if config.kind == "cosine":
        return cosine(
            step,
            total_steps=total_steps,
            warmup_steps=config.warmup_steps,
            final_fraction=config.final_fraction,
        )
    return wsd(
        step,
        total_steps=total_steps,
        warmup_steps=config.warmup_steps,
        flat_fraction=config.flat_fraction,
        final_fraction=config.final_fraction,
    )
