"""One training step: groundup's loop against a plain loop around `transformers`' GPT-2.

Same shape, same tokens per optimizer step, bfloat16 and fused AdamW on both sides, gradient clipped
to 1 on both. Each side runs in processes of its own, alternately, so that a machine that slows down
slows both; the numbers are medians over all steps.

    pip install -e '.[bench]'
    python benchmarks/train_step.py --output benchmarks/results/train_step.md
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

N_LAYERS, D_MODEL, N_HEADS, CONTEXT, VOCABULARY = 6, 384, 6, 256, 8192
BATCH_ROWS = 16  # 4096 tokens: one micro-batch at groundup's default on a CPU
LR = 1e-3


def timed(step: Callable[[], float], *, warmup_steps: int, steps: int) -> dict[str, Any]:
    """Wall and processor seconds of each step, and the last loss as a sign of life."""
    loss = 0.0
    seconds: list[float] = []
    cpu_seconds: list[float] = []
    for index in range(warmup_steps + steps):
        start, cpu_start = time.perf_counter(), time.process_time()
        loss = step()
        if index >= warmup_steps:
            seconds.append(time.perf_counter() - start)
            cpu_seconds.append(time.process_time() - cpu_start)
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "loss": loss}


def ours(threads: int, warmup_steps: int, steps: int) -> dict[str, Any]:
    """The step of `groundup.training.loop`, with the settings of the command line."""
    from groundup.model.allocator import tune_allocator

    tune_allocator()
    import torch

    from groundup.model import count, device
    from groundup.model.config import ModelConfig
    from groundup.model.transformer import Transformer
    from groundup.training.config import AdamWConfig
    from groundup.training.loop import accumulate
    from groundup.training.microbatch import micro_batch_rows
    from groundup.training.optimizer import build, clip_gradients

    torch.set_num_threads(threads)
    config = ModelConfig(
        n_layers=N_LAYERS,
        d_model=D_MODEL,
        n_heads=N_HEADS,
        context_length=CONTEXT,
        vocab_size=VOCABULARY,
    )
    model = Transformer(config)
    settings = AdamWConfig(lr=LR)
    optimizer = build(model, settings)
    rows = micro_batch_rows(config, model.device, batch_rows=BATCH_ROWS, wanted_tokens=None)
    batch = torch.randint(0, VOCABULARY, (BATCH_ROWS, CONTEXT + 1))
    limit_flops = device.matmul_limit_flops(model.device, model.compute_dtype)

    def step() -> float:
        loss = accumulate(model.loss, batch, rows)
        clip_gradients(optimizer.parameters(), settings.clip_norm)
        optimizer.step(1.0)
        optimizer.zero_grad()
        return float(loss)

    found = timed(step, warmup_steps=warmup_steps, steps=steps)
    params = sum(parameter.numel() for parameter in model.parameters())
    flops = count.flops_per_token(config, CONTEXT)
    return {**found, "params": params, "limit_flops": limit_flops, "flops_per_token": flops}


def theirs(threads: int, warmup_steps: int, steps: int) -> dict[str, Any]:
    """What most people write: GPT2LMHeadModel, autocast, fused AdamW."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.set_num_threads(threads)
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=CONTEXT,
        n_embd=D_MODEL,
        n_layer=N_LAYERS,
        n_head=N_HEADS,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        use_cache=False,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = GPT2LMHeadModel(config).train()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=LR, betas=(0.9, 0.95), weight_decay=0.1, fused=True
    )
    batch = torch.randint(0, VOCABULARY, (BATCH_ROWS, CONTEXT))

    def step() -> float:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model(input_ids=batch, labels=batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return float(loss.detach())

    params = sum(parameter.numel() for parameter in model.parameters())
    return {**timed(step, warmup_steps=warmup_steps, steps=steps), "params": params}


SIDES = {"ours": ours, "theirs": theirs}


def measure(arguments: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Runs both sides alternately, each round in new processes."""
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    environment = {**os.environ, "OMP_NUM_THREADS": str(arguments.threads)}
    for _ in range(arguments.rounds):
        for side in SIDES:
            command = [sys.executable, __file__, "--side", side, "--threads"]
            command += [str(arguments.threads), "--steps", str(arguments.steps)]
            done = subprocess.run(
                command, env=environment, stdout=subprocess.PIPE, text=True, check=True
            )
            found[side].append(json.loads(done.stdout.splitlines()[-1]))
    return found


def report(found: dict[str, list[dict[str, Any]]], arguments: argparse.Namespace) -> str:
    """The result as Markdown."""
    from importlib import metadata

    from groundup.core.artifact import describe_code
    from groundup.core.machine import describe_hardware

    tokens = BATCH_ROWS * CONTEXT
    medians, cpu_medians = (
        {
            side: statistics.median(second for run in runs for second in run[clock])
            for side, runs in found.items()
        }
        for clock in ("seconds", "cpu_seconds")
    )
    limit = max(run["limit_flops"] for run in found["ours"])
    flops = found["ours"][0]["flops_per_token"]
    names = {"ours": "groundup", "theirs": f"transformers {metadata.version('transformers')}"}
    rows = [
        f"| {names[side]} | {found[side][0]['params']:,} | {1e3 * medians[side]:,.0f} | "
        f"{1e3 * cpu_medians[side]:,.0f} | {tokens / medians[side]:,.0f} | "
        f"{tokens / medians[side] * flops / limit:.0%} |"
        for side in SIDES
    ]
    ratios = [
        statistics.median(b["seconds"]) / statistics.median(a["seconds"])
        for a, b in zip(found["ours"], found["theirs"], strict=True)
    ]
    hardware, code = describe_hardware(), describe_code()
    dirty = " with uncommitted changes" if code.get("dirty") else ""
    return "\n".join(
        [
            "# One training step on a CPU",
            "",
            f"GPT-2 block, {N_LAYERS} layers, width {D_MODEL}, {N_HEADS} heads, context {CONTEXT},"
            f" vocabulary {VOCABULARY:,}; {tokens:,} tokens per optimizer step, bfloat16, fused"
            " AdamW, no dropout.",
            "",
            "| loop | parameters | ms/step (median) | CPU ms/step | tokens/s"
            " | share of measured matmul limit |",
            "|---|--:|--:|--:|--:|--:|",
            *rows,
            "",
            f"**{medians['theirs'] / medians['ours']:.2f}x** (per round: "
            f"{', '.join(f'{ratio:.2f}' for ratio in ratios)}); in processor time"
            f" **{cpu_medians['theirs'] / cpu_medians['ours']:.2f}x**."
            f" Limit: {limit / 1e9:,.0f} GFLOP/s, the best of a 1024-sided bfloat16 product;"
            f" {flops / 1e6:.1f} MFLOP a token.",
            "",
            f"- hardware: {hardware['processor']}, {arguments.threads} threads of"
            f" {hardware['cores']} cores",
            f"- date: {time.strftime('%Y-%m-%d', time.gmtime())}; torch"
            f" {metadata.version('torch')}; commit {code.get('commit', 'unknown')[:12]}{dirty}",
            f"- command: `python benchmarks/train_step.py --rounds {arguments.rounds}"
            f" --steps {arguments.steps} --threads {arguments.threads}`",
            f"- load: 1-minute average {os.getloadavg()[0]:.1f} at the end; above the number of"
            " threads, other work took part of the time",
            "",
        ]
    )


def main() -> None:
    """Measures and prints, or with `--side` is one side's process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="processes of each side")
    parser.add_argument("--steps", type=int, default=6, help="timed steps in each process")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--output", type=Path, help="also write the result to this file")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        found = SIDES[arguments.side](arguments.threads, 2, arguments.steps)
        print(json.dumps(found))
        return
    text = report(measure(arguments), arguments)
    print(text)
    if arguments.output:
        arguments.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
