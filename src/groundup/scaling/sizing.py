"""From what is given to a real shape and its tokens: the search behind a plan."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from groundup.core.errors import ConfigError
from groundup.scaling.devices import Machine
from groundup.scaling.optimum import effective, flops_for_loss, optimal_params, total_for
from groundup.scaling.saved import SavedFit
from groundup.scaling.shapes import (
    DEFAULT_VOCABULARY,
    PlanShape,
    named_shape,
    nearest_aspect,
    shapes_between,
)

__all__ = ["Ask", "needed", "size_for_loss", "size_of", "worth"]

SEARCH = 8.0  # sizes tried reach this many times below and above the law's closed form


@dataclass(frozen=True, slots=True)
class Ask:
    """What is given; the rest is wanted.

    Attributes:
        hours: Wall-clock time on the machine.
        dollars: Money for the machine.
        flops: Training operations.
        loss: Nats per token to reach.
        model: A preset's name or a number of parameters.
        tokens: Training tokens, repeats included.
        tokens_per_param: Their ratio to all parameters.
        unique_tokens: Different tokens that there are; None for no end of them.
        served_tokens: Tokens that will be read and written by the finished model.
        vocab_size: Token ids; None for the preset's or GPT-2's.
        context: Tokens of one row; None for the preset's or 2048.
        allow_repeats: Whether more than 16 passes over the data are meant.
    """

    hours: float | None = None
    dollars: float | None = None
    flops: float | None = None
    loss: float | None = None
    model: str | float | None = None
    tokens: float | None = None
    tokens_per_param: float | None = None
    unique_tokens: float | None = None
    served_tokens: float | None = None
    vocab_size: int | None = None
    context: int | None = None
    allow_repeats: bool = False


def size_of(ask: Ask, machine: Machine, fit: SavedFit) -> tuple[PlanShape, float]:
    """The model and its tokens, by whatever is given.

    Raises:
        ConfigError: Too little or too much is given, or no model reaches the loss.
    """
    flops = _budget(ask, machine)
    given = [flops, ask.loss]
    if sum(value is not None for value in given) > 1:
        raise ConfigError("a budget and a loss are both given", hint="give one of them")
    if ask.model is not None:
        shape = named_shape(ask.model, vocab_size=ask.vocab_size, context=ask.context)
        return shape, _tokens_of(ask, fit, shape, flops)
    if flops is not None:
        return _for_flops(ask, fit, flops)
    if ask.loss is not None:
        return size_for_loss(ask, fit, ask.loss, served_tokens=0.0)
    if ask.tokens is not None:
        ratio = ask.tokens_per_param
        n = ask.tokens / ratio if ratio else optimal_params(fit.law, worth(ask, ask.tokens))
        return named_shape(n, vocab_size=ask.vocab_size, context=ask.context), ask.tokens
    raise ConfigError(
        "nothing to plan from",
        hint="--hours 8 --device h200x8, --dollars 50, --flops 1e21, --loss 2.5, or "
        "--model 124M --tokens 2.5B",
    )


def _budget(ask: Ask, machine: Machine) -> float | None:
    given = [name for name in ("hours", "dollars", "flops") if getattr(ask, name) is not None]
    if len(given) > 1:
        raise ConfigError(f"{' and '.join(given)} are all given", hint="give one budget")
    if ask.flops is not None:
        return ask.flops
    if ask.hours is not None:
        return ask.hours * 3600.0 * machine.flops_per_s
    if ask.dollars is not None:
        per_hour = machine.dollars(1.0)
        if not per_hour:
            raise ConfigError(
                f"device {machine.device.name} has no price", hint="--price dollars per hour"
            )
        return ask.dollars / per_hour * 3600.0 * machine.flops_per_s
    return None


def _tokens_of(ask: Ask, fit: SavedFit, shape: PlanShape, flops: float | None) -> float:
    if ask.tokens is not None:
        return ask.tokens
    if ask.tokens_per_param is not None:
        return ask.tokens_per_param * shape.n_total
    if flops is not None:
        return flops / shape.train_flops
    if ask.loss is not None:
        tokens = needed(ask, fit, shape, ask.loss)
        if tokens is None:
            raise ConfigError(
                f"{shape.n_total:,} parameters do not reach a loss of {ask.loss:g} on any data",
                hint="a larger --model, or leave --model out",
            )
        return tokens
    raise ConfigError(
        "a model alone is no plan", hint="add --tokens, --tokens-per-param, a budget or --loss"
    )


def _shapes(ask: Ask, centre: float, times_above: float = SEARCH) -> list[PlanShape]:
    return shapes_between(
        centre / SEARCH,
        centre * times_above,
        vocab_size=ask.vocab_size or DEFAULT_VOCABULARY,
        context=ask.context or 2048,
    )


def _for_flops(ask: Ask, fit: SavedFit, flops: float) -> tuple[PlanShape, float]:
    """The best shape that a budget trains, or the one of a given amount or ratio of data."""
    law = fit.law
    n = law.optimum(flops)[0]
    if ask.tokens is not None:
        n = flops / 6.0 / ask.tokens
    elif ask.tokens_per_param is not None:
        n = math.sqrt(flops / 6.0 / ask.tokens_per_param)

    def badness(shape: PlanShape) -> float:
        tokens = flops / shape.train_flops
        if ask.tokens is not None:
            return abs(math.log(tokens / ask.tokens))
        if ask.tokens_per_param is not None:
            return abs(math.log(tokens / shape.n_total / ask.tokens_per_param))
        return law.loss(shape.counted(law), worth(ask, tokens))

    shape = _best(_shapes(ask, n), badness)
    return shape, flops / shape.train_flops


def size_for_loss(
    ask: Ask, fit: SavedFit, loss: float, *, served_tokens: float
) -> tuple[PlanShape, float]:
    """The shape that reaches a loss with the fewest operations of training and serving."""
    n = fit.law.optimum(flops_for_loss(fit.law, loss))[0]

    def cost(shape: PlanShape) -> float:
        tokens = needed(ask, fit, shape, loss)
        if tokens is None:
            return math.inf
        return shape.train_flops * tokens + shape.serve_flops * served_tokens

    shape = _best(_shapes(ask, n, times_above=4.0 * SEARCH), cost)
    tokens = needed(ask, fit, shape, loss)
    if tokens is None:
        raise ConfigError(
            f"no model reaches a loss of {loss:g} with so few unique tokens",
            hint="more --unique-tokens, or a higher loss",
        )
    return shape, tokens


def _best(shapes: list[PlanShape], badness: Callable[[PlanShape], float]) -> PlanShape:
    """The best shape, or a near one of more usual proportions."""
    scored = [(badness(shape), shape) for shape in shapes]
    best = min(scored, key=lambda pair: pair[0])
    return nearest_aspect(best[1], [shape for score, shape in scored if math.isfinite(score)])


def worth(ask: Ask, tokens: float) -> float:
    """How many fresh tokens the given ones are worth, repeats counted for what they give."""
    return tokens if ask.unique_tokens is None else effective(tokens, ask.unique_tokens)


def needed(ask: Ask, fit: SavedFit, shape: PlanShape, loss: float) -> float | None:
    """Tokens, repeats included, that bring a shape to a loss."""
    fresh = fit.law.tokens_for(loss, shape.counted(fit.law))
    return None if fresh is None else total_for(fresh, ask.unique_tokens)
