"""Kills pretraining with SIGKILL at random moments, and compares the final weights.

    python benchmarks/kill_matrix.py --to RESULTS.md [--kills 50] [--seed 1]

A small model is trained again and again on a small text. Each kill is aimed at a phase (training,
checkpointing, validation) at a random step, as seen from the run's own files; after the kill the
same files say which phase it really hit. A run is killed five times, started again each time with
the same command, and at the end its weights must equal those of an uninterrupted run bit for bit.

Then the same with two ranks, of which a random one is killed: replicas (DDP) and shards (FSDP2).
And a run that changes its number of ranks three times: 2, 1, 4, 2. These are compared with the
uninterrupted run of one process.

Exit code 0 when all is as it should be, 1 when not.
"""

import argparse
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import torch
from safetensors.torch import load_file

from groundup.core.artifact import Manifest, RunDir, digest_file
from groundup.core.metrics import read_metrics
from groundup.model.device import compute_dtype
from groundup.tokens.tokenizer import Tokenizer

N_STEPS, EVALUATE_EVERY = 40, 8
KILLS_PER_RUN = 5
PHASES = ("training", "checkpointing", "validation")
TOLERANCE = 0.05
"""Largest |a - b| / |a| over all weights between different numbers of ranks: sums in another order,
through bfloat16 products and Muon, which gives every direction of a gradient the same length."""
BITS_TOLERANCE = 0.001
"""Largest difference in bits per byte of the validation text."""
RECIPE = f"""stage = "pretrain"
# What the kill matrix trains.
tokens = "TOKENS"
budget_tokens = {N_STEPS * 512}
batch_tokens = 512
micro_batch_tokens = 128
evaluation_every_steps = {EVALUATE_EVERY}
evaluation_tokens = 8192
log_every_steps = 1
checkpoint_every_s = 0.1
ngram_tokens = 20000

[samples]
prompts = ["the "]
max_new_tokens = 8

[model]
n_layers = 2
d_model = 128
n_heads = 2
context_length = 64
position = "rope"
tied = false
"""


def make_tokens(folder: Path) -> None:
    """A tokens run over random sentences, one byte a token."""
    rng = random.Random(0)
    words = [
        "the",
        "model",
        "reads",
        "a",
        "row",
        "of",
        "bytes",
        "and",
        "learns",
        "what",
        "is",
        "next",
    ]
    tokenizer = Tokenizer([bytes([value]) for value in range(256)])
    out = RunDir(folder, Manifest(stage="tokens", stage_version=1, name="t", key="0" * 12), "")
    tokenizer.save(out.file("tokenizer.json"))
    about = {"dtype": "uint16", "vocab_size": tokenizer.vocab_size}
    for split, n_words in [("train", 20_000), ("validation", 4_000)]:
        text = " ".join(rng.choices(words, k=n_words))
        ids = [*tokenizer.encode(text), tokenizer.end_id]
        out.file(f"{split}/00000.bin").write_bytes(np.array(ids, dtype="<u2").tobytes())
        about[f"{split}_tokens"], about[f"{split}_bytes"] = len(ids), len(text.encode())
    out.file("tokens.json").write_text(json.dumps(about))
    out.complete()


