"""The stage end to end: it learns, and a killed run finishes with the same bits."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
import torch
from safetensors.torch import load_file

from groundup.core.artifact import Manifest, RunDir, digest_file
from groundup.core.errors import Cancelled
from groundup.core.metrics import read_metrics
from groundup.model.weights import load
from groundup.tokens.tokenizer import Tokenizer
from groundup.training import run as stage

CHILD = """
import sys, time
from pathlib import Path
import torch
from groundup.core.artifact import Artifact, Manifest, RunDir
from groundup.core import interrupt
from groundup.core.config import validate
from groundup.core.errors import GroundupError
from groundup.training import run as stage, session
from groundup.training.config import PretrainConfig
import json

folder, tokens, config, stop_at = sys.argv[1:]
torch.set_num_threads(1)
interrupt.install()
config = validate(PretrainConfig, json.loads(config), source="test")
out = RunDir(Path(folder), Manifest(stage="pretrain", stage_version=1, name="p", key="1" * 12), "")
log = out.metrics.log

def note(step, **values):
    log(step, **values)
    if step == int(stop_at) and "train__loss_nats" in values:
        flag = Path(folder, "reached.flag")
        flag.touch()
        while flag.exists():
            time.sleep(0.01)

out.metrics.log = note
try:
    stage.run(config, {"tokens": Artifact.open(Path(tokens))}, out)
except GroundupError as error:
    print(error.message, file=sys.stderr)
    sys.exit(error.exit_code)
"""


def child(folder, tokens, config, stop_at):
    values = json.dumps(config.model_dump(mode="json"))
    command = [sys.executable, "-c", CHILD, str(folder), str(tokens.path), values, str(stop_at)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, env=dict(os.environ))


def stop(process, folder, number):
    """Sends a signal once the child has come to its step."""
    deadline = time.monotonic() + 60
    while not (folder / "reached.flag").exists():
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    (folder / "reached.flag").unlink()
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors.decode()


@pytest.fixture(scope="module")
def kept(config):
    """Saves at every step and keeps the optimizer's state, to compare it too."""
    return config.model_copy(update={"keep_optimizer": True, "checkpoint_every_s": 1e-9})


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Bit for bit needs the number of threads that the children have."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def finish(folder, tokens, config):
    """Runs the stage, or what is left of it, in this process."""
    manifest = Manifest(stage="pretrain", stage_version=1, name="p", key="1" * 12)
    out = RunDir(folder, manifest, "")
    stage.run(config, {"tokens": tokens}, out)
    return out.complete()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, tokens, kept):
    folder = tmp_path_factory.mktemp("whole") / "run"
    finish(folder, tokens, kept)
    return folder


FINAL = [
    "model/model.safetensors",
    "model/config.json",
    "model/tokenizer.json",
    "checkpoints/step_000020/model.safetensors",
    "checkpoints/step_000020/optimizer.safetensors",
    "samples.jsonl",
    "baselines.json",
]


def test_ten_steps_a_kill_and_ten_more_equal_twenty(tmp_path, tokens, kept, uninterrupted):
    folder = tmp_path / "run"
    returncode, _ = stop(child(folder, tokens, kept, stop_at=12), folder, signal.SIGKILL)
    assert returncode == -signal.SIGKILL
    assert not (folder / "model").exists()
    finish(folder, tokens, kept)
    for name in FINAL:
        assert digest_file(folder / name) == digest_file(uninterrupted / name), name
    for key, value in load_file(folder / FINAL[4]).items():
        assert value.isfinite().all(), key
    # It really went on from a checkpoint: only steps after it were taken twice.
    steps = Counter(row["step"] for row in read_metrics(folder / "metrics.jsonl"))
    assert steps[4] == 1
    assert steps[12] == 2
    rows = {row["step"]: row for row in read_metrics(folder / "metrics.jsonl") if losses(row)}
    for row in read_metrics(uninterrupted / "metrics.jsonl"):
        if losses(row):
            assert losses(row) == losses(rows[row["step"]])


def losses(row):
    return row.get("train/loss_nats")


def test_sigterm_saves_and_the_next_process_goes_on(tmp_path, tokens, kept, uninterrupted):
    folder = tmp_path / "run"
    rarely = kept.model_copy(update={"checkpoint_every_s": 1e9})
    returncode, errors = stop(child(folder, tokens, rarely, stop_at=8), folder, signal.SIGTERM)
    assert returncode == Cancelled.exit_code
    assert "SIGTERM" in errors
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["step_000008"]
    finish(folder, tokens, rarely)
    for name in FINAL:
        assert digest_file(folder / name) == digest_file(uninterrupted / name), name


def test_a_run_whose_tidying_was_interrupted_only_tidies(new_run, tokens, config):
    out = new_run()
    stage.run(config, {"tokens": tokens}, out)
    before = {path: digest_file(path) for path in out.path.rglob("*.safetensors")}
    summary = dict(out.summary)
    out.summary.clear()
    (out.path / "checkpoints" / "step_000020").mkdir(parents=True)
    stage.run(config, {"tokens": tokens}, out)
    assert out.summary == summary
    assert {path: digest_file(path) for path in out.path.rglob("*.safetensors")} == before
    assert not (out.path / "checkpoints").exists()


def test_the_run_leaves_a_model_baselines_and_samples(new_run, tokens, config):
    out = new_run()
    stage.run(config, {"tokens": tokens}, out)
    names = {path.relative_to(out.path).as_posix() for path in out.path.rglob("*")}
    assert {
        "model/model.safetensors",
        "model/config.json",
        "model/tokenizer.json",
        "model/chat.json",
        "baselines.json",
        "samples.jsonl",
        "metrics.jsonl",
        "result.json",
    } <= names
    assert not any("partial" in name or "checkpoints" in name for name in names)
    tokenizer = Tokenizer.load(out.path / "model/tokenizer.json")
    model = load(out.path / "model")
    assert model.config.vocab_size == tokenizer.vocab_size
    assert sum(p.numel() for p in model.parameters()) == out.summary["params"]
    assert out.summary["tokens"] == config.budget_tokens
    samples = [json.loads(line) for line in (out.path / "samples.jsonl").read_text().splitlines()]
    assert [row["step"] for row in samples] == [0, 8, 16, 20]
    measured = [
        row["validation/bits_per_byte"]
        for row in read_metrics(out.path / "metrics.jsonl")
        if "validation/bits_per_byte" in row
    ]
    assert measured[-1] == out.summary["validation_bits_per_byte"] < measured[0]
    assert out.summary["beats_baselines"] is False  # twenty steps are too few, and it says so


def test_a_small_corpus_is_learned_beyond_its_unigram_entropy(new_run, tokens, config):
    longer = config.model_copy(update={"budget_tokens": 150 * 256, "evaluation_every_steps": 150})
    out = new_run()
    stage.run(longer, {"tokens": tokens}, out)
    train_bytes = (tokens.path / "train/00000.bin").read_bytes()[::2]
    counts = Counter(train_bytes)
    entropy = -sum(n / len(train_bytes) * math.log(n / len(train_bytes)) for n in counts.values())
    rows = [row for row in read_metrics(out.path / "metrics.jsonl") if losses(row)]
    assert losses(rows[0]) > entropy
    assert losses(rows[-1]) < 0.75 * entropy
    assert out.summary["validation_bits_per_byte"] < out.summary["unigram_bits_per_byte"]
