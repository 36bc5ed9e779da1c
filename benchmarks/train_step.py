"""One training step: groundup's loop against `transformers`' GPT-2 and litgpt's GPT.

Same shape, same tokens per optimizer step, bfloat16 and fused AdamW on all sides, gradient clipped
to 1 on all. Each contestant runs in processes of its own, in turn, so that a machine that slows
down slows all; ratios are taken within a round. Every process also times a large bfloat16 matrix
product between its steps: the limit that its own speed is compared with.

    pip install -e '.[bench]'
    pip install --no-deps litgpt==0.5.13 && pip install lightning==2.6.6
    python benchmarks/train_step.py --shape 14m --output benchmarks/results/train_step.md

litgpt goes in by itself, for it asks for an older huggingface-hub than transformers does; without
it the others are measured. Processor time is the fair clock where other work shares the machine: it
does not count waiting.
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SHAPES = {
    "14m": {"n_layers": 6, "d_model": 384, "n_heads": 6},
    "small": {"n_layers": 4, "d_model": 128, "n_heads": 2},
}
CONTEXT, VOCABULARY = 256, 8192
BATCH_ROWS = 16  # 4096 tokens: one micro-batch at groundup's default on a CPU
LR = 1e-3
LIMIT_SIDE = 1024
TARGETS = {
    "14m": {"transformers": 1.35, "litgpt": 1.15, "limit": 0.65},
    "small": {"transformers": 1.8},
}

Clock = tuple[float, float]
"""Wall and processor seconds."""
Timings = dict[str, Any]


def now() -> Clock:
    return time.perf_counter(), time.process_time()


def matmul_seconds() -> Clock:
    """One product of two square bfloat16 matrices, the faster of three."""
    import torch

    square = torch.ones(LIMIT_SIDE, LIMIT_SIDE, dtype=torch.bfloat16)
    found = []
    for _ in range(3):
        start = now()
        square @ square
        found.append(tuple(b - a for a, b in zip(start, now(), strict=True)))
    return min(seconds for seconds, _ in found), min(seconds for _, seconds in found)


def timed(step: Callable[[], float], *, warmup_steps: int, steps: int) -> Timings:
    """Both clocks of each step and of a product after it, and the last loss as a sign of life."""
    loss = 0.0
    step_seconds: list[Clock] = []
    limit_seconds: list[Clock] = []
    for index in range(warmup_steps + steps):
        start = now()
        loss = step()
        end = now()
        limit = matmul_seconds()
        if index >= warmup_steps:
            step_seconds.append((end[0] - start[0], end[1] - start[1]))
            limit_seconds.append(limit)
    return {"steps": step_seconds, "limits": limit_seconds, "loss": loss}


def groundup(shape: dict[str, int], warmup_steps: int, steps: int) -> Timings:
    """The step of `groundup.training.loop`, with the settings of the command line."""
    from groundup.model.allocator import tune_allocator

    tune_allocator()
    import torch

    from groundup.model import count
    from groundup.model.config import ModelConfig
    from groundup.model.transformer import Transformer
    from groundup.training.config import AdamWConfig
    from groundup.training.loop import accumulate
    from groundup.training.microbatch import CPU_TOKENS
    from groundup.training.optimizer import build, clip_gradients

    config = ModelConfig(**shape, context_length=CONTEXT, vocab_size=VOCABULARY)
    model = Transformer(config)
    settings = AdamWConfig(lr=LR)
    optimizer = build(model, settings)
    rows = min(CPU_TOKENS // CONTEXT, BATCH_ROWS)
    batch = torch.randint(0, VOCABULARY, (BATCH_ROWS, CONTEXT + 1))

    def step() -> float:
        loss = accumulate(model.loss, batch, rows)
        clip_gradients(optimizer.parameters(), settings.clip_norm)
        optimizer.step(1.0)
        optimizer.zero_grad()
        return float(loss)

    found = timed(step, warmup_steps=warmup_steps, steps=steps)
    params = sum(parameter.numel() for parameter in model.parameters())
    flops = count.flops_per_token(config, CONTEXT)
    return {**found, "params": params, "flops_per_token": flops}


def transformers(shape: dict[str, int], warmup_steps: int, steps: int) -> Timings:
    """What most people write: GPT2LMHeadModel, autocast, fused AdamW."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=CONTEXT,
        n_embd=shape["d_model"],
        n_layer=shape["n_layers"],
        n_head=shape["n_heads"],
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        use_cache=False,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = GPT2LMHeadModel(config).train()
    batch = torch.randint(0, VOCABULARY, (BATCH_ROWS, CONTEXT))

    def loss_of() -> Any:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return model(input_ids=batch, labels=batch).loss

    return _plain_loop(model, loss_of, warmup_steps, steps)


