"""Tables of finished runs: finds the columns by name, and refuses to mix what cannot be compared.

Losses of different data, tokenizers, validation sets or recipes lie on different curves. A table
that mixes them is refused with the columns to choose from; `--where COLUMN=VALUE` picks.
"""

import csv
import gzip
import io
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from groundup.core.errors import ConfigError, DataError
from groundup.scaling.laws import Counts

__all__ = ["Points", "read_points", "read_table", "rows_where"]

# Names of published tables, the first one found is taken.
NAMES: dict[str, tuple[str, ...]] = {
    "N": (
        "N",
        "N_matmul",
        "n_matrix_params",
        "params",
        "n_params",
        "N_total",
        "N_body",
        "n",
        "n_opt",
        "Model Size",
    ),
    "D": ("D", "tokens", "train_tokens", "tokens_opt"),
    "C": ("C", "flops", "train_flops", "flops_6nd", "Training FLOP"),
    "loss": (
        "loss",
        "val_loss",
        "validation_loss_nats",
        "loss_opt",
        "loss:eval_data/c4_val",
        "ln(ppl)",
    ),
    "trunk": ("trunk", "trunk_id", "model"),
    "std": ("log_n_opt_std",),
}
COUNTS: dict[str, Counts] = {"N_matmul": "matrix", "n_matrix_params": "matrix", "N_body": "body"}
# What makes two losses incomparable, whatever the numbers beside it.
IDENTITY = (
    "dataset",
    "train_dataset",
    "data_hash",
    "tokenizer",
    "tokenizer_hash",
    "val",
    "validation",
    "validation_hash",
    "val_hash",
    "task",
    "shots",
    "hparams",
    "schedule",
    "param_count",
    "recipe",
)
# The same, but only where they hold words: some tables have numbers of steps under these names.
IDENTITY_IN_WORDS = ("warmup", "decay")


@dataclass(frozen=True, slots=True)
class Points:
    """Finished runs, one element each.

    Attributes:
        n: Parameters.
        d: Training tokens.
        c: Training operations.
        loss: Nats per token.
        trunk: Which rows come from one training run.
        std: Standard deviation of ln N, of tables of optima; None elsewhere.
        counts: Which parameters N counts.
        columns: Quantity to the column it was read from.
        chosen: Column to the one value that all rows have of what must not be mixed.
        dropped: Rows left out, by reason.
    """

    n: np.ndarray
    d: np.ndarray
    c: np.ndarray
    loss: np.ndarray
    trunk: tuple[str, ...]
    std: np.ndarray | None
    counts: Counts
    columns: Mapping[str, str]
    chosen: Mapping[str, str]
    dropped: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.loss)

    def take(self, keep: np.ndarray) -> "Points":
        """The rows of a boolean mask or of indices."""
        index = np.arange(len(self))[keep]
        return Points(
            self.n[index],
            self.d[index],
            self.c[index],
            self.loss[index],
            tuple(self.trunk[i] for i in index),
            None if self.std is None else self.std[index],
            self.counts,
            self.columns,
            self.chosen,
            self.dropped,
        )

    def without_worst(self, count: int) -> "Points":
        """All but the `count` highest losses."""
        return self.take(np.sort(np.argsort(self.loss)[: len(self) - count]))


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a csv file, plain or gzip; lines that start with `#` are comments.

    Raises:
        DataError: It is not there, is no table or has no rows.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}", hint="give a csv file", source=str(path)
        ) from error
    try:
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8")
    except (UnicodeDecodeError, OSError, EOFError) as error:
        raise DataError(
            f"{path} is no csv table: {error}", hint="csv or csv.gz in UTF-8", source=str(path)
        ) from error
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith("#")]
    rows = list(csv.DictReader(io.StringIO("".join(lines), newline="")))
    if not rows:
        raise DataError(f"{path} has no rows", hint="a header and a row a run", source=str(path))
    return rows


