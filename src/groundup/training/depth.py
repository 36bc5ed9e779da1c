"""The size dial: one number, the layers, decides all that a recipe leaves open.

`depth = N` in a recipe, or `--depth N`, stands for groundup's own recipe at that size. Values that
the recipe gives stay as they are, and what follows from them is computed from them. The rules, each
with its source, are the functions below; `docs/recipe.md` has the measurements and the table.
"""

import math
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from groundup.model.config import ModelConfig, ModelShape
from groundup.model.count import n_params

__all__ = ["MAX_DEPTH", "batch_tokens", "budget_tokens", "context_length", "fill", "width_factor"]

MAX_DEPTH = 64
WIDTH_PER_LAYER = 64  # nanochat's ratio, commit 92d63d4
HEAD_WIDTH = 64  # GPT-2's
MAX_CONTEXT = 2048  # nanochat's
TOKENS_PER_PARAM = 20  # Hoffmann et al. 2022, arXiv 2203.15556, table 3
MIN_BATCH_TOKENS = 4096  # Muon's cost is per step: 5% of the time at N = 2, 9% at half of it
MEASURED_WIDTH = 128  # where the default learning rates were chosen

# Defaults of `training.config`, chosen at `MEASURED_WIDTH`.
EMBEDDING_LR, HEAD_LR, ADAMW_LR = 0.01, 0.003, 1.5e-3


def context_length(d_model: int) -> int:
    """The power of two at or below 2 d_model, at most 2048.

    Attention's products then cost at most a third of the blocks' other products (`model.count`).
    """
    return min(MAX_CONTEXT, 1 << (2 * d_model).bit_length() - 1)


def budget_tokens(shape: ModelShape) -> int:
    """Twenty tokens for each parameter outside the tables (Hoffmann et al. 2022).

    By nanochat's count, which has the output layer in it, that is about 15 at 12 layers and 18 at
    24; its own optimum is 10.5 (dev/LOG.md, 27 January 2026), so this spends some compute on a
    better model for its size.
    """
    without_tables = ModelConfig.of(shape, vocab_size=2)  # the vocabulary is not counted
    return TOKENS_PER_PARAM * n_params(without_tables, embeddings=False)


def batch_tokens(budget: int, row_tokens: int) -> int:
    """0.58 D^0.571 tokens a step for D tokens in all, as the nearest power of two of rows.

    Source: Li et al. 2025, "Step Law", arXiv 2503.04715. Differs from it: never fewer
    than `MIN_BATCH_TOKENS`.
    """
    wanted = max(0.58 * budget**0.571, MIN_BATCH_TOKENS)
    return row_tokens << max(0, round(math.log2(wanted / row_tokens)))


def width_factor(d_model: int) -> float:
    """What AdamW's learning rates are multiplied by: (d_model / 128)^-0.5.

    nanochat scales them with the width's power -0.5 from the width where they were chosen. It takes
    1.5e-3 at width 128 to 6.1e-4 at 768; GPT-3 has 6.0e-4 there (arXiv 2005.14165, table 2.1).
    Muon's rate does not change: its update has the same spectral norm at every width (Bernstein and
    Newhouse 2024, arXiv 2409.20325).
    """
    return math.sqrt(MEASURED_WIDTH / d_model)


def fill(depth: int, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with everything that `depth` decides and they do not.

    A value of a wrong kind is passed on as it is: validation says so with the setting's name.
    """
    given, optimizer = values.get("model", {}), values.get("optimizer", {})
    if not isinstance(given, Mapping) or not isinstance(optimizer, Mapping):
        return dict(values)
    model = {**_model(depth, given), **given}
    try:
        shape = ModelShape.model_validate(model)
    except ValidationError:
        return {**values, "model": model}
    budget = values.get("budget_tokens", budget_tokens(shape))
    kind = optimizer.get("kind", "muon")
    filled = {"budget_tokens": budget, **values, "model": model}
    filled["optimizer"] = {"kind": kind, **_rates(kind, shape.d_model), **optimizer}
    if isinstance(budget, int) and budget > 0:
        filled.setdefault("batch_tokens", batch_tokens(budget, shape.context_length))
    return filled


def _model(depth: int, given: Mapping[str, Any]) -> dict[str, Any]:
    """The block of groundup's recipe (docs/recipe.md) at a depth."""
    width = WIDTH_PER_LAYER * depth
    d_model = _positive(given.get("d_model"), width)
    return {
        "n_layers": depth,
        "d_model": width,
        "n_heads": max(1, d_model // _positive(given.get("d_head"), HEAD_WIDTH)),
        "context_length": context_length(d_model),
        "position": "rope",
        "tied": False,
    }


def _positive(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) and value > 0 else otherwise


def _rates(kind: str, d_model: int) -> dict[str, float]:
    factor = width_factor(d_model)
    rates = {"embedding_lr": EMBEDDING_LR, "head_lr": HEAD_LR}
    if kind == "adamw":
        rates = {"lr": ADAMW_LR}
    return {name: float(f"{rate * factor:.3g}") for name, rate in rates.items()}
