"""How the next token is chosen: pure functions on logits.

Letters: B batch row, V vocabulary.

A row's token is the inverse of its cumulative distribution at one uniform number. The numbers of a
request depend on its seed alone, so its tokens do not depend on which other requests share the
batch (up to rounding of the logits).
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from groundup.core import seeds
from groundup.core.errors import ConfigError, NumericalError

__all__ = ["SamplingParams", "choose", "draws", "filter_top_k", "filter_top_p", "row_seed"]


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How to write on.

    Attributes:
        max_new_tokens: Most tokens to generate; the context's end stops earlier.
        temperature: Divides the logits; 0 takes the likeliest token.
        top_k: Draw among this many likeliest tokens; None: all.
        top_p: Draw among the likeliest tokens that together reach this probability, 0..1; None:
            all (nucleus sampling, Holtzman et al. 2020, arXiv 1904.09751, section 3.1).
        seed: Decides the draws.
        stop: Texts that end the answer and are not part of it.
        logprobs: Also report each token's log-probability under the model, before temperature and
            filters.
    """

    max_new_tokens: int = 128
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    seed: int = 0
    stop: tuple[str, ...] = ()
    logprobs: bool = False

    def __post_init__(self) -> None:
        _require(self.max_new_tokens >= 1, "max_new_tokens", self.max_new_tokens, "1 or more")
        _require(0 <= self.temperature < float("inf"), "temperature", self.temperature, "0 or more")
        _require(self.top_k is None or self.top_k >= 1, "top_k", self.top_k, "1 or more")
        _require(self.top_p is None or 0 < self.top_p <= 1, "top_p", self.top_p, "above 0, up to 1")
        _require(all(self.stop), "stop", self.stop, "texts that are not empty")


def _require(good: bool, name: str, value: object, allowed: str) -> None:
    if not good:
        raise ConfigError(f"{name}={value} is not allowed", hint=f"{name} must be {allowed}")


def row_seed(seed: int, row: int) -> int:
    """Seed of a batch's row when only one seed is given for all of them."""
    return seeds.derive(seed, f"generate/row/{row}")


def draws(seed: int, count: int) -> np.ndarray:
    """Uniform float32 numbers in [0, 1), one for each token that a request may generate.

    The first numbers do not depend on `count`.
    """
    return seeds.generator(seed, "generate/tokens").random(count, dtype=np.float32)


def filter_top_k(logits_BV: Tensor, top_k: int) -> Tensor:
    """Minus infinity for all but the k largest logits of a row; ties with the k-th stay."""
    if top_k >= logits_BV.shape[-1]:
        return logits_BV
    least_B1 = torch.topk(logits_BV, top_k, dim=-1).values[:, -1:]
    return logits_BV.masked_fill(logits_BV < least_B1, -torch.inf)


def filter_top_p(logits_BV: Tensor, top_p: float) -> Tensor:
    """Minus infinity outside the smallest set of likeliest tokens that reaches probability p."""
    if top_p >= 1.0:
        return logits_BV
    sorted_BV, order_BV = torch.sort(logits_BV, dim=-1, descending=True, stable=True)
    p_BV = torch.softmax(sorted_BV, dim=-1)
    before_BV = p_BV.cumsum(dim=-1) - p_BV  # what the likelier tokens have reached already
    outside_BV = torch.zeros_like(before_BV, dtype=torch.bool)
    outside_BV.scatter_(-1, order_BV, before_BV >= top_p)
    return logits_BV.masked_fill(outside_BV, -torch.inf)


def choose(logits_BV: Tensor, params: SamplingParams, draws_B: Tensor) -> Tensor:
    """One token id for each row.

    Args:
        logits_BV: float32.
        draws_B: float32 in [0, 1), unused at temperature 0.

    Raises:
        NumericalError: A logit is not a number.
    """
    if params.temperature == 0:
        return logits_BV.argmax(dim=-1)
    # The largest becomes 0 first: a tiny temperature must not overflow.
    logits_BV = (logits_BV - logits_BV.amax(dim=-1, keepdim=True)) / params.temperature
    if params.top_k is not None:
        logits_BV = filter_top_k(logits_BV, params.top_k)
    if params.top_p is not None:
        logits_BV = filter_top_p(logits_BV, params.top_p)
    reached_BV = torch.softmax(logits_BV, dim=-1).cumsum(dim=-1)
    total_B1 = reached_BV[:, -1:]
    # Strictly below the total, which rounding could reach: then a token of probability 0, or none,
    # would be found.
    goal_B1 = torch.minimum(draws_B[:, None] * total_B1, torch.nextafter(total_B1, total_B1 * 0))
    ids_B = torch.searchsorted(reached_BV, goal_B1, right=True)[:, 0]
    if bool((ids_B >= logits_BV.shape[-1]).any()):  # only NaN finds no token
        raise NumericalError(
            "the model's logits are not finite",
            hint="its training has diverged: take an earlier checkpoint or a lower learning rate",
            step=0,
            quantity="logits",
        )
    return ids_B
