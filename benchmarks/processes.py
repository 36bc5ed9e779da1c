"""One process with two threads against two processes with one: the same step on the same cores.

Both train the 14M model of `train_step.py` on the same tokens per optimizer step. Two processes
halve the batch between them and average gradients with gloo (PyTorch's DistributedDataParallel).
The two ways run in turn in every round; the clock is the wall, for waiting is the point here.

    python benchmarks/processes.py --output benchmarks/results/processes.md
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from train_step import CONTEXT, LR, SHAPES, VOCABULARY

MICRO_ROWS = 16  # groundup's own choice on a CPU: 4096 tokens at once
WAYS = {"threads": (1, 2), "processes": (2, 1)}
"""Processes, and threads in each."""


def work(rank: int, way: str, batch_rows: int, warmup_steps: int, steps: int) -> list[float]:
    """Wall seconds of each step of one process."""
    from groundup.model.allocator import tune_allocator

    tune_allocator()
    import torch
    import torch.distributed as dist
    from torch import Tensor, nn
    from torch.nn.parallel import DistributedDataParallel

    from groundup.model.config import ModelConfig
    from groundup.model.transformer import Transformer
    from groundup.training.config import AdamWConfig
    from groundup.training.optimizer import build, clip_gradients

    class Loss(nn.Module):
        """The model's loss as a forward pass, which is what PyTorch's wrapper watches."""

        def __init__(self, model: Transformer) -> None:
            super().__init__()
            self.model = model

        def forward(self, ids_BT: Tensor, targets_BT: Tensor) -> Tensor:
            return self.model.loss(ids_BT, targets_BT)

    processes, threads = WAYS[way]
    torch.set_num_threads(threads)
    config = ModelConfig(**SHAPES["14m"], context_length=CONTEXT, vocab_size=VOCABULARY)
    model = Transformer(config)
    loss_fn: Any = Loss(model)
    if processes > 1:
        dist.init_process_group("gloo", rank=rank, world_size=processes)
        loss_fn = DistributedDataParallel(loss_fn, gradient_as_bucket_view=True)
    optimizer = build(model, AdamWConfig(lr=LR))
    rows = batch_rows // processes
    batch = torch.randint(0, VOCABULARY, (rows, CONTEXT + 1))
    found = []
    for _ in range(warmup_steps + steps):
        start = time.perf_counter()
        for micro in (pieces := torch.split(batch, MICRO_ROWS)):
            together = processes == 1 or micro is pieces[-1]
            with nullcontext() if together else loss_fn.no_sync():
                (loss_fn(micro[:, :-1], micro[:, 1:]) * (len(micro) / rows)).backward()
        clip_gradients(optimizer.parameters(), 1.0)
        optimizer.step(1.0)
        optimizer.zero_grad()
        found.append(time.perf_counter() - start)
    if processes > 1:
        dist.destroy_process_group()
    return found[warmup_steps:]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def start(way: str, batch_rows: int, steps: int) -> float:
    """Median seconds of a step, of the slower process."""
    processes, threads = WAYS[way]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
    }
    command = [sys.executable, __file__, "--steps", str(steps), "--way", way]
    command += ["--rows", str(batch_rows)]
    started = [
        subprocess.Popen(
            [*command, "--rank", str(rank)], env=environment, stdout=subprocess.PIPE, text=True
        )
        for rank in range(processes)
    ]
    outputs = [process.communicate()[0] for process in started]
    return max(statistics.median(json.loads(text.splitlines()[-1])) for text in outputs)


def report(found: dict[int, list[tuple[float, float]]], arguments: argparse.Namespace) -> str:
    """The result as Markdown."""
    from importlib import metadata

    from groundup.core.artifact import describe_code
    from groundup.core.machine import describe_hardware

    rows = []
    for batch_rows, pairs in found.items():
        threads, processes = (statistics.median(pair[i] for pair in pairs) for i in (0, 1))
        ratios = [a / b for a, b in pairs]
        rows.append(
            f"| {batch_rows * CONTEXT:,} | {1e3 * threads:,.0f} | {1e3 * processes:,.0f} |"
            f" {statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}] |"
        )
    hardware, code = describe_hardware(), describe_code()
    return "\n".join(
        [
            "# Two threads or two processes on a CPU",
            "",
            "The 14M model of [train_step.md](train_step.md), bfloat16, fused AdamW; median"
            f" milliseconds of a step over {arguments.rounds} rounds in which the two ways take"
            " turns. The ratio is threads over processes: above 1, processes are faster.",
            "",
            "| tokens per step | 1 process, 2 threads | 2 processes, 1 thread, gloo | ratio |",
            "|--:|--:|--:|--:|",
            *rows,
            "",
            f"- hardware: {hardware['processor']}, {hardware['cores']} cores",
            f"- date: {time.strftime('%Y-%m-%d', time.gmtime())}; torch"
            f" {metadata.version('torch')}; commit {code.get('commit', 'unknown')[:12]}",
            f"- command: `python benchmarks/processes.py --rounds {arguments.rounds} --steps"
            f" {arguments.steps} --rows {' '.join(map(str, arguments.rows))}`",
            f"- load: 1-minute average {os.getloadavg()[0]:.1f} at the end",
            "",
        ]
    )


def main() -> None:
    """Measures and prints, or with `--way` is one process of one way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5, help="timed steps in each process")
    parser.add_argument("--rows", type=int, nargs="+", default=[16, 64], help="rows of a step")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--rank", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        print(
            json.dumps(work(arguments.rank, arguments.way, arguments.rows[0], 2, arguments.steps))
        )
        return
    found: dict[int, list[tuple[float, float]]] = {rows: [] for rows in arguments.rows}
    for _ in range(arguments.rounds):
        for rows, pairs in found.items():
            pairs.append(
                (start("threads", rows, arguments.steps), start("processes", rows, arguments.steps))
            )
    text = report(found, arguments)
    print(text)
    if arguments.output:
        arguments.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
