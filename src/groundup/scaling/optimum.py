"""Best sizes under constraints that a law alone does not see: repeated data, and serving.

Repeated data (Muennighoff et al. 2023, arXiv 2305.16264, equations 5 and 6): R repetitions of U
unique tokens are worth U + U R* (1 - exp(-R / R*)) fresh ones, and parameters beyond the compute
optimum U_N of that much data wear off likewise.

Serving (Sardana et al. 2024, arXiv 2401.00448, equation 1): among all (N, D) of one loss, the
least 6 N D + 2 N D_served.
"""

import math
from dataclasses import dataclass

from scipy.optimize import minimize_scalar

from groundup.core.errors import ConfigError
from groundup.scaling.laws import Law

__all__ = [
    "FREE_EPOCHS",
    "MOST_EPOCHS",
    "Served",
    "effective",
    "flops_for_loss",
    "loss_with_repeats",
    "optimal_params",
    "serving_optimum",
    "total_for",
]

TOKENS_WEAR_OFF = 15.387756  # R*_D, appendix A
PARAMS_WEAR_OFF = 5.309743  # R*_N, appendix A
FREE_EPOCHS = 4.0  # repeats up to here cost next to nothing (section 6)
MOST_EPOCHS = 16.0  # beyond, a repeated token is worth under .38 of a fresh one


def effective(total: float, unique: float, wear_off: float = TOKENS_WEAR_OFF) -> float:
    """What `total` is worth when only `unique` of it is fresh."""
    repeats = max(total / unique - 1.0, 0.0)
    fresh = min(total, unique)
    return fresh + fresh * wear_off * -math.expm1(-repeats / wear_off)


def total_for(worth: float, unique: float | None) -> float | None:
    """How many tokens, repeats included, are worth `worth` fresh ones; None when none are."""
    if unique is None or worth <= unique:
        return worth
    left = 1.0 - (worth - unique) / (unique * TOKENS_WEAR_OFF)
    return unique * (1.0 - TOKENS_WEAR_OFF * math.log(left)) if left > 0 else None


def loss_with_repeats(law: Law, n: float, d: float, unique: float) -> float:
    """Loss of `n` parameters on `d` tokens of which `unique` differ, with both corrections."""
    best_n = optimal_params(law, unique)
    return law.loss(effective(n, best_n, PARAMS_WEAR_OFF), effective(d, unique))


def optimal_params(law: Law, tokens: float) -> float:
    """N for which `tokens` is the compute-optimal D."""
    one = law.optimum(6.0)[0]  # N at N D = 1; D = (N D)^(1-a) / one
    return float(one * (tokens * one) ** (law.a / (1.0 - law.a)))


@dataclass(frozen=True, slots=True)
class Served:
    """A model sized for training and serving together.

    Attributes:
        n: Parameters.
        d: Training tokens.
        flops: Training and serving.
        optimum_flops: The same for the model that is cheapest to train.
    """

    n: float
    d: float
    flops: float
    optimum_flops: float

    @property
    def saved_fraction(self) -> float:
        """Share of all operations saved against the model that is cheapest to train."""
        return 1.0 - self.flops / self.optimum_flops


def serving_optimum(law: Law, loss: float, served_tokens: float) -> Served:
    """The cheapest (N, D) of `loss` when `served_tokens` will be read and written.

    Raises:
        ConfigError: No model reaches the loss under this law.
    """
    cheapest_n, cheapest_d = law.optimum(flops_for_loss(law, loss))

    def flops(log_n: float) -> float:
        n = math.exp(log_n)
        d = law.tokens_for(loss, n)
        assert d is not None, "the bounds keep n above what the loss needs"
        return 6.0 * n * d + 2.0 * n * served_tokens

    bounds = (math.log(law.least_params(loss)) + 1e-6, math.log(cheapest_n) + 0.5)
    found = minimize_scalar(flops, bounds=bounds, method="bounded", options={"xatol": 1e-12})
    n = math.exp(float(found.x))
    d = law.tokens_for(loss, n)
    assert d is not None, "the minimum is within the bounds"
    trained = 6.0 * cheapest_n * cheapest_d + 2.0 * cheapest_n * served_tokens
    return Served(n, d, float(found.fun), trained)


def flops_for_loss(law: Law, loss: float) -> float:
    """Least 6 N D whose optimum has `loss`.

    Raises:
        ConfigError: The loss is not above the law's floor E.
    """
    if loss <= law.E:
        raise ConfigError(
            f"no model reaches a loss of {loss:g}: the floor of {law.name} is {law.E:.3f}",
            hint=f"ask for a loss above {law.E:.3f} nats per token",
        )
    low, high = 0.0, 100.0  # ln of operations; 1 to 3e43
    for _ in range(200):
        middle = (low + high) / 2.0
        if law.loss(*law.optimum(math.exp(middle))) > loss:
            low = middle
        else:
            high = middle
    return math.exp(high)
