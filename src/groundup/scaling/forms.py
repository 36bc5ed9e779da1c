"""The forms that a law can have, as functions of free numbers with exact gradients.

x and y are ln N and ln D less their means, which takes most of the correlation out of scales and
exponents. The sum form is fitted through its logarithms (Hoffmann et al. 2022, appendix D.2):

    ln L = logsumexp(a - alpha x, b - beta y, e),

Kaplan's through ln L = beta logsumexp(a - rho x, b - y) with rho = alpha / beta.
"""

import math
from dataclasses import dataclass

import numpy as np

from groundup.core.errors import ConfigError
from groundup.scaling.laws import Law

__all__ = ["FORMS", "Form", "form_named"]


@dataclass(frozen=True, slots=True)
class Form:
    """A form with free numbers theta = (a, b, first exponent[, second exponent][, e]).

    Attributes:
        name: As `--law` names it.
        floor: Whether there is a loss E that nothing goes below.
        shared: Whether N and D have one exponent.
        bracket: Whether it is Kaplan's.
        least_points: Fewest runs that it may be fitted to.
    """

    name: str
    floor: bool
    shared: bool = False
    bracket: bool = False
    least_points: int = 8

    @property
    def n_free(self) -> int:
        """How many numbers are free."""
        return 3 + (not self.shared) + self.floor

    def log_loss(
        self, theta: np.ndarray, x: np.ndarray, y: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Logarithm of the loss at every point, and its derivatives, a row for each free number.

        `theta` may hold many vectors along leading axes; both results then have those axes too.
        """
        if self.bracket:
            return _bracket(theta, x, y)
        theta = theta[..., None]
        alpha = theta[..., 2, :]
        beta = alpha if self.shared else theta[..., 3, :]
        parts = [theta[..., 0, :] - alpha * x, theta[..., 1, :] - beta * y]
        if self.floor:
            parts.append(theta[..., -1, :] + np.zeros_like(x))
        stacked = np.stack(parts)
        top = stacked.max(axis=0)
        weights = np.exp(stacked - top)
        total = weights.sum(axis=0)
        weights /= total
        by_alpha, by_beta = -x * weights[0], -y * weights[1]
        slopes = [by_alpha + by_beta] if self.shared else [by_alpha, by_beta]
        floors = [weights[2]] if self.floor else []
        rows = [weights[0], weights[1], *slopes, *floors]
        return top + np.log(total), np.stack(rows, axis=-2)

    def law(self, theta: np.ndarray, mean_x: float, mean_y: float, *, name: str) -> Law:
        """The law in plain N and D."""
        first = float(theta[2])
        second = first if self.shared else float(theta[3])
        if self.bracket:
            scale_n = math.exp(_bounded((float(theta[0]) + first * mean_x) / first))
            scale_d = math.exp(_bounded(float(theta[1]) + mean_y))
            return Law(name, 0.0, scale_n, scale_d, first * second, second, bracket=True)
        return Law(
            name,
            math.exp(_bounded(float(theta[-1]))) if self.floor else 0.0,
            math.exp(_bounded(float(theta[0]) + first * mean_x)),
            math.exp(_bounded(float(theta[1]) + second * mean_y)),
            first,
            second,
        )


def _bounded(exponent: float) -> float:
    """Keeps exp() finite for the odd resample whose exponents run away."""
    return min(max(exponent, -700.0), 700.0)


def _bracket(theta: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b, rho, beta = (theta[..., i, None] for i in range(4))
    u, v = a - rho * x, b - y
    total = np.logaddexp(u, v)
    weight_u, weight_v = np.exp(u - total), np.exp(v - total)
    rows = [beta * weight_u, beta * weight_v, -beta * weight_u * x, total + np.zeros_like(x)]
    return beta * total, np.stack(rows, axis=-2)


FORMS = {
    "chinchilla": Form("chinchilla", floor=True),
    "equal-exponent": Form("equal-exponent", floor=True, shared=True, least_points=5),
    "power": Form("power", floor=False, least_points=5),
    "kaplan": Form("kaplan", floor=False, bracket=True, least_points=5),
}


def form_named(name: str) -> Form:
    """The form that `--law` names.

    Raises:
        ConfigError: There is none of that name.
    """
    if name not in FORMS:
        raise ConfigError(f"there is no law {name!r}", hint=f"one of {', '.join(FORMS)}")
    return FORMS[name]