def litgpt(shape: dict[str, int], warmup_steps: int, steps: int) -> Timings:
    """The model and loss of `litgpt pretrain --precision bf16-true`: LayerNorm, GELU and biases.

    Its positions are rotary and its output layer is not the embedding; both as the shape's
    matrix products go, equal work.
    """
    import torch
    from litgpt.config import Config
    from litgpt.model import GPT
    from litgpt.utils import chunked_cross_entropy

    config = Config(
        block_size=CONTEXT,
        n_layer=shape["n_layers"],
        n_embd=shape["d_model"],
        n_head=shape["n_heads"],
        vocab_size=VOCABULARY,
        padded_vocab_size=VOCABULARY,
        parallel_residual=False,
        attn_bias=True,
        rotary_percentage=1.0,
    )
    model = GPT(config).to(torch.bfloat16)
    batch = torch.randint(0, VOCABULARY, (BATCH_ROWS, CONTEXT + 1))

    def loss_of() -> Any:
        return chunked_cross_entropy(model(batch[:, :-1]), batch[:, 1:])

    return _plain_loop(model, loss_of, warmup_steps, steps)


def _plain_loop(model: Any, loss_of: Callable[[], Any], warmup_steps: int, steps: int) -> Timings:
    """Forward, backward, clip, fused AdamW."""
    import torch

    optimizer = torch.optim.AdamW(
        model.parameters(), lr=LR, betas=(0.9, 0.95), weight_decay=0.1, fused=True
    )

    def step() -> float:
        loss = loss_of()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return float(loss.detach())

    params = sum(parameter.numel() for parameter in model.parameters())
    return {**timed(step, warmup_steps=warmup_steps, steps=steps), "params": params}


SIDES = {"groundup": groundup, "transformers": transformers, "litgpt": litgpt}


def measure(arguments: argparse.Namespace) -> dict[str, list[Timings]]:
    """Runs all contestants in turn, each round in new processes."""
    here = [side for side in SIDES if importlib.util.find_spec(side) is not None]
    found: dict[str, list[Timings]] = {side: [] for side in here}
    environment = {**os.environ, "OMP_NUM_THREADS": str(arguments.threads)}
    for _ in range(arguments.rounds):
        for side in here:
            command = [sys.executable, __file__, "--side", side, "--shape", arguments.shape]
            command += ["--steps", str(arguments.steps)]
            done = subprocess.run(
                command, env=environment, stdout=subprocess.PIPE, text=True, check=True
            )
            found[side].append(json.loads(done.stdout.splitlines()[-1]))
    return found


def median_s(run: Timings, what: str, clock: int) -> float:
    """Median seconds of a run's `steps` or `limits` on the wall (0) or processor (1) clock."""
    return statistics.median(pair[clock] for pair in run[what])


def spread(values: list[float]) -> str:
    """Median, and the least and the greatest."""
    return f"{statistics.median(values):.2f} [{min(values):.2f}, {max(values):.2f}]"


def shares(runs: list[Timings], flops: float, clock: int) -> list[float]:
    """Each round's share of the matrix-product limit that was measured within it."""
    step_flops = BATCH_ROWS * CONTEXT * flops
    limit_flops = 2.0 * LIMIT_SIDE**3
    return [
        (step_flops / median_s(run, "steps", clock))
        / (limit_flops / median_s(run, "limits", clock))
        for run in runs
    ]


