"""Bands of expected bits per byte from finished runs of one recipe over several seeds.

    groundup pretrain recipes/demo/pretrain.toml --seed 2      # and 3; the recipe's own seed is 1
    python benchmarks/loss_bands.py runs/pretrain/demo-* --corpus "documentation of Python 3.11"

Prints the `[expected]` section to put into the recipe. A band is the mean over seeds, and on both
sides three standard deviations or 2%, whichever is more: three seeds say little about the spread.
"""

import argparse
import json
import statistics
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

from groundup.core.artifact import Artifact
from groundup.core.errors import ConfigError, DataError
from groundup.core.metrics import read_metrics

DEVIATIONS = 3.0
LEAST_FRACTION = 0.02
MEASURE = "validation/bits_per_byte"


def bands(runs: list[Artifact]) -> list[tuple[int, float, float]]:
    """Step, lowest, highest; of the steps that all runs have measured.

    Raises:
        DataError: Fewer than three runs.
    """
    if len(runs) < 3:
        raise DataError(f"{len(runs)} runs are too few for a band", hint="train three seeds")
    found: dict[int, dict[str, float]] = defaultdict(dict)
    for run in runs:
        for row in read_metrics(run.path / "metrics.jsonl"):
            if MEASURE in row and row["step"] > 0:
                found[int(row["step"])][run.key] = float(row[MEASURE])
    made = []
    for step, by_run in sorted(found.items()):
        if len(by_run) == len(runs):
            mean = statistics.mean(by_run.values())
            spread = max(DEVIATIONS * statistics.stdev(by_run.values()), LEAST_FRACTION * mean)
            made.append((step, round(mean - spread, 3), round(mean + spread, 3)))
    return made


def settings(run: Artifact) -> dict[str, object]:
    """What decides the result, but for the seed and what a recipe may expect."""
    values = tomllib.loads((run.path / "config.toml").read_text(encoding="utf-8"))
    free = ("seed", "expected", "tokens", "name", "device", "checkpoint_every_s", "log_every_steps")
    return {name: value for name, value in values.items() if name not in free}


def section(runs: list[Artifact], corpus: str) -> str:
    """The TOML text.

    Raises:
        ConfigError: The runs differ in more than their seeds.
    """
    tokens = {run.manifest.inputs["tokens"].key for run in runs}
    if len(tokens) > 1 or any(settings(run) != settings(runs[0]) for run in runs):
        raise ConfigError(
            "the runs differ in more than their seeds", hint="give runs of one recipe and corpus"
        )
    source = runs[0].input("tokens")
    about = json.loads(source.file("tokens.json").read_text(encoding="utf-8"))
    seeds = [tomllib.loads((run.path / "config.toml").read_text())["seed"] for run in runs]
    lines = [
        f"[expected]  # seeds {', '.join(map(str, sorted(seeds)))} on tokens {source.key}:"
        " benchmarks/loss_bands.py",
        f"corpus = {json.dumps(corpus)}",
        f"train_tokens = {about['train_tokens']}",
        f"vocab_size = {about['vocab_size']}",
        "bits_per_byte = [",
        *(f"    [{step}, {low:.3f}, {high:.3f}]," for step, low, high in bands(runs)),
        "]",
    ]
    return "\n".join(lines)


def main() -> None:
    """Prints the section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, help="finished pretraining runs")
    parser.add_argument("--corpus", required=True, help="what the bands hold for, in words")
    arguments = parser.parse_args()
    runs = [Artifact.open(path, stage="pretrain") for path in arguments.runs]
    print(section(runs, arguments.corpus))


if __name__ == "__main__":
    sys.exit(main())
