"""Starts the command line on several ranks, as `torchrun` would, and notes every step.

The ranks are forked from a server that has imported PyTorch once, so that a test takes seconds.
Products are computed in float32, Muon's too, so that sums differ by their order only: in bfloat16 a
flipped last bit of a gradient may move an update by 2^-8.
"""

import json
import multiprocessing
import os
import signal
import socket
import sys
import time
from pathlib import Path

import tomli_w

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["groundup.training.run", "groundup.training.distributed"])
DEADLINE_S = 300.0  # other work may take the machine


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def write_recipe(folder, tokens, config, **changes):
    values = config.model_copy(update=changes).model_dump(mode="json", exclude_none=True)
    path = folder / "recipe" / "pretrain.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(tomli_w.dumps({"stage": "pretrain", **values, "tokens": str(tokens.path)}))
    return path


class Ranks:
    """Processes of one launch; `records/rank.jsonl` has the steps that each has taken."""

    def __init__(self, n_ranks, folder, *arguments, stop=None, missing=()):
        """With `stop` = (rank, "step" or "measure", number, signal) a rank signals itself there."""
        self.folder = folder
        shared = {"WORLD_SIZE": str(n_ranks), "LOCAL_WORLD_SIZE": str(n_ranks)}
        shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
        self.processes = []
        for rank in range(n_ranks):
            environment = {**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}
            environment = {k: v for k, v in environment.items() if k not in missing}
            mine = stop[1:] if stop is not None and stop[0] == rank else None
            process = SERVER.Process(
                target=_command,
                args=(environment if n_ranks > 1 else {}, rank, folder, arguments, mine),
            )
            process.start()
            self.processes.append(process)

    def finish(self):
        """Exit codes of all ranks, once all have ended."""
        deadline = time.monotonic() + DEADLINE_S
        for process in self.processes:
            process.join(max(0.1, deadline - time.monotonic()))
        hung = [process for process in self.processes if process.is_alive()]
        for process in hung:
            process.kill()
        assert not hung, self.said()
        return [process.exitcode for process in self.processes]

    def said(self):
        """Standard error of each rank."""
        return [path.read_text() for path in sorted(self.folder.glob("stderr-*.txt"))]


def steps(folder, rank=0):
    """Step to (loss, gradient norm, seconds since the epoch), the last time that it was taken."""
    lines = (folder / f"steps-{rank}.jsonl").read_text().splitlines()
    return {row[0]: tuple(row[1:]) for row in map(json.loads, lines)}


def _command(environment, rank, folder, arguments, stop):
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.update(environment)
    stderr = os.open(folder / f"stderr-{rank}.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(stderr, 2)
    os.dup2(stderr, 1)
    signal.signal(signal.SIGINT, signal.default_int_handler)

    import torch

    from groundup.cli.main import main
    from groundup.model import device
    from groundup.training import muon
    from groundup.training.evaluation import Evaluation
    from groundup.training.reporting import Reporting

    torch.set_num_threads(1)
    muon.WORK_DTYPE = torch.float32
    device.compute_dtype = lambda _device: torch.float32
    show, measure = Reporting.show, Evaluation.measure

    def note(self, step):
        row = [step.number, float(step.loss), float(step.norm), time.time()]
        with (folder / f"steps-{rank}.jsonl").open("a") as lines:
            lines.write(json.dumps(row) + "\n")
        if stop is not None and (stop[0], stop[1]) == ("step", step.number):
            os.kill(os.getpid(), stop[2])
        show(self, step)

    def measure_after_signal(self, step):
        if stop is not None and (stop[0], stop[1]) == ("measure", step):
            os.kill(os.getpid(), stop[2])
        measure(self, step)

    Reporting.show = note
    Evaluation.measure = measure_after_signal
    try:
        code = main(["pretrain", *map(str, arguments), "--runs", str(folder / "runs")])
    except SystemExit as end:
        code = end.code
    sys.stderr.flush()
    os._exit(code)


def run_directory(folder: Path) -> Path:
    (found,) = (folder / "runs" / "pretrain").iterdir()
    return found