def read_points(
    path: Path, *, columns: Mapping[str, str] | None = None, where: Sequence[str] = ()
) -> Points:
    """Reads the finished runs of a table.

    Args:
        path: A csv file, plain or gzip.
        columns: Quantity (`N D C loss trunk`) to column name, over what is recognised.
            `ln(COLUMN)` takes the logarithm, for perplexities.
        where: `COLUMN=VALUE`, each a condition on rows.

    Raises:
        ConfigError: A column or condition does not fit the table, or the table mixes recipes.
        DataError: It has no usable rows.
    """
    rows = read_table(path)
    header = list(rows[0])
    rows, dropped = rows_where(rows, header, where)
    chosen = _one_recipe(rows, header)
    found = _columns(header, columns or {})
    parsed: list[dict[str, float]] = []
    kept: list[dict[str, str]] = []
    for row in rows:
        values = {key: _number(row, name) for key, name in found.items() if key != "trunk"}
        if all(value is not None and value > 0 for value in values.values()):
            parsed.append({key: float(value) for key, value in values.items() if value})
            kept.append(row)
    if len(kept) < len(rows):
        dropped["no positive number in a needed column"] = len(rows) - len(kept)
    if not kept:
        raise DataError(
            f"{path} has no row with numbers in {', '.join(found.values())}",
            hint="--columns N=...,D=...,C=...,loss=... names the right columns",
            source=str(path),
        )
    arrays = {key: np.array([row[key] for row in parsed]) for key in parsed[0]}
    n, d, c = _three(arrays)
    trunk_column = found.get("trunk")
    trunk = tuple(
        row[trunk_column] if trunk_column else str(number) for number, row in enumerate(kept)
    )
    counts = COUNTS.get(found["N"], "total")
    return Points(n, d, c, arrays["loss"], trunk, arrays.get("std"), counts, found, chosen, dropped)


def rows_where(
    rows: list[dict[str, str]], header: Sequence[str], where: Sequence[str]
) -> tuple[list[dict[str, str]], dict[str, int]]:
    """The rows that every `COLUMN=VALUE` holds for, and how many each condition left out.

    Raises:
        ConfigError: There is no such column, or no row is left.
    """
    dropped: dict[str, int] = {}
    for condition in where:
        name, equals, value = condition.partition("=")
        if not equals or name not in header:
            raise ConfigError(
                f"--where {condition}: there is no column {name!r}",
                hint=f"COLUMN=VALUE with one of {', '.join(header)}",
            )
        left = [row for row in rows if row[name] == value]
        if not left:
            values = sorted({row[name] for row in rows})[:12]
            raise ConfigError(
                f"--where {condition} leaves no row", hint=f"{name} is one of {', '.join(values)}"
            )
        dropped[f"not {condition}"] = len(rows) - len(left)
        rows = left
    return rows, dropped


def _one_recipe(rows: Sequence[Mapping[str, str]], header: Sequence[str]) -> dict[str, str]:
    """The value of every column that must not be mixed."""
    watched = [name for name in IDENTITY if name in header]
    watched += [
        name
        for name in IDENTITY_IN_WORDS
        if name in header and not all(_is_number(row[name]) for row in rows)
    ]
    mixed = {name: Counter(row[name] for row in rows) for name in watched}
    mixed = {name: values for name, values in mixed.items() if len(values) > 1}
    if mixed:
        listed = "; ".join(
            f"{name} ({', '.join(list(values)[:8])}{', ...' if len(values) > 8 else ''})"
            for name, values in mixed.items()
        )
        combination, count = Counter(
            tuple(row[name] for name in mixed) for row in rows
        ).most_common(1)[0]
        picks = " ".join(
            f"--where {name}={value}" for name, value in zip(mixed, combination, strict=True)
        )
        raise ConfigError(
            f"the table mixes what cannot be fitted together: {listed}",
            hint=f"choose one of each, such as {picks} ({count} rows)",
        )
    return {name: rows[0][name] for name in watched}


def _columns(header: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, name in given.items():
        if key not in NAMES or key == "std":
            raise ConfigError(
                f"--columns {key}={name}: there is no quantity {key!r}",
                hint="N, D, C, loss or trunk",
            )
        if _bare(name) not in header:
            raise ConfigError(
                f"--columns {key}={name}: there is no column {_bare(name)!r}",
                hint=f"the columns are {', '.join(header)}",
            )
        found[key] = name
    for key, names in NAMES.items():
        if key not in found:
            present = [name for name in names if _bare(name) in header]
            if present:
                found[key] = present[0]
    missing = [key for key in ("N", "loss") if key not in found]
    if "D" not in found and "C" not in found:
        missing.append("D or C")
    if missing:
        raise ConfigError(
            f"no column was recognised as {', '.join(missing)}",
            hint=f"--columns {missing[0][0]}=... with one of {', '.join(header[:20])}",
        )
    return found


def _bare(name: str) -> str:
    return name[3:-1] if name.startswith("ln(") and name.endswith(")") else name


def _number(row: Mapping[str, str], name: str) -> float | None:
    try:
        value = float(row[_bare(name)])
    except (ValueError, TypeError):
        return None
    if _bare(name) != name:
        return math.log(value) if value > 0 else None
    return value if math.isfinite(value) else None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _three(arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """N, D and C, the missing one from C = 6 N D."""
    n = arrays["N"]
    d = arrays["D"] if "D" in arrays else arrays["C"] / (6.0 * n)
    c = arrays["C"] if "C" in arrays else 6.0 * n * d
    return n, d, c
