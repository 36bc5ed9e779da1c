"""`groundup trace`: from a training row to its documents, and from a document to its rows."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from groundup.cli.pipeline import find
from groundup.core import console
from groundup.core.artifact import Artifact
from groundup.core.config import read_recipe, validate
from groundup.core.errors import ConfigError, CorruptArtifact, DataError, MissingArtifact
from groundup.core.manifest import read_manifest
from groundup.tokens.loader import TrainingRows
from groundup.tokens.tokenizer import Tokenizer
from groundup.tokens.trace import Passage, document_visits, trace_row
from groundup.training.batch_order import BatchOrder
from groundup.training.config import PretrainConfig
from groundup.training.data import batch_rows, open_rows, rows_seed

__all__ = ["show_document", "show_row"]

_SHOWN_STEPS = 8


@dataclass(frozen=True, slots=True)
class _Training:
    """A finished pretraining run and the rows that it read."""

    run: Artifact
    tokens: Artifact
    config: PretrainConfig
    rows: TrainingRows
    order: BatchOrder

    @classmethod
    def open(cls, run: Artifact) -> "_Training":
        """Opens what the run read.

        Raises:
            ArtifactError: The tokens run is gone, or not the one that was trained on.
        """
        recipe = run.file("config.toml")
        config = validate(PretrainConfig, read_recipe(recipe)[1], source=str(recipe))
        tokens = run.input("tokens")
        if tokens.digest != run.manifest.inputs["tokens"].digest:
            raise CorruptArtifact(
                f"{tokens.path} is not what {run.path} was trained on: its digest has changed",
                hint="put the tokens run back as it was",
            )
        order = BatchOrder.of(run.manifest.summary.get("skipped_batches", ()))
        return cls(run, tokens, config, open_rows(config, tokens), order)


def show_row(run: Artifact, *, step: int, row: int, as_json: bool) -> None:
    """Prints what one row of one step's batch showed to the model.

    Raises:
        ConfigError: The run has no such step or row.
        ArtifactError: Its tokens run is gone or damaged.
    """
    training = _Training.open(run)
    config, n_rows = training.config, batch_rows(training.config)
    _check_range("step", step, 1, config.n_steps)
    _check_range("row", row, 0, n_rows - 1)
    number = training.order.batch_of(step - 1) * n_rows + row
    found = trace_row(
        training.tokens,
        training.rows,
        Tokenizer.load(training.tokens.file("tokenizer.json")),
        seed=rows_seed(config),
        number=number,
    )
    if as_json:
        where = {"run": str(run.path), "step": step, "row": row}
        console.say(json.dumps({**where, **asdict(found)}, ensure_ascii=False))
        return
    mixed = f" of source {found.source}" if found.source else ""
    console.say(f"{run.path}, step {step}, row {row}: epoch {found.epoch + 1}{mixed}")
    for passage in found.passages:
        console.say()
        for line in _described(passage):
            console.say(line)


def _check_range(name: str, value: int, first: int, last: int) -> None:
    if not first <= value <= last:
        raise ConfigError(
            f"there is no {name} {value:,} in this run", hint=f"{name}s are {first} to {last:,}"
        )


def _described(passage: Passage) -> list[str]:
    """Where a passage comes from, then its text."""
    return [
        f"document  {passage.id}",
        f"url       {passage.url}",
        f"source    {passage.source}, {passage.file} at {passage.offset}",
        f"tokens    {_range(passage.tokens)} of {passage.n_tokens:,}, in {passage.shard}.bin",
        f"bytes     {_range(passage.bytes)} of {passage.n_bytes:,}; "
        f"characters {_range(passage.characters)}",
        passage.text,
    ]


def _range(pair: tuple[int, int]) -> str:
    return f"{pair[0]:,}-{pair[1]:,}"


def show_document(name: str, path: Path | None, runs: Path, *, as_json: bool) -> None:
    """Prints which steps of which models showed a document.

    Args:
        name: Its URL or id.
        path: One pretraining run; None takes every finished one in `runs`.

    Raises:
        MissingArtifact: There is no finished run.
        DataError: No run has read such a document.
        ArtifactError: A tokens run is gone or damaged.
    """
    found = []
    for run in [find(path, runs, stages=("pretrain",))] if path else _finished(runs):
        training = _Training.open(run)
        n_rows, order = batch_rows(training.config), training.order
        visits = document_visits(
            training.tokens,
            training.rows,
            seed=rows_seed(training.config),
            name=name,
            n_rows=(order.batch_of(training.config.n_steps - 1) + 1) * n_rows,
        )
        for id, numbers in visits.items():
            taken = [(order.step_of(n // n_rows), n % n_rows) for n in numbers]
            places = [{"step": step + 1, "row": row} for step, row in taken if step is not None]
            found.append({"run": str(run.path), "document": id, "rows": places})
    if not found:
        raise DataError(
            f"no model here was trained on a document {name}",
            hint="give its URL or id exactly as `groundup trace RUN --step 1 --row 0` prints them",
        )
    if as_json:
        console.say(json.dumps(found, ensure_ascii=False))
    else:
        rows = [_visits_row(entry) for entry in found]
        console.table(name, ("run", "document", "rows", "at step"), rows)


def _visits_row(entry: dict[str, Any]) -> tuple[str, str, int, str]:
    steps = list(dict.fromkeys(place["step"] for place in entry["rows"]))
    shown = ", ".join(map(str, steps[:_SHOWN_STEPS])) or "never"
    more = f" and {len(steps) - _SHOWN_STEPS} more" if len(steps) > _SHOWN_STEPS else ""
    return entry["run"], entry["document"], len(entry["rows"]), shown + more


def _finished(runs: Path) -> list[Artifact]:
    """Every finished pretraining run, in order of name."""
    folders = sorted(path.parent for path in (runs / "pretrain").glob("*/manifest.json"))
    manifests = [(folder, read_manifest(folder)) for folder in folders]
    found = [Artifact(path, m) for path, m in manifests if m and m.status == "complete"]
    if not found:
        raise MissingArtifact(
            f"there is no finished model in {runs / 'pretrain'}",
            hint="name another folder with --runs",
        )
    return found
