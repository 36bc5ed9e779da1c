"""A fit on disk: `fit.json` holds the law, its intervals and its resamples."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundup.core.errors import DataError
from groundup.core.publish import publish
from groundup.scaling.laws import EPOCH, Law

__all__ = ["SavedFit", "epoch_fit", "load_fit", "save_fit"]

SCHEMA = 1
KEYS = ("E", "A", "B", "alpha", "beta")
MOST_DRAWS = 400  # resamples kept in the file; enough for 95% intervals of forecasts


@dataclass(frozen=True, slots=True)
class SavedFit:
    """A law with what is known about its spread.

    Attributes:
        law: The law.
        draws: Laws of resamples of its runs; empty when none were made.
    """

    law: Law
    draws: tuple[Law, ...]

    def interval(self, n: float, d: float) -> tuple[float, float] | None:
        """Middle 95% of the predicted loss over the resamples; None without them."""
        if not self.draws:
            return None
        losses = sorted(law.loss(n, d) for law in self.draws)
        tail = round(0.025 * (len(losses) - 1))
        return losses[tail], losses[-1 - tail]


def save_fit(path: Path, result: dict[str, Any], law: Law, draws: Sequence[Law]) -> None:
    """Writes `fit.json`: the result, and the resamples as rows of `draw_keys`."""
    kept = list(draws)[:MOST_DRAWS]
    rows = [[float(f"{getattr(drawn, key):.8g}") for key in KEYS] for drawn in kept]
    document = {
        "schema_version": SCHEMA,
        **result,
        "bracket": law.bracket,
        "counts": law.counts,
        "draw_keys": list(KEYS),
        "draws": rows,
    }
    with publish(path) as partial:
        partial.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def load_fit(path: Path) -> SavedFit:
    """Reads a `fit.json`, or the one in a folder.

    Raises:
        DataError: It is not there or not a fit.
    """
    file = path / "fit.json" if path.is_dir() else path
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if document["schema_version"] != SCHEMA:
            raise DataError(
                f"{file} has schema {document['schema_version']}; this program reads {SCHEMA}",
                hint="fit again with this version of groundup",
                source=str(file),
            )
        low, high = document["flops_range"]
        source = f"{file} ({document['n_points']} runs of {document['source']})"
        law = Law(
            document["law"],
            *_five([document[key] for key in KEYS]),
            bracket=bool(document["bracket"]),
            counts=document["counts"],
            source=source,
            flops_range=(float(low), float(high)),
        )
        draws = tuple(_drawn(law, row) for row in document["draws"])
    except FileNotFoundError as error:
        raise DataError(
            f"there is no fit {file}",
            hint="groundup scale fit POINTS.csv --to FOLDER makes one",
            source=str(file),
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{file} is not a fit of this program: {error}",
            hint="groundup scale fit POINTS.csv --to FOLDER makes one",
            source=str(file),
        ) from error
    return SavedFit(law, draws)


def epoch_fit() -> SavedFit:
    """Epoch AI's constants, with resamples of their 240 points (made by `groundup scale fit`)."""
    file = Path(__file__).with_name("epoch_draws.json")
    rows = json.loads(file.read_text(encoding="utf-8"))["draws"]
    return SavedFit(EPOCH, tuple(_drawn(EPOCH, row) for row in rows))


def _drawn(law: Law, row: Sequence[float]) -> Law:
    """The law with a resample's constants."""
    return Law(
        law.name,
        *_five(row),
        bracket=law.bracket,
        counts=law.counts,
        flops_range=law.flops_range,
    )


def _five(values: Sequence[float]) -> tuple[float, float, float, float, float]:
    first, second, third, fourth, fifth = (float(value) for value in values)
    return first, second, third, fourth, fifth