class Run:
    """One run directory, which several processes work on one after another."""

    def __init__(self, recipe: Path, to: Path) -> None:
        self._recipe, self._to = recipe, to

    def start(self, *settings: str) -> subprocess.Popen:
        """Begins it, or goes on with it, in a process of its own."""
        command = [sys.executable, "-m", "groundup", "pretrain", str(self._recipe)]
        return subprocess.Popen(
            [*command, "--runs", str(self._to), *settings],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=(self._to.parent / f"{self._to.name}.log").open("a"),
        )

    @property
    def folder(self) -> Path | None:
        """The run directory; None before there is one."""
        found = list(self._to.glob("pretrain/*"))
        return found[0] if found else None

    def phase(self) -> tuple[str, int]:
        """What the files say is going on, and the last step that they know of."""
        if self.folder is None:
            return "start", 0
        rows = list(read_metrics(self.folder / "metrics.jsonl"))
        if not rows:
            return "start", 0
        step = int(rows[-1]["step"])
        measured = "validation/bits_per_byte" in rows[-1]
        due = step == N_STEPS or step % EVALUATE_EVERY == 0
        samples = self.folder / "samples.jsonl"
        written = samples.read_text() if samples.exists() else ""
        if due and not (measured and f'"step": {step},' in written):
            return "validation", step
        if list(self.folder.glob("checkpoints/*.partial")):
            return "checkpointing", step
        return "training", step

    def finish(self, *settings: str) -> dict[str, torch.Tensor]:
        """Goes on to the end, and returns the weights."""
        code = self.start(*settings).wait()
        if code:
            raise SystemExit(f"exit code {code}, see {self._to}.log")
        return load_file(self.folder / "model" / "model.safetensors")

    def bits_per_byte(self) -> float:
        """Of the validation text, at the end."""
        result = json.loads((self.folder / "result.json").read_text())
        return result["validation_bits_per_byte"]

    def digest(self) -> str:
        """Of the final weights."""
        return digest_file(self.folder / "model" / "model.safetensors")


@dataclass
class Kill:
    """What it was aimed at, what the files say it hit, and at which step."""

    aimed: str
    hit: str
    step: int


def kill(run: Run, rng: random.Random, aimed: str, after_step: int, *settings: str) -> Kill | None:
    """Starts the run, and kills it in a phase after a step; None when it ended before."""
    process = run.start(*settings)
    wait_s = rng.uniform(0, 0.03)
    while process.poll() is None:
        phase, step = run.phase()
        if phase == aimed and step >= after_step:
            time.sleep(wait_s)
            break
        time.sleep(0.001)
    if process.poll() is not None:
        return None
    victims = psutil.Process(process.pid).children() or [psutil.Process(process.pid)]
    ranks = [child for child in victims if "groundup" in child.cmdline()]
    victim = rng.choice(ranks) if ranks else psutil.Process(process.pid)
    victim.send_signal(signal.SIGKILL)
    time.sleep(0.01)
    hit, step = run.phase()  # before the other ranks tidy anything up
    process.wait()
    return Kill(aimed, hit, step)


def killed_run(run: Run, rng: random.Random, n_kills: int, *settings: str) -> list[Kill]:
    """Kills aimed at steps that lie ever further on, so that each start has something to do."""
    kills: list[Kill] = []
    edges = np.linspace(0, N_STEPS - 4, n_kills + 1)
    for index in range(n_kills):
        after_step = int(rng.uniform(edges[index], edges[index + 1]))
        found = kill(run, rng, PHASES[index % len(PHASES)], after_step, *settings)
        if found is None:
            break
        kills.append(found)
    return kills


