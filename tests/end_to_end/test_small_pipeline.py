"""The demo scaled down: real pages, real training, the installed command, nothing mocked."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

RECIPES = Path(__file__).parent / "recipes"
GROUNDUP = Path(sys.executable).with_name("groundup")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def groundup(*arguments, cwd, check=True):
    """Runs the command; its output, standard output first."""
    done = subprocess.run(
        [GROUNDUP, *map(str, arguments)],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder in which the whole small pipeline has been built."""
    folder = tmp_path_factory.mktemp("pipeline")
    shutil.copytree(RECIPES, folder / "recipes")
    groundup("run", "recipes", cwd=folder)
    return folder


def run_of(place, stage):
    (folder,) = (place / "runs" / stage).iterdir()
    return folder


def actions(output):
    """Recipe to action, from the table of `--dry-run`."""
    rows = re.findall(r"│ (\w+) +│ \w+ +│ (run|reuse|resume) +│", output)
    return dict(rows)


def test_the_funnel_adds_up_to_the_pages_read(place):
    counts = json.loads((run_of(place, "crawl") / "counts.json").read_text())
    funnel = json.loads((run_of(place, "corpus") / "funnel.json").read_text())
    assert counts["read"] == counts["pages"] + sum(counts["dropped"].values())
    assert funnel["read"] == counts["read"]
    assert funnel["read"] == funnel["kept"] + sum(row["dropped"] for row in funnel["rows"])
    assert funnel["kept"] == funnel["train"] + funnel["validation"]


def test_the_same_command_again_reuses_everything(place):
    before = {path: path.stat().st_mtime_ns for path in (place / "runs").rglob("*.safetensors")}
    done = groundup("run", "recipes", cwd=place)
    assert done.stderr.count(" reuse ") == 9
    after = {path: path.stat().st_mtime_ns for path in (place / "runs").rglob("*.safetensors")}
    assert after == before


def test_a_changed_training_value_rebuilds_only_what_depends_on_it(place):
    done = groundup("run", "recipes", "--dry-run", "--pretrain.seed", "2", cwd=place)
    assert actions(done.stdout) == {
        **dict.fromkeys(("crawl", "corpus", "tokens", "instruct"), "reuse"),
        **dict.fromkeys(("pretrain", "sft", "rl", "evaluate", "report"), "run"),
    }


def test_a_setting_that_changes_no_result_rebuilds_nothing(place):
    done = groundup("run", "recipes", "--dry-run", "--corpus.workers", "1", cwd=place)
    assert set(actions(done.stdout).values()) == {"reuse"}


def test_chat_answers_the_same_at_temperature_zero(place):
    ask = ("chat", run_of(place, "sft"), "--prompt", "What does f(a) do?", "--temperature", "0")
    first, second = (groundup(*ask, "--max-tokens", "8", cwd=place) for _ in range(2))
    assert first.stdout == second.stdout
    assert first.stdout.strip()


def test_chat_explains_every_step(place):
    done = groundup(
        "chat", run_of(place, "sft"), "--explain", "--temperature", "0", "--max-tokens", "3",
        "--prompt", "What does f(a) do?", cwd=place,
    )  # fmt: skip
    steps = re.findall(r"│ +(\d+) │", done.stdout)
    assert steps == [str(number) for number in range(1, len(steps) + 1)]
    assert 1 <= len(steps) <= 3
    probabilities = [float(p) for p in re.findall(r" (0\.\d{3})", done.stdout)]
    assert all(0 <= p <= 1 for p in probabilities)
    assert len(probabilities) >= 5


def test_lineage_reaches_from_the_report_to_the_crawl(place):
    done = groundup("lineage", run_of(place, "report"), cwd=place)
    for stage in ("report", "evaluate", "grpo", "sft", "pretrain", "tokens", "corpus", "crawl"):
        assert run_of(place, stage).name.rpartition("-")[2] in done.stdout


def test_verify_finds_a_flipped_byte(place, tmp_path):
    shutil.copytree(place / "runs", tmp_path / "runs")
    model = run_of(tmp_path, "pretrain") / "model" / "model.safetensors"
    assert groundup("verify", run_of(tmp_path, "report"), cwd=tmp_path).returncode == 0
    data = bytearray(model.read_bytes())
    data[-1] ^= 1
    model.write_bytes(data)
    found = groundup("verify", run_of(tmp_path, "report"), cwd=tmp_path, check=False)
    assert found.returncode == 2
    assert "DAMAGED: model/model.safetensors" in found.stdout
    chat = groundup("chat", model.parents[1], "--prompt", "x", cwd=tmp_path, check=False)
    assert chat.returncode == 2
    assert "model.safetensors" in chat.stderr
    assert "hint:" in chat.stderr


def test_killed_inside_every_stage_it_ends_with_the_same_files(place, tmp_path):
    """SIGKILL a moment after each stage has begun; then the same command to the end."""
    shutil.copytree(RECIPES, tmp_path / "recipes")
    # Two crawls differ in the dates of their archives, and with them in the offsets of pages.
    shutil.copytree(place / "runs" / "crawl", tmp_path / "runs" / "crawl")
    reference = {path.parent.name: path for path in (place / "runs").rglob("manifest.json")}
    for stage in ("corpus", "pretrain", "sft", "grpo"):
        name = run_of(place, stage).name
        process = subprocess.Popen(
            [GROUNDUP, "run", "recipes"],
            cwd=tmp_path,
            env=ENVIRONMENT,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        manifest = tmp_path / "runs" / stage / name / "manifest.json"
        deadline = time.monotonic() + 300
        while not manifest.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.7)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    groundup("run", "recipes", cwd=tmp_path)
    compared = 0
    for manifest in (tmp_path / "runs").rglob("manifest.json"):
        ours = outputs(manifest)
        theirs = outputs(reference[manifest.parent.name])
        timed = ("archive/", "metrics.jsonl", "shards.jsonl", "report", "result.json", "figures/")
        for name in ours.keys() | theirs.keys():
            if not name.startswith(timed):
                assert ours.get(name) == theirs.get(name), f"{manifest.parent}/{name}"
                compared += name.endswith((".safetensors", ".parquet", ".bin"))
    assert compared >= 8


def outputs(manifest):
    return {o["path"]: o["sha256"] for o in json.loads(manifest.read_text())["outputs"]}


def test_the_server_answers_and_says_when_its_port_is_taken(place, tmp_path):
    with subprocess.Popen(
        [GROUNDUP, "serve", run_of(place, "grpo"), "--port", "0", "--no-auth"],
        cwd=place,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        try:
            url = None
            for line in server.stdout:
                found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
                if found:
                    url, port = found.group(0), found.group(1)
                    break
            assert url is not None
            with urllib.request.urlopen(f"{url}/v1/models", timeout=30) as reply:
                assert json.load(reply)["data"]
            second = groundup(
                "serve", run_of(place, "sft"), "--port", port, "--no-auth", cwd=place, check=False
            )
            assert second.returncode == 2
            assert port in second.stderr
            assert "--port" in second.stderr
        finally:
            server.terminate()
