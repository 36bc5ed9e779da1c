"""Tensors of ours to tensors of a family and back: other names, fused and transposed matrices.

Every matrix of ours is (outputs, inputs).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from groundup.exchange.families import Family
from groundup.model.config import ModelConfig
from groundup.model.transformer import Transformer

__all__ = ["Foreign", "layout_of", "shapes_of", "to_foreign", "to_ours"]


@dataclass(frozen=True, slots=True)
class Foreign:
    """A tensor of a family.

    Attributes:
        name: As in their safetensors.
        ours: Names of the tensors that it holds, one below the other.
        rows: Rows of each of them.
        shape: As stored there.
        transposed: Whether it is stored as (inputs, outputs).
    """

    name: str
    ours: tuple[str, ...]
    rows: tuple[int, ...]
    shape: tuple[int, ...]
    transposed: bool


def shapes_of(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a model's parameters; nothing is allocated."""
    with torch.device("meta"):
        model = Transformer(config, seed=None)
    return {name: tuple(value.shape) for name, value in model.named_parameters()}


def layout_of(family: Family, config: ModelConfig) -> list[Foreign]:
    """All tensors that a model of this config has in a family, in the order of our names."""
    if family.fills_biases:
        config = config.model_copy(update={"bias": True})
    shapes = shapes_of(config)
    held: dict[str, list[str]] = {}
    for name in shapes:
        held.setdefault(_their_name(family, name), []).append(name)
    return [_foreign(family, name, tuple(ours), shapes) for name, ours in held.items()]


def _their_name(family: Family, name: str) -> str:
    module, kind = name.rsplit(".", 1)
    parts = module.split(".")
    layer = parts[1] if parts[0] == "blocks" else ""
    if layer:
        parts[1] = "{}"
    return f"{family.modules['.'.join(parts)].format(layer)}.{kind}"


def _foreign(
    family: Family, name: str, ours: tuple[str, ...], shapes: Mapping[str, tuple[int, ...]]
) -> Foreign:
    rows = tuple(shapes[part][0] for part in ours)
    shape = (sum(rows), *shapes[ours[0]][1:])
    inside = ".".join(name.split(".")[-3:-1])
    transposed = len(shape) == 2 and inside in family.transposed
    return Foreign(name, ours, rows, shape[::-1] if transposed else shape, transposed)


def to_foreign(foreign: Foreign, ours: Mapping[str, Tensor]) -> Tensor:
    """One tensor as the family keeps it; a bias that our model lacks is 0."""
    parts = [
        ours[name] if name in ours else torch.zeros(rows)
        for name, rows in zip(foreign.ours, foreign.rows, strict=True)
    ]
    whole = torch.cat(parts) if len(parts) > 1 else parts[0]
    return whole.T.contiguous() if foreign.transposed else whole


def to_ours(foreign: Foreign, tensor: Tensor) -> dict[str, Tensor]:
    """Our tensors in one of theirs."""
    whole = tensor.T if foreign.transposed else tensor
    parts: Sequence[Tensor] = torch.split(whole, list(foreign.rows))
    return {name: part.contiguous() for name, part in zip(foreign.ours, parts, strict=True)}