def distance(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> float:
    """|a - b| / |a| over all weights."""
    apart = sum(float((left[n] - right[n]).norm()) ** 2 for n in left)
    return (apart / sum(float(left[n].norm()) ** 2 for n in left)) ** 0.5


def one_process(recipe: Path, to: Path, rng: random.Random, n_kills: int, expected: str):
    """Kills until there are enough; returns them, runs, and runs whose weights differ."""
    kills: list[Kill] = []
    n_runs = different = 0
    while len(kills) < n_kills:
        run = Run(recipe, to / f"killed-{n_runs}")
        kills += killed_run(run, rng, min(KILLS_PER_RUN, n_kills - len(kills)))
        run.finish()
        n_runs += 1
        different += run.digest() != expected
        print(f"{len(kills)} kills, {n_runs} runs, {different} differ", flush=True)
    return kills, n_runs, different


def several_ranks(recipe: Path, to: Path, rng: random.Random, reference: Run, whole, n_kills: int):
    """Rows of the second table: what was done, kills by phase, how far from one process."""
    rows = []

    def add(what: str, kills: list[Kill], run: Run, weights, same: str) -> None:
        bits = abs(run.bits_per_byte() - reference.bits_per_byte())
        rows.append((what, counted(kills), distance(whole, weights), bits, same))
        print(rows[-1], flush=True)

    for kind in ("ddp", "fsdp"):
        settings = ("--processes", "2", "--parallel", kind)
        run = Run(recipe, to / f"{kind}-uninterrupted")
        straight = run.finish(*settings)
        add(f"2 ranks, {kind}, uninterrupted", [], run, straight, "")
        run = Run(recipe, to / f"{kind}-killed")
        kills = killed_run(run, rng, n_kills, *settings)
        found = run.finish(*settings)
        same = "yes" if distance(straight, found) == 0 else "no"
        add(f"2 ranks, {kind}, killed", kills, run, found, same)
    run = Run(recipe, to / "changing")
    kills = []
    for after_step, settings in [
        (8, ("--processes", "2", "--parallel", "fsdp")),
        (16, ()),
        (24, ("--processes", "4", "--parallel", "fsdp")),
    ]:
        found = kill(run, rng, "training", after_step, *settings)
        kills += [found] if found else []
    found = run.finish("--processes", "2", "--parallel", "ddp")
    add("2 ranks fsdp, then 1, then 4 fsdp, then 2 ddp", kills, run, found, "")
    return rows


def counted(kills: list[Kill]) -> str:
    by_phase = Counter(kill.hit for kill in kills)
    return ", ".join(f"{n} {phase}" for phase, n in sorted(by_phase.items()))


def page(kills, n_runs, different, rows, seconds) -> str:
    dtype = str(compute_dtype(torch.device("cpu"))).removeprefix("torch.")
    aimed = Counter(kill.aimed for kill in kills)
    hit = Counter(kill.hit for kill in kills)
    lines = [
        "# Kills at random moments",
        "",
        f"{N_STEPS} steps of a small model (2 layers, width 128), SIGKILL, the same command again.",
        "",
        f"One process: {len(kills)} kills over {n_runs} runs; **{different} runs differ** from the "
        "uninterrupted one in a bit of their weights.",
        "",
        "| phase | aimed at | hit |",
        "|---|--:|--:|",
        *(f"| {name} | {aimed[name]} | {hit[name]} |" for name in sorted({*aimed, *hit})),
        "",
        "Several ranks; a random one is killed. Compared with one process, uninterrupted: "
        f"|a - b| / |a| over all weights, of which {TOLERANCE} is tolerated, and bits per byte, of "
        f"which {BITS_TOLERANCE} is. Products are in {dtype}.",
        "",
        "| run | kills | weights apart | bits per byte apart | bit for bit as the uninterrupted "
        "run on as many ranks |",
        "|---|---|--:|--:|---|",
        *(
            f"| {what} | {hits} | {far:.1e} | {bits:.5f} | {same} |"
            for what, hits, far, bits, same in rows
        ),
        "",
        f"- {time.strftime('%Y-%m-%d')}, {platform.machine()}, torch {torch.__version__}, "
        f"one thread a rank, {seconds:.0f} s in all",
        f"- command: `python benchmarks/kill_matrix.py {' '.join(sys.argv[1:])}`",
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--rank-kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("runs-killed"))
    parser.add_argument("--to", type=Path)
    known = parser.parse_args()
    start = time.monotonic()
    shutil.rmtree(known.work, ignore_errors=True)
    make_tokens(known.work / "tokens")
    recipe = known.work / "recipe" / "pretrain.toml"
    recipe.parent.mkdir()
    recipe.write_text(RECIPE.replace("TOKENS", str((known.work / "tokens").resolve())))
    rng = random.Random(known.seed)
    reference = Run(recipe, known.work / "uninterrupted")
    whole = reference.finish()
    print(f"uninterrupted: {time.monotonic() - start:.0f} s", flush=True)
    kills, n_runs, different = one_process(recipe, known.work, rng, known.kills, reference.digest())
    rows = several_ranks(recipe, known.work, rng, reference, whole, known.rank_kills)
    text = page(kills, n_runs, different, rows, time.monotonic() - start)
    print(text)
    if known.to is not None:
        known.to.write_text(text)
    bad = different or any(
        far > TOLERANCE or bits > BITS_TOLERANCE or same == "no" for _, _, far, bits, same in rows
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
