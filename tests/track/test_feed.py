"""A tracker holds every measurement once, whatever happened to the run and to the feed."""

import json
import time

import pytest

from groundup.cli.main import main
from groundup.core.artifact import Manifest, RunDir
from groundup.core.errors import ConfigError, MissingArtifact
from groundup.track import feed as feeding
from groundup.track import sinks
from groundup.track.feed import Feed, follow, open_feed, tracker_folder

EventAccumulator = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator", reason="needs groundup[track]"
).EventAccumulator


@pytest.fixture
def out(tmp_path):
    manifest = Manifest(stage="pretrain", stage_version=1, name="p", key="1" * 12)
    return RunDir(tmp_path / "runs/pretrain/p-111", manifest, 'stage = "pretrain"\nseed = 1\n')


def read_back(run):
    """Name to (step, value) pairs, as TensorBoard's own reader finds them."""
    reader = EventAccumulator(str(tracker_folder(run, "tensorboard")))
    reader.Reload()
    return {
        tag: [(event.step, round(event.value, 4)) for event in reader.Scalars(tag)]
        for tag in reader.Tags()["scalars"]
    }


def send(run):
    feed, sink = open_feed(run, "tensorboard")
    sent = feed.catch_up()
    sink.close()
    return sent


def log_steps(out, steps, *, shift=0.0):
    for step in steps:
        out.metrics.log(step, train__loss_nats=10.0 - step + shift)
        if step % 2 == 0:
            out.metrics.log(step, validation__bits_per_byte=5.0 - step + shift)


def wanted(steps, *, shift=0.0):
    return {
        "train/loss_nats": [(step, 10.0 - step + shift) for step in steps],
        "validation/bits_per_byte": [(step, 5.0 - step + shift) for step in steps if step % 2 == 0],
    }


def test_a_run_is_read_back_by_the_trackers_own_reader(out):
    log_steps(out, range(1, 6))
    out.metrics.log(6, train__loss_nats=float("nan"))  # written as a word, and no number
    assert send(out.path) == 8
    assert read_back(out.path) == wanted(range(1, 6))


def test_going_on_sends_nothing_twice(out):
    log_steps(out, range(1, 5))
    send(out.path)
    log_steps(out, range(5, 8))
    send(out.path)
    assert read_back(out.path) == wanted(range(1, 8))
    send(out.path)
    assert read_back(out.path) == wanted(range(1, 8))


def test_of_steps_that_were_taken_again_the_later_counts(out):
    log_steps(out, range(1, 8))
    send(out.path)
    log_steps(out, range(4, 10), shift=0.5)  # went back to step 3
    send(out.path)
    found, first, second = read_back(out.path), wanted(range(1, 4)), wanted(range(4, 10), shift=0.5)
    assert found == {name: first[name] + second[name] for name in first}


def test_a_resumed_run_that_repeats_just_its_last_step_has_it_once(out):
    log_steps(out, [1, 2, 3, 4])
    log_steps(out, [4, 5])
    send(out.path)
    assert read_back(out.path) == wanted([1, 2, 3, 4, 5])


def test_killed_between_sending_and_moving_the_cursor(out, monkeypatch):
    log_steps(out, range(1, 5))
    send(out.path)
    log_steps(out, range(5, 8))

    def killed(path):
        raise KeyboardInterrupt

    monkeypatch.setattr(feeding, "publish", killed)
    with pytest.raises(KeyboardInterrupt):
        send(out.path)
    monkeypatch.undo()
    send(out.path)
    assert read_back(out.path) == wanted(range(1, 8))


def test_a_line_that_is_still_being_written_waits(out):
    log_steps(out, [1])
    with (out.path / "metrics.jsonl").open("a") as lines:
        lines.write('{"step": 3, "time_s"')
    assert send(out.path) == 1
    with (out.path / "metrics.jsonl").open("a") as lines:
        lines.write(': 1.0, "train/loss_nats": 7.0}\n')
    send(out.path)
    assert read_back(out.path)["train/loss_nats"] == [(1, 9.0), (3, 7.0)]


def test_a_run_is_followed_while_it_goes_on_and_to_its_end(out, monkeypatch):
    monkeypatch.setattr(feeding, "EVERY_S", 0.01)
    cursor = tracker_folder(out.path, "tensorboard") / "cursor.json"

    def work():
        log_steps(out, [1, 2])
        deadline = time.monotonic() + 30
        while not cursor.exists() or json.loads(cursor.read_text())["step"] < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        log_steps(out, [3])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), follow(out.path, ["tensorboard"]):
        work()
    assert read_back(out.path) == wanted([1, 2, 3])


def test_files_of_a_tracker_lie_outside_the_run(out):
    log_steps(out, [1])
    send(out.path)
    names = {path.name for path in out.path.rglob("*")}
    assert not any("tfevents" in name or name == "cursor.json" for name in names)


class Remembering(sinks.TensorBoardSink):
    """Only notes what it is told."""

    def __init__(self):
        self.told = []

    def write(self, step, wall_time_s, values):
        self.told.append((step, dict(values)))

    def rewind(self, step):
        self.told.append(("rewind", step))

    def flush(self):
        pass


def test_time_goes_on_from_the_runs_clock(out, tmp_path):
    log_steps(out, [1])
    sink = Remembering()
    assert Feed(out.path, tmp_path / "t", sink).catch_up() == 1
    assert sink.told == [(1, {"train/loss_nats": 9.0})]
    again = Remembering()
    Feed(out.path, tmp_path / "t", again).catch_up()
    assert again.told == [("rewind", 1), (1, {"train/loss_nats": 9.0})]


def test_a_tracker_that_is_not_installed_is_named(out, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)
    with pytest.raises(ConfigError) as caught:
        open_feed(out.path, "wandb")
    assert caught.value.message == "wandb is not installed"
    assert "groundup[track]" in caught.value.hint


def test_the_verb_says_how_to_look_at_it(out, capsys):
    log_steps(out, [1, 2])
    assert main(["track", str(out.path)]) == 0
    shown = capsys.readouterr().out
    assert "3 lines of" in shown
    assert "tensorboard --logdir" in shown
    with pytest.raises(MissingArtifact, match="is not a run directory"):
        open_feed(out.path.parent, "tensorboard")


def test_weights_and_biases_gets_it_without_a_network(out, monkeypatch, tmp_path):
    pytest.importorskip("wandb", reason="needs groundup[track]")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    log_steps(out, [1, 2])
    feed, sink = open_feed(out.path, "wandb")
    assert feed.catch_up() == 3
    sink.close()
    (written,) = tracker_folder(out.path, "wandb").rglob("*.wandb")
    names = (b"train/loss_nats", b"validation/bits_per_byte")
    deadline = time.monotonic() + 30  # a process of its own writes
    while not all(name in written.read_bytes() for name in names):
        assert time.monotonic() < deadline
        time.sleep(0.05)
