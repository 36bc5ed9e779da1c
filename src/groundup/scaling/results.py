"""Published evaluation results as curves: one row for a model, a checkpoint and a task."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from groundup.core.errors import ConfigError, DataError
from groundup.scaling.emergence import AXES, Curve
from groundup.scaling.points import read_table, rows_where

__all__ = ["CHANCE", "Results", "read_results"]

# Accuracy of guessing: one over the number of choices, 0 for free answers.
CHANCE = {
    "arc_challenge": 0.25,
    "arc_easy": 0.25,
    "lambada_openai": 0.0,
    "logiqa": 0.25,
    "piqa": 0.5,
    "sciq": 0.25,
    "winogrande": 0.5,
    "wsc": 0.5,
}
COLUMNS: dict[str, tuple[str, ...]] = {
    "series": ("series", "run", "model", "seed"),
    "params": ("params", "n_params", "N"),
    "tokens": ("tokens", "train_tokens", "D"),
    "task": ("task",),
    "accuracy": ("accuracy", "acc"),
    "error": ("accuracy_stderr", "acc_stderr", "stderr"),
    "log_prob": ("log_prob", "mean_log_prob"),
    "ppl": ("ppl", "perplexity"),
    "brier": ("brier",),
    "loss": ("val_loss", "loss"),
}
NEEDED = ("series", "params", "tokens", "task", "accuracy")
MUST_NOT_MIX = ("shots", "prompt", "dataset")
DEFAULT_ITEMS = 1000  # questions behind an accuracy whose standard error is not given


@dataclass(frozen=True, slots=True)
class Row:
    """One result."""

    series: str
    params: float
    tokens: float
    accuracy: float
    error: float
    continuous: float | None


@dataclass(frozen=True, slots=True)
class Results:
    """Results by task, and every checkpoint's own loss.

    Attributes:
        by_task: Task to its rows, checkpoints without training left out.
        loss: (model, tokens) to nats per token or word; empty when the table has none.
        loss_is: What that loss is.
    """

    by_task: Mapping[str, tuple[Row, ...]]
    loss: Mapping[tuple[str, float], float]
    loss_is: str

    @property
    def with_continuous(self) -> list[str]:
        """Tasks that have a continuous metric at every checkpoint."""
        return [
            task
            for task, rows in self.by_task.items()
            if all(row.continuous is not None for row in rows)
        ]

    def curves(self, task: str, along: str) -> list[Curve]:
        """The task's curves: one a model, or along `params` one through the last checkpoints.

        Raises:
            ConfigError: There is no such task.
        """
        if task not in self.by_task:
            raise ConfigError(
                f"the table has no task {task!r}", hint=f"one of {', '.join(self.by_task)}"
            )
        rows = self.by_task[task]
        if along not in AXES:
            raise ConfigError(f"there is no axis {along!r}", hint=f"one of {', '.join(AXES)}")
        if along == "params":
            last: dict[str, Row] = {}
            for row in sorted(rows, key=lambda row: row.tokens):
                last[row.series] = row
            return [_curve("last checkpoints", list(last.values()), along)]
        names = list(dict.fromkeys(row.series for row in rows))
        return [_curve(name, [row for row in rows if row.series == name], along) for name in names]

    def aligned(self, task: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Accuracy, and log tokens, log compute and own loss, of checkpoints that have a loss."""
        rows = [row for row in self.by_task[task] if (row.series, row.tokens) in self.loss]
        tokens = np.log([row.tokens for row in rows])
        return np.array([row.accuracy for row in rows]), {
            "loss": np.array([self.loss[row.series, row.tokens] for row in rows]),
            "tokens": tokens,
            "compute": tokens + np.log([row.params for row in rows]),
        }


def _curve(name: str, rows: list[Row], along: str) -> Curve:
    def at(row: Row) -> float:
        if along == "params":
            return row.params
        return row.tokens if along == "tokens" else 6.0 * row.params * row.tokens

    rows = sorted(rows, key=at)
    known = [row.continuous for row in rows]
    return Curve(
        name,
        np.log10([at(row) for row in rows]),
        np.array([row.accuracy for row in rows]),
        np.array([row.error for row in rows]),
        None if any(value is None for value in known) else np.array(known, dtype=np.float64),
    )


def read_results(path: Path, *, where: Sequence[str] = ()) -> Results:
    """Reads a table of results.

    Raises:
        ConfigError: A needed column is missing, or the table mixes shots, prompts or data sets.
        DataError: It has no usable rows.
    """
    table = read_table(path)
    header = list(table[0])
    table, _ = rows_where(table, header, where)
    found = {key: next((n for n in names if n in header), None) for key, names in COLUMNS.items()}
    missing = [key for key in NEEDED if found[key] is None]
    if missing:
        raise ConfigError(
            f"{path.name} has no column for {', '.join(missing)}",
            hint=f"name it {COLUMNS[missing[0]][0]}; there are {', '.join(header[:15])}",
        )
    for column in MUST_NOT_MIX:
        values = list(dict.fromkeys(row[column] for row in table if column in row))
        if len(values) > 1:
            raise ConfigError(
                f"{path.name} mixes {column} {', '.join(values[:6])}",
                hint=f"--where {column}={values[0]}",
            )
    by_task: dict[str, list[Row]] = {}
    losses: dict[str, dict[tuple[str, float], float]] = {}
    for raw in table:
        row = _row(raw, found)
        if row is None or row.tokens <= 0:
            continue
        task = raw[str(found["task"])]
        by_task.setdefault(task, []).append(row)
        loss = _number(raw, found["loss"])
        perplexity = _number(raw, found["ppl"])
        if loss is not None:
            losses.setdefault("own loss", {})[row.series, row.tokens] = loss
        elif perplexity is not None and perplexity > 0:
            name = f"log-perplexity of {task}"
            losses.setdefault(name, {})[row.series, row.tokens] = math.log(perplexity)
    if not by_task:
        raise DataError(
            f"{path} has no results with an accuracy", hint="check its columns", source=str(path)
        )
    loss_is = next(iter(losses), "")
    return Results(
        {task: tuple(rows) for task, rows in by_task.items()}, losses.get(loss_is, {}), loss_is
    )


def _row(raw: Mapping[str, str], found: Mapping[str, str | None]) -> Row | None:
    params, tokens, accuracy = (_number(raw, found[key]) for key in NEEDED if key in _NUMBERS)
    if params is None or tokens is None or accuracy is None:
        return None
    error = _number(raw, found["error"])
    if error is None:
        error = math.sqrt(max(accuracy * (1.0 - accuracy), 0.0) / DEFAULT_ITEMS)
    return Row(raw[str(found["series"])], params, tokens, accuracy, error, _continuous(raw, found))


_NUMBERS = ("params", "tokens", "accuracy")


def _continuous(raw: Mapping[str, str], found: Mapping[str, str | None]) -> float | None:
    """Higher is better: a log-probability, less a log-perplexity, or less a Brier score."""
    log_prob = _number(raw, found["log_prob"])
    if log_prob is not None:
        return log_prob
    perplexity = _number(raw, found["ppl"])
    if perplexity is not None and perplexity > 0:
        return -math.log(perplexity)
    brier = _number(raw, found["brier"])
    return None if brier is None else -brier


def _number(raw: Mapping[str, str], column: str | None) -> float | None:
    try:
        value = float(raw[column]) if column is not None else math.nan
    except (ValueError, TypeError):
        return None
    return value if math.isfinite(value) else None
