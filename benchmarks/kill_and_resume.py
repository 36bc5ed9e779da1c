"""Kills a pipeline with SIGKILL at a random moment inside every stage, and compares the results.

    python benchmarks/kill_and_resume.py recipes/demo [--reference runs] [--seed 1]
    python benchmarks/kill_and_resume.py recipes/demo --pretrain.budget-tokens 400000 --rl.steps 8

Settings of the recipe may follow, to go faster.

One uninterrupted run is the reference (made first unless `--reference` names the folder of an
earlier one). Then the same recipe is built in a fresh folder, killed once inside each stage, and
started again each time with the same command. At the end every file of every stage must have the
digest that the reference recorded, weights included. What holds times of day is left out of the
comparison: metrics, logs, the report, the dates in a crawl's archive and the offsets of its pages.

Exit code 0 when all are equal, 1 when not.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq

TIMED = ("metrics.jsonl", "report.html", "report.md", "shards.jsonl", "result.json")


def command(recipe: Path, runs: Path, settings: list[str]) -> list[str]:
    groundup = Path(sys.executable).parent / "groundup"
    return [str(groundup), "run", str(recipe), "--runs", str(runs), *settings]


def manifests(runs: Path) -> dict[str, dict]:
    """Manifests by `stage/run directory`, oldest first."""
    found = sorted(runs.glob("*/*/manifest.json"), key=lambda path: path.stat().st_mtime)
    return {
        path.parent.relative_to(runs).as_posix(): json.loads(path.read_text()) for path in found
    }


def kill_inside(started: list[str], manifest: Path, after_s: float) -> bool:
    """Starts the pipeline and kills its process group `after_s` into a stage.

    Returns:
        Whether the stage was still unfinished.
    """
    process = subprocess.Popen(
        started, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while process.poll() is None and not manifest.exists():
        time.sleep(0.02)
    deadline = time.monotonic() + after_s
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    if process.poll() is not None:
        return False
    unfinished = json.loads(manifest.read_text())["status"] != "complete"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return unfinished


def differences(reference: Path, other: Path) -> list[str]:
    """Names of files that differ, or that only one side has."""
    expected, found = manifests(reference), manifests(other)
    wrong = sorted(set(expected) ^ set(found))
    for run in expected.keys() & found.keys():
        left, right = (
            {o["path"]: o["sha256"] for o in side[run]["outputs"] if compared(run, o["path"])}
            for side in (expected, found)
        )
        for name in sorted(left.keys() | right.keys()):
            equal = left.get(name) == right.get(name)
            if not equal and not same_rows(reference / run / name, other / run / name):
                wrong.append(f"{run}/{name}")
    return wrong


def same_rows(left: Path, right: Path) -> bool:
    """Whether two Parquet files hold the same rows, offsets in the archive aside."""
    if left.suffix != ".parquet" or not (left.exists() and right.exists()):
        return False
    tables = [pq.read_table(path) for path in (left, right)]
    first, second = (
        table.drop_columns(["offset"]) if "offset" in table.column_names else table
        for table in tables
    )
    return first.equals(second)


def compared(run: str, name: str) -> bool:
    """Reports, metrics and the dates in archives hold times; everything else must be equal."""
    timed = run.startswith("report/") or Path(name).parts[0] == "archive"
    return not timed and Path(name).name not in TIMED


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--to", type=Path, default=Path("runs-killed"))
    parser.add_argument("--seed", type=int, default=1)
    known, settings = parser.parse_known_args()
    reference = known.reference
    if reference is None:
        reference = known.to.with_name(known.to.name + "-reference")
        subprocess.run(command(known.recipe, reference, settings), check=True)
    started = command(known.recipe, known.to, settings)
    moments = random.Random(known.seed)
    for run, manifest in manifests(reference).items():
        after_s = moments.uniform(0.1, 0.9) * manifest["seconds"]
        inside = kill_inside(started, known.to / run / "manifest.json", after_s)
        state = "killed" if inside else "was over before the kill"
        print(f"{run}: {state} after {after_s:.1f} of {manifest['seconds']:.1f} s", flush=True)
    subprocess.run(started, check=True)
    wrong = differences(reference, known.to)
    compared_files = sum(len(manifest["outputs"]) for manifest in manifests(known.to).values())
    print(f"{compared_files} files, {len(wrong)} differ", *wrong, sep="\n  ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
