"""Real shapes for a plan: whole layers, whole heads, and what they count and cost.

Every depth from 1 to 128 with every width that heads divide and that is 32 to 128 times the depth.
A law of loss does not see the proportions, so among shapes within 3% of the best size the one
nearest to 80 times as wide as deep is taken: GPT-3's and Llama's lie between 64 and 128.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from groundup.core.errors import ConfigError
from groundup.model.config import ModelConfig
from groundup.model.count import (
    flops_per_token,
    forward_flops_per_token,
    matrix_params,
    n_params,
)
from groundup.model.presets import PRESETS
from groundup.scaling.laws import Law

__all__ = ["PlanShape", "named_shape", "nearest_aspect", "shapes_between"]

MAX_LAYERS = 128
ASPECTS = (32, 128)
USUAL_ASPECT = 80.0
NEAR = 0.03
LEAST_VOCABULARY = 256  # a token for every byte
DEFAULT_VOCABULARY = 50_304  # GPT-2's 50,257 made a multiple of 64


@dataclass(frozen=True, slots=True)
class PlanShape:
    """A model that could be built.

    Attributes:
        config: Its config.
        n_total: All parameters.
        n_matrix: Those multiplied by: blocks and output layer.
        n_body: Those of the blocks.
        train_flops: Operations to train on one token.
        serve_flops: Operations to read or write one token, at half the context on average.
    """

    config: ModelConfig
    n_total: int
    n_matrix: int
    n_body: int
    train_flops: int
    serve_flops: int

    @classmethod
    def of(cls, config: ModelConfig) -> "PlanShape":
        """The counts of a config."""
        context = config.context_length
        return cls(
            config,
            n_params(config),
            matrix_params(config),
            n_params(config, embeddings=False),
            flops_per_token(config, context),
            forward_flops_per_token(config, context // 2),
        )

    def counted(self, law: Law) -> int:
        """The N that a law speaks of."""
        return {"total": self.n_total, "matrix": self.n_matrix, "body": self.n_body}[law.counts]

    @property
    def aspect(self) -> float:
        """Width over depth."""
        return self.config.d_model / self.config.n_layers


def shapes_between(
    low: float, high: float, *, vocab_size: int = DEFAULT_VOCABULARY, context: int = 2048
) -> list[PlanShape]:
    """All shapes with `low` to `high` parameters; at least one, the nearest, when none has.

    Raises:
        ConfigError: Not even the smallest shape comes near, or vocabulary or context is none.
    """
    if vocab_size < LEAST_VOCABULARY or context < 2:
        raise ConfigError(
            f"no model has {vocab_size} token ids and a context of {context}",
            hint=f"--vocab-size {LEAST_VOCABULARY} or more, --context 2 or more",
        )
    pairs = list(_depths_and_widths(vocab_size, low, high))
    if not pairs:
        middle = math.sqrt(low * high)
        everything = _depths_and_widths(vocab_size, 0.0, math.inf)
        pairs = [min(everything, key=lambda p: abs(math.log(_rough(p, vocab_size) / middle)))]
        if not 0.2 < _rough(pairs[0], vocab_size) / middle < 5:
            raise ConfigError(
                f"no shape has about {middle:.2g} parameters with {vocab_size} token ids",
                hint="a smaller --vocab-size makes smaller models possible",
            )
    return [_built(depth, width, vocab_size, context) for depth, width in pairs]


def _rough(pair: tuple[int, int], vocab_size: int) -> float:
    depth, width = pair
    return 12.0 * depth * width**2 + vocab_size * width


def _depths_and_widths(vocab_size: int, low: float, high: float) -> Iterator[tuple[int, int]]:
    for depth in range(1, MAX_LAYERS + 1):
        for width in _widths(depth):
            if low <= _rough((depth, width), vocab_size) <= high:
                yield depth, width


def _widths(depth: int) -> Iterator[int]:
    width = 16
    while width <= ASPECTS[1] * depth:
        if width >= ASPECTS[0] * depth:
            yield width
        width += _step(width)


def _step(width: int) -> int:
    """Widths are multiples of their head's width."""
    return 16 if width < 128 else 64 if width < 2048 else 128


def _built(depth: int, width: int, vocab_size: int, context: int) -> PlanShape:
    config = ModelConfig(
        n_layers=depth,
        d_model=width,
        n_heads=width // _step(width),
        context_length=context,
        norm="rms",
        activation="gelu",
        position="rope",
        bias=False,
        tied=True,
        vocab_size=vocab_size,
    )
    return PlanShape.of(config)


def nearest_aspect(best: PlanShape, others: list[PlanShape]) -> PlanShape:
    """The shape of the best one's size with the most usual proportions."""
    near = [s for s in others if abs(s.n_total / best.n_total - 1.0) <= NEAR]
    return min(near or [best], key=lambda s: abs(math.log(s.aspect / USUAL_ASPECT)))


def named_shape(
    name: str | float, *, vocab_size: int | None = None, context: int | None = None
) -> PlanShape:
    """A preset such as `gpt2`, or the shape nearest to a number of parameters.

    Raises:
        ConfigError: Neither is there.
    """
    if isinstance(name, str):
        if name not in PRESETS:
            raise ConfigError(
                f"there is no model {name!r}",
                hint=f"a number such as 124M, or one of {', '.join(PRESETS)}",
            )
        preset = PRESETS[name]
        vocabulary = vocab_size or preset.vocab_size or DEFAULT_VOCABULARY
        config = preset.config(vocab_size=vocabulary)
        if context is not None:
            config = config.model_copy(update={"context_length": context})
        return PlanShape.of(config)
    found = shapes_between(
        name / 1.5,
        name * 1.5,
        vocab_size=vocab_size or DEFAULT_VOCABULARY,
        context=context or 2048,
    )
    best = min(found, key=lambda s: abs(math.log(s.n_total / name)))
    return nearest_aspect(best, found)
