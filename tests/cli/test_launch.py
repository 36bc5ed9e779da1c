"""Several ranks of one command: their exit codes and signals."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from groundup.cli import launch as module
from groundup.cli.launch import launch

# Stands for `groundup`: says its place, then does what the arguments say.
CHILD = """
import os, signal, sys, time
rank = int(os.environ["RANK"])
assert os.environ["GROUNDUP_LAUNCHER"] == str(os.getppid())
open(sys.argv[1] + "/" + os.environ["RANK"], "w").write(
    " ".join(os.environ[n] for n in ("WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR"))
)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
if sys.argv[2] == "fail" and rank == 1:
    sys.exit(2)
if sys.argv[2] == "kill" and rank == 1:
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "wait":
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def child(monkeypatch):
    start = subprocess.Popen

    def instead(command, **how):
        assert command[:3] == [sys.executable, "-m", "groundup"]
        return start([sys.executable, "-c", CHILD, *command[3:]], **how)

    monkeypatch.setattr(module.subprocess, "Popen", instead)


def test_every_rank_knows_its_place(tmp_path):
    assert launch(3, [str(tmp_path), "end"]) == 0
    said = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert said == {str(rank): f"3 {rank} 3 127.0.0.1" for rank in range(3)}


@pytest.mark.parametrize(("what", "code"), [("fail", 2), ("kill", 1)])
def test_the_code_is_that_of_the_rank_that_failed(tmp_path, what, code):
    assert launch(2, [str(tmp_path), what]) == code


def test_a_signal_reaches_all_ranks(tmp_path):
    def stop():
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.01)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop).start()
    assert launch(2, [str(tmp_path), "wait"]) == 130
