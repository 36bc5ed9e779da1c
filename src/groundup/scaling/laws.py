"""Laws of loss: what they predict, what they hold for, and the published constants.

N is parameters, D training tokens, C floating-point operations, loss nats per token. The sum form
is Hoffmann et al. 2022 (arXiv 2203.15556, approach 3):

    L(N, D) = E + A / N^alpha + B / D^beta,

the bracket form Kaplan et al. 2020 (arXiv 2001.08361, equation 1.5):

    L(N, D) = [(A / N)^(alpha / beta) + B / D]^beta.

Rounding is a trap. Hoffmann's printed exponents .34 and .28 ask for 76 tokens a parameter at 13
billion parameters; the same fit less rounded asks for 47, and Epoch's corrected fit of the same
points for 20. So the default is Epoch's, with all its digits.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

__all__ = [
    "C4_REPEATED",
    "DEEPSEEK_SPEED",
    "EPOCH",
    "HOFFMANN",
    "KAPLAN",
    "LLAMA3_TOKENS",
    "STEP_LAW",
    "Law",
    "TrainingSettings",
]

Counts = Literal["total", "matrix", "body"]


@dataclass(frozen=True, slots=True)
class Law:
    """A law of loss with its constants.

    Attributes:
        name: What it is called in tables.
        E: Loss of an infinite model on infinite data.
        A: Scale of the term in N.
        B: Scale of the term in D.
        alpha: Exponent of N.
        beta: Exponent of D.
        bracket: Whether it has Kaplan's form.
        counts: Which parameters N is: all, those multiplied by (blocks and output layer), or the
            blocks' only.
        source: Where the constants are from.
        flops_range: Least and most C of the runs it was fitted on; beyond it is extrapolation.
    """

    name: str
    E: float
    A: float
    B: float
    alpha: float
    beta: float
    bracket: bool = False
    counts: Counts = "total"
    source: str = ""
    flops_range: tuple[float, float] | None = None

    def loss(self, n: float, d: float) -> float:
        """Predicted loss in nats per token."""
        if self.bracket:
            ratio = self.alpha / self.beta
            return float(((self.A / n) ** ratio + self.B / d) ** self.beta)
        return float(self.E + self.A * n**-self.alpha + self.B * d**-self.beta)

    def losses(self, n: np.ndarray, d: np.ndarray) -> np.ndarray:
        """The same, element by element."""
        if self.bracket:
            ratio = self.alpha / self.beta
            bracketed: np.ndarray = ((self.A / n) ** ratio + self.B / d) ** self.beta
            return bracketed
        summed: np.ndarray = self.E + self.A * n**-self.alpha + self.B * d**-self.beta
        return summed

    @property
    def a(self) -> float:
        """Exponent of the best N: N_opt ~ C^a."""
        return self.beta / (self.alpha + self.beta)

    def optimum(self, flops: float) -> tuple[float, float]:
        """The (N, D) of least loss with 6 N D = `flops`, in closed form.

        Along that line the two terms fall and rise with ln N; they balance where exponent times
        term is equal on both sides.
        """
        product = flops / 6.0
        if self.bracket:
            ratio = self.alpha / self.beta
            # ratio (A/N)^ratio = B N / product
            log_n = math.log(ratio * product / self.B) + ratio * math.log(self.A)
            n = math.exp(log_n / (1.0 + ratio))
        else:
            g = (self.alpha * self.A / (self.beta * self.B)) ** (1.0 / (self.alpha + self.beta))
            n = g * product**self.a
        return n, product / n

    def tokens_for(self, loss: float, n: float) -> float | None:
        """D that reaches `loss` with `n` parameters; None when no amount of data does."""
        if self.bracket:
            left = loss ** (1.0 / self.beta) - (self.A / n) ** (self.alpha / self.beta)
            return self.B / left if left > 0 else None
        left = loss - self.E - self.A * n**-self.alpha
        return float((self.B / left) ** (1.0 / self.beta)) if left > 0 else None

    def least_params(self, loss: float) -> float:
        """N that reaches `loss` with endless data, and that every model of this loss exceeds."""
        if self.bracket:
            return float(self.A * loss ** (-1.0 / self.alpha))
        return float((self.A / (loss - self.E)) ** (1.0 / self.alpha))

    def outside(self, flops: float) -> float:
        """How many times `flops` lies outside the fitted range; 1 inside."""
        if self.flops_range is None:
            return 1.0
        low, high = self.flops_range
        return max(1.0, flops / high, low / flops)


EPOCH = Law(
    name="Epoch AI's refit of Chinchilla",
    E=1.8172,
    A=482.01,
    B=2085.43,
    alpha=0.3478,
    beta=0.3658,
    source="Besiroglu et al. 2024, arXiv 2404.10102: 240 of 245 points of Hoffmann's figure 4",
    flops_range=(1.4e18, 1.3e22),
)
HOFFMANN = Law(
    name="Chinchilla as published, less rounded",
    E=1.6934,
    A=406.4,
    B=410.7,
    alpha=0.33917,
    beta=0.28491,
    source="Hoffmann et al. 2022, arXiv 2203.15556, appendix D.3, digits from the TeX source",
    flops_range=(1.4e18, 1.3e22),
)
KAPLAN = Law(
    name="Kaplan",
    E=0.0,
    A=6.4e13,
    B=1.8e13,
    alpha=0.076,
    beta=0.103,
    bracket=True,
    counts="body",
    source="Kaplan et al. 2020, arXiv 2001.08361, table 2",
)
C4_REPEATED = Law(
    name="Muennighoff's, on C4",
    E=math.exp(0.6254804),
    A=math.exp(6.255414),
    B=math.exp(7.3049974),
    alpha=0.3526596,
    beta=0.3526596,
    source="Muennighoff et al. 2023, arXiv 2305.16264, appendix A",
)
LLAMA3_TOKENS = (0.299, 0.537)
"""D_opt = 0.299 C^0.537 (Grattafiori et al. 2024, arXiv 2407.21783, section 3.2.1)."""


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """A law of learning rate and batch: lr = k N^n D^d, batch tokens = k N^n D^d.

    Attributes:
        name: What it is called.
        lr: Factor, exponent of N, exponent of D.
        batch: Factor and exponent of D, in tokens.
        source: Where from.
        params_range: Least and most N of its runs.
        tokens_range: Least and most D of its runs.
    """

    name: str
    lr: tuple[float, float, float]
    batch: tuple[float, float]
    source: str
    params_range: tuple[float, float]
    tokens_range: tuple[float, float]

    def at(self, n: float, d: float) -> tuple[float, float, bool]:
        """Peak learning rate, batch in tokens, and whether (N, D) is within its runs."""
        factor, by_n, by_d = self.lr
        inside = (
            self.params_range[0] <= n <= self.params_range[1]
            and self.tokens_range[0] <= d <= self.tokens_range[1]
        )
        return factor * n**by_n * d**by_d, self.batch[0] * d ** self.batch[1], inside


STEP_LAW = TrainingSettings(
    name="Step Law",
    lr=(1.79, -0.713, 0.307),
    batch=(0.58, 0.571),
    source="Li et al. 2025, arXiv 2503.04715; N without embeddings",
    params_range=(6e7, 1.1e9),
    tokens_range=(2e9, 1e11),
)
DEEPSEEK_SPEED = (0.1715, 0.5243, 5.8316, 0.4757)
"""M_opt = 0.1715 C^0.5243 FLOP a token, D_opt = 5.8316 C^0.4757 (Bi et al. 2024, 2401.02954)."""
