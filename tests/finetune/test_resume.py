"""Runs that are killed or stopped end as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from groundup.core.artifact import Manifest, RunDir
from groundup.finetune.config import GrpoConfig, SftConfig

# What a process of its own does: opens the run directory and runs the stage.
WORKER = """
import importlib, json, sys
from pathlib import Path
from groundup.core.artifact import Artifact, Manifest, RunDir
from groundup.core.errors import Cancelled

stage, config, model, examples, folder = sys.argv[1:]
module = importlib.import_module(f"groundup.finetune.{stage}")
kind = getattr(importlib.import_module("groundup.finetune.config"), f"{stage.title()}Config")
out = RunDir(Path(folder), Manifest(stage=stage, stage_version=1, name="x", key="0" * 12), "")
inputs = {"model": Artifact.open(Path(model)), "examples": Artifact.open(Path(examples))}
try:
    module.run(kind.model_validate_json(config), inputs, out)
except Cancelled:
    sys.exit(130)
"""

CONFIGS = {
    "sft": SftConfig(
        model="m",
        examples="e",
        epochs=9.0,
        batch_examples=10,
        checkpoint_every_s=0.001,
        evaluation_every_steps=9,
        log_every_steps=1,
        device="cpu",
    ),
    "grpo": GrpoConfig(
        model="m",
        examples="e",
        steps=18,
        prompts_per_step=4,
        completions=4,
        max_new_tokens=6,
        checkpoint_every_s=0.001,
        device="cpu",
    ),
}


@pytest.fixture
def world(tuned, question, make_examples):
    colours = ["blue", "red"]
    train = [question(300 + i, colours[i % 2]) for i in range(40)]
    validation = [question(400 + i, colours[i % 2]) for i in range(6)]
    return tuned, make_examples(train, validation, name="both")


@pytest.fixture
def start(world) -> Iterator[Callable[[str, Path], subprocess.Popen[bytes]]]:
    """Starts a stage in a process of its own; none outlives the test."""
    model, examples = world
    started = []

    def begin(stage: str, folder: Path) -> subprocess.Popen[bytes]:
        arguments = [stage, CONFIGS[stage].model_dump_json(), str(model.path), str(examples.path)]
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, *arguments, str(folder)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stderr=subprocess.DEVNULL,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


def wait_for_steps(folder: Path, steps: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 240
    metrics = folder / "metrics.jsonl"
    while time.monotonic() < deadline:
        if metrics.exists() and len(metrics.read_text().splitlines()) > steps:
            return
        assert process.poll() is None, "it ended before it could be stopped"
        time.sleep(0.002)
    raise AssertionError("no progress")


def result(folder: Path) -> dict[str, bytes | str]:
    names = ["model/model.safetensors", "samples.jsonl", "result.json", "health.json"]
    return {name: (folder / name).read_bytes() for name in names}


@pytest.mark.parametrize("stage", ["sft", "grpo"])
def test_a_killed_run_ends_bit_for_bit_as_an_unbroken_one(stage, start, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    unbroken = start(stage, whole)
    process = start(stage, broken)
    wait_for_steps(broken, 7, process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (broken / "result.json").exists()
    assert start(stage, broken).wait() == 0
    assert unbroken.wait() == 0
    assert result(broken) == result(whole)


def test_sigterm_saves_and_the_next_process_goes_on(start, tmp_path):
    folder = tmp_path / "stopped"
    process = start("sft", folder)
    wait_for_steps(folder, 5, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 130
    saved = max(int(path.name[5:]) for path in (folder / "checkpoints").iterdir())
    assert start("sft", folder).wait() == 0
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    steps = [row["step"] for row in map(json.loads, lines) if "train/loss_nats" in row]
    assert steps == list(range(1, len(steps) + 1))  # each step was taken once, in order
    assert 5 <= saved < len(steps)
    out = RunDir(folder, Manifest(stage="sft", stage_version=1, name="x", key="0" * 12), "")
    assert out.complete().has("model/model.safetensors")