def ratios(found: dict[str, list[Timings]], side: str, clock: int) -> list[float]:
    """How many times longer a contestant takes than groundup, round by round."""
    return [
        median_s(theirs, "steps", clock) / median_s(ours, "steps", clock)
        for ours, theirs in zip(found["groundup"], found[side], strict=True)
    ]


def report(found: dict[str, list[Timings]], arguments: argparse.Namespace) -> str:
    """The result as Markdown."""
    from importlib import metadata

    from groundup.core.artifact import describe_code
    from groundup.core.machine import describe_hardware

    shape = SHAPES[arguments.shape]
    tokens = BATCH_ROWS * CONTEXT
    flops = found["groundup"][0]["flops_per_token"]
    names = {side: f"{side} {metadata.version(side)}" for side in found}
    rows = []
    for side, runs in found.items():
        wall, processor = (
            statistics.median(median_s(run, "steps", clock) for run in runs) for clock in (0, 1)
        )
        rows.append(
            f"| {names[side]} | {runs[0]['params']:,} | {1e3 * wall:,.0f} | {1e3 * processor:,.0f}"
            f" | {tokens / processor:,.0f} | {spread(ratios(found, side, 0))}"
            f" | {spread(ratios(found, side, 1))} | {spread(shares(runs, flops, 1))} |"
        )
    limit = (
        2
        * LIMIT_SIDE**3
        / statistics.median(median_s(run, "limits", 1) for runs in found.values() for run in runs)
    )
    targets = ", ".join(f"{name} {value}" for name, value in TARGETS[arguments.shape].items())
    hardware, code = describe_hardware(), describe_code()
    dirty = " with uncommitted changes" if code.get("dirty") else ""
    return "\n".join(
        [
            f"## {arguments.shape}, {arguments.threads} thread"
            f"{'s' if arguments.threads > 1 else ''}",
            "",
            f"GPT-2 block, {shape['n_layers']} layers, width {shape['d_model']},"
            f" {shape['n_heads']} heads, context {CONTEXT}, vocabulary {VOCABULARY:,};"
            f" {tokens:,} tokens per optimizer step, bfloat16, fused AdamW, no dropout. A row's"
            " ratios and shares are the median and [least, greatest] of"
            f" {arguments.rounds} rounds; a ratio is that loop's time over groundup's.",
            "",
            "| loop | parameters | ms/step | CPU ms/step | tokens per CPU second | ratio, wall"
            " | ratio, CPU time | share of limit, CPU time |",
            "|---|--:|--:|--:|--:|--:|--:|--:|",
            *rows,
            "",
            f"Targets: {targets}. Limit: {limit / 1e9:,.0f} GFLOP per CPU second, a bfloat16"
            f" product of side {LIMIT_SIDE} timed after each step; {flops / 1e6:.1f} MFLOP a"
            " token.",
            "",
            f"- hardware: {hardware['processor']}, {arguments.threads} of {hardware['cores']}"
            " cores",
            f"- date: {time.strftime('%Y-%m-%d', time.gmtime())}; torch"
            f" {metadata.version('torch')}; commit {code.get('commit', 'unknown')[:12]}{dirty}",
            f"- command: `python benchmarks/train_step.py --shape {arguments.shape} --rounds"
            f" {arguments.rounds} --steps {arguments.steps} --threads {arguments.threads}`",
            f"- load: 1-minute average {os.getloadavg()[0]:.1f} at the end; above the number of"
            " threads, other work took part of the time",
            "",
        ]
    )


def main() -> None:
    """Measures and prints, or with `--side` is one contestant's process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="14m")
    parser.add_argument("--rounds", type=int, default=5, help="processes of each contestant")
    parser.add_argument("--steps", type=int, default=6, help="timed steps in each process")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--output", type=Path, help="also append the result to this file")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        found = SIDES[arguments.side](SHAPES[arguments.shape], 2, arguments.steps)
        print(json.dumps(found))
        return
    text = report(measure(arguments), arguments)
    print(text)
    if arguments.output:
        with arguments.output.open("a", encoding="utf-8") as file:
            file.write(text + "\n")


if __name__ == "__main__":
    main()
