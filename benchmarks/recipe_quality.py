"""Recipes against each other at equal processor time: same text, tokenizer and validation.

Every run trains on one thread until its process has spent the same number of CPU seconds, and the
learning rate follows the share of that time, so a recipe with dearer steps takes fewer of them and
still ends its schedule. All contestants use groundup's own loop and its fast paths, the baseline
too. A run is one process and one JSON file; runs that exist are not repeated.

    python benchmarks/recipe_quality.py run --size small --seconds 180 --plan headline
    python benchmarks/recipe_quality.py report --output benchmarks/results/recipe_quality.md

Reads the technical English of `../shared/data/text` (Python's enhancement proposals, Ethereum's,
OpenStax textbooks), or any folder of zstd JSON lines with a field `text`.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FILES = ("python-peps.jsonl.zst", "openstax-textbooks.jsonl.zst", "ethereum-eips.jsonl.zst")
VOCABULARY, CONTEXT = 8192, 256
VALIDATION_FRACTION = 0.025
SHAPES: dict[str, dict[str, int]] = {
    "small": {"n_layers": 4, "d_model": 128, "n_heads": 2},
    "medium": {"n_layers": 6, "d_model": 256, "n_heads": 4},
}
UNITS = 10_000  # the schedule's "steps" are ten-thousandths of the processor time


@dataclass(frozen=True)
class Contestant:
    """What differs from groundup's defaults; `tweaks` name functions of this file."""

    model: Mapping[str, Any] = field(default_factory=dict)
    optimizer: Mapping[str, Any] = field(default_factory=dict)
    schedule: Mapping[str, Any] = field(default_factory=dict)
    batch_tokens: int = 4096
    tweaks: Sequence[str] = ()


RECIPE = {"position": "rope", "tied": False}


def _gpt2(lr: float, batch_tokens: int = 4096) -> Contestant:
    """GPT-2's block, AdamW, cosine to a tenth, clip 1, weight decay .1."""
    return Contestant(
        optimizer={"kind": "adamw", "lr": lr},
        schedule={"kind": "cosine", "warmup_steps": 300, "final_fraction": 0.1},
        batch_tokens=batch_tokens,
    )


def _recipe(
    model: Mapping[str, Any] | None = None,
    schedule: Mapping[str, Any] | None = None,
    batch_tokens: int = 4096,
    tweaks: Sequence[str] = (),
    **optimizer: Any,
) -> Contestant:
    """The default recipe with changes."""
    return Contestant({**RECIPE, **(model or {})}, optimizer, schedule or {}, batch_tokens, tweaks)


CONTESTANTS: dict[str, Contestant] = {
    "gpt2-adamw-7.5e-4": _gpt2(7.5e-4),
    "gpt2-adamw-1.5e-3": _gpt2(1.5e-3),
    "gpt2-adamw-3e-3": _gpt2(3e-3),
    "gpt2-adamw-6e-3": _gpt2(6e-3),
    "gpt2-adamw-1.5e-3-batch-2048": _gpt2(1.5e-3, 2048),
    "gpt2-adamw-3e-3-batch-2048": _gpt2(3e-3, 2048),
    "default": _recipe(),
    "batch-2048": _recipe(batch_tokens=2048),
    "batch-8192": _recipe(batch_tokens=8192),
    "batch-16384": _recipe(batch_tokens=16384),
    "newton-schulz-3": _recipe(newton_schulz_steps=3),
    "matrix-lr-.01": _recipe(matrix_lr=0.01),
    "matrix-lr-.04": _recipe(matrix_lr=0.04),
    "embedding-lr-.03": _recipe(embedding_lr=0.03),
    "embedding-lr-.003": _recipe(embedding_lr=0.003),
    "head-lr-.001": _recipe(head_lr=0.001),
    "head-lr-.01": _recipe(head_lr=0.01),
    "weight-decay-.1": _recipe(weight_decay=0.1),
    "weight-decay-1": _recipe(weight_decay=1.0),
    "clip-1": _recipe(clip_norm=1.0),
    "flat-.0": _recipe(schedule={"flat_fraction": 0.0}),
    "flat-.2": _recipe(schedule={"flat_fraction": 0.2}),
    "flat-.7": _recipe(schedule={"flat_fraction": 0.7}),
    "final-0": _recipe(schedule={"final_fraction": 0.0}),
    "warmup-3%": _recipe(schedule={"warmup_steps": 300}),
    "momentum-warmup": _recipe(tweaks=["momentum_warmup"]),
    "qk-norm": _recipe({"qk_norm": True}),
    "relu2": _recipe({"activation": "relu2"}),
    "swiglu": _recipe({"activation": "swiglu"}),
    "rms-no-bias": _recipe({"norm": "rms", "bias": False}),
    "no-bias": _recipe({"bias": False}),
    "llama-block": _recipe({"norm": "rms", "bias": False, "activation": "swiglu"}),
    "learned-positions": _recipe({"position": "learned"}),
    "tied": _recipe({"tied": True}),
    "heads-of-128": _recipe({"n_heads": 1}),
    "zero-init": _recipe(tweaks=["zero_init"]),
    "value-embeddings": _recipe(tweaks=["value_embeddings"]),
    "x0": _recipe(tweaks=["x0"]),
    "value-embeddings-x0": _recipe(tweaks=["value_embeddings", "x0"]),
    "beta2-.99": _recipe(beta2=0.99),
    "beta1-.8": _recipe(beta1=0.8),
}


@dataclass(frozen=True)
class Cell:
    """One run of the tables."""

    name: str
    size: str
    seed: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.name}/{self.size}/{self.seed}/{self.seconds:g}"

    @classmethod
    def parse(cls, text: str) -> "Cell":
        """The cell that `str` wrote."""
        name, size, seed, seconds = text.split("/")
        return cls(name, size, int(seed), float(seconds))

    def path(self, work: Path) -> Path:
        """Its result."""
        return work / f"{self.size}-{self.seconds:g}s" / f"{self.name}-{self.seed}.json"


def zero_init(model: Any) -> None:
    """Layers that write to the residual stream start at 0."""
    import torch

    with torch.no_grad():
        for block in model.blocks:
            block.attention.out.weight.zero_()
            block.feedforward.down.weight.zero_()


def value_embeddings(model: Any) -> None:
    """Every second layer's values get a learned vector of the token (modded-nanogpt)."""
    import torch
    from torch import nn

    tables = nn.ModuleDict()
    seen: dict[str, Any] = {}
    model.embedding.register_forward_pre_hook(lambda _module, inputs: seen.update(ids=inputs[0]))
    for number, block in enumerate(model.blocks):
        if number % 2 == 0:
            continue
        width = block.attention.value.weight.shape[0]
        table = tables[str(number)] = nn.Embedding(VOCABULARY, width)
        torch.nn.init.normal_(table.weight, std=0.02)
        gate = nn.Parameter(torch.full((1,), 0.5))
        block.attention.register_parameter("value_gate", gate)

        def add(_module: Any, _inputs: Any, out: Any, table: Any = table, gate: Any = gate) -> Any:
            return out + (gate * table(seen["ids"])).to(out.dtype)

        block.attention.value.register_forward_hook(add)
    model.value_tables = tables


def x0(model: Any) -> None:
    """Each block reads a learned mix of the stream and of the embedding (modded-nanogpt)."""
    import torch
    from torch import nn

    first: dict[str, Any] = {}
    for number, block in enumerate(model.blocks):
        mix = nn.Parameter(torch.tensor([1.0, 0.0]))
        block.register_parameter("mix", mix)

        def before(
            _module: Any, inputs: tuple[Any, ...], number: int = number, mix: Any = mix
        ) -> tuple[Any, ...]:
            if number == 0:
                first["x"] = inputs[0]
            return (mix[0] * inputs[0] + mix[1] * first["x"], *inputs[1:])

        block.register_forward_pre_hook(before)


MODEL_TWEAKS: dict[str, Callable[[Any], None]] = {
    "zero_init": zero_init,
    "value_embeddings": value_embeddings,
    "x0": x0,
}


def load_rows(data: Path, work: Path) -> tuple[Any, Any]:
    """Training and validation rows; the tokenizer and the ids are made once."""
    import numpy as np

    from groundup.tokens.loader import TokenRows
    from groundup.tokens.tokenizer import Tokenizer

    work.mkdir(parents=True, exist_ok=True)
    if not (work / "tokens.json").exists():
        _tokenise(data, work)
    tokenizer = Tokenizer.load(work / "tokenizer.json")
    about = json.loads((work / "tokens.json").read_text())
    return tuple(
        TokenRows(
            [np.memmap(work / f"{split}.bin", "<u2", mode="r")],
            context_length=CONTEXT,
            end_id=tokenizer.end_id,
            n_bytes_by_id=tokenizer.n_bytes_by_id,
            n_bytes=about[split],
        )
        for split in ("train", "validation")
    )


def _tokenise(data: Path, work: Path) -> None:
    import numpy as np
    import pyarrow as pa

    from groundup.core.seeds import fraction
    from groundup.tokens.bpe import train
    from groundup.tokens.tokenizer import Tokenizer

    texts: dict[str, list[str]] = {"train": [], "validation": []}
    for name in FILES:
        lines = pa.input_stream(data / name, compression="zstd").read().decode().splitlines()
        for number, line in enumerate(lines):
            held_out = fraction(1, f"{name}/{number}") < VALIDATION_FRACTION
            texts["validation" if held_out else "train"].append(json.loads(line)["text"])
    tokenizer = Tokenizer(train(iter(texts["train"]), vocab_size=VOCABULARY, pattern="gpt2"))
    tokenizer.save(work / "tokenizer.json")
    for split, documents in texts.items():
        encoded = tokenizer.encode_batch(documents, workers=1)
        ids = np.concatenate([np.array([*ids, tokenizer.end_id], "<u2") for ids in encoded])
        ids.tofile(work / f"{split}.bin")
    sizes = {name: sum(len(text.encode()) for text in found) for name, found in texts.items()}
    (work / "tokens.json").write_text(json.dumps(sizes))


@dataclass
class Spent:
    """The processor time that a run has used of what it may use."""

    seconds: float
    start: float = field(default_factory=time.process_time)

    @property
    def used(self) -> float:
        """Seconds so far."""
        return time.process_time() - self.start

    @property
    def fraction(self) -> float:
        """Share so far."""
        return self.used / self.seconds


def build_model(contestant: Contestant, size: str, seed: int) -> Any:
    from groundup.core.seeds import derive
    from groundup.model.config import ModelConfig
    from groundup.model.transformer import Transformer

    shape = {**SHAPES[size], **contestant.model}
    config = ModelConfig(**shape, context_length=CONTEXT, vocab_size=VOCABULARY)
    model = Transformer(config, seed=derive(seed, "init"))
    for tweak in contestant.tweaks:
        if tweak in MODEL_TWEAKS:
            MODEL_TWEAKS[tweak](model)
    return model


def train_model(
    model: Any, contestant: Contestant, rows: Any, order: int, seconds: float
) -> dict[str, Any]:
    """Trains until the time is spent; says what it took."""
    import torch

    from groundup.training.config import AdamWConfig, MuonConfig, ScheduleConfig
    from groundup.training.loop import accumulate
    from groundup.training.optimizer import build, clip_gradients
    from groundup.training.schedule import lr_factor

    kind = AdamWConfig if contestant.optimizer.get("kind") == "adamw" else MuonConfig
    settings = kind(**contestant.optimizer)
    schedule = ScheduleConfig(**contestant.schedule)
    optimizer = build(model, settings)
    batch_rows = contestant.batch_tokens // CONTEXT
    accumulate(model.loss, torch.from_numpy(rows.batch(order, 0, batch_rows)), 16)  # kernels load
    optimizer.zero_grad()
    spent, step = Spent(seconds), 0
    while (fraction := spent.fraction) < 1.0:
        batch = torch.from_numpy(rows.batch(order, step, batch_rows))
        accumulate(model.loss, batch, 16)
        clip_gradients(optimizer.parameters(), settings.clip_norm)
        if "momentum_warmup" in contestant.tweaks:
            momentum = 0.85 + 0.10 * min(1.0, fraction / 0.3)
            optimizer._optimizers[0].param_groups[0]["momentum"] = momentum
        optimizer.step(lr_factor(int(fraction * UNITS), total_steps=UNITS, config=schedule))
        optimizer.zero_grad()
        step += 1
    return {
        "cpu_seconds": round(spent.used, 2),
        "steps": step,
        "tokens": step * contestant.batch_tokens,
        "params": sum(parameter.numel() for parameter in model.parameters()),
    }


def train_one(cell: Cell, data: Path, work: Path) -> None:
    """One run: trains for `seconds` of processor time, measures, writes its JSON file."""
    from groundup.model.allocator import tune_allocator

    tune_allocator()
    import torch

    from groundup.core.seeds import derive

    torch.set_num_threads(1)
    torch.manual_seed(cell.seed)
    contestant = CONTESTANTS[cell.name]
    rows, validation = load_rows(data, work)
    model = build_model(contestant, cell.size, cell.seed)
    took = train_model(model, contestant, rows, derive(cell.seed, "rows"), cell.seconds)
    nats, sizes = _row_costs(model, validation)
    bits = sum(nats) / math.log(2) / sum(sizes)
    about = {"contestant": cell.name, "size": cell.size, "seed": cell.seed}
    costs = {"row_nats": nats, "row_bytes": sizes}
    path = cell.path(work)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".partial").write_text(
        json.dumps({**about, **took, "bits_per_byte": round(bits, 5), **costs})
    )
    path.with_suffix(".partial").replace(path)
    print(f"{cell}: {bits:.5f} bits per byte in {took['cpu_seconds']} s, {took['steps']} steps")


def _row_costs(model: Any, validation: Any) -> tuple[list[float], list[int]]:
    """Nats and bytes of every whole validation row."""
    import numpy as np
    import torch

    nats: list[float] = []
    sizes: list[int] = []
    whole = [row for row in validation.all_rows() if len(row) == CONTEXT + 1]
    with torch.no_grad():
        for first in range(0, len(whole), 16):
            rows = np.stack(whole[first : first + 16])
            ids = torch.from_numpy(rows)
            logp = model.log_probs(ids[:, :-1], ids[:, 1:], exact=True)
            nats += [round(-float(value), 4) for value in logp.double().sum(1)]
            sizes += [validation.bytes_of(row[1:]) for row in rows]
    return nats, sizes


def run_all(cells: Sequence[Cell], processes: int, data: Path, work: Path) -> None:
    """Runs the cells that are missing, some at a time, one thread each."""
    load_rows(data, work)
    waiting = [cell for cell in cells if not cell.path(work).exists()]
    running: list[subprocess.Popen[bytes]] = []
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    while waiting or running:
        while waiting and len(running) < processes:
            cell = waiting.pop(0)
            command = [sys.executable, __file__, "one", str(cell), "--data", str(data)]
            running.append(subprocess.Popen([*command, "--work", str(work)], env=environment))
        time.sleep(1)
        running = [process for process in running if process.poll() is None]


def results(work: Path, size: str, seconds: float) -> dict[str, dict[int, Any]]:
    """Contestant to seed to what its run wrote."""
    found: dict[str, dict[int, Any]] = {}
    for path in sorted(work.glob(f"{size}-{seconds:g}s/*.json")):
        run = json.loads(path.read_text())
        found.setdefault(run["contestant"], {})[run["seed"]] = run
    return found


def gain(baseline: Mapping[int, Any], other: Mapping[int, Any]) -> tuple[float, float, float]:
    """Bits per byte by which `other` is better over the seeds that both have, and its interval.

    Bootstrap, 2000 draws of validation rows and of seeds together, pairs kept: what the text and
    the seeds might have been otherwise.
    """
    import numpy as np

    seeds = sorted(set(baseline) & set(other))
    sizes = np.array(baseline[seeds[0]]["row_bytes"], float)
    nats_SR = np.array(
        [np.subtract(baseline[seed]["row_nats"], other[seed]["row_nats"]) for seed in seeds]
    )
    random = np.random.default_rng(1)
    draws = []
    for _ in range(2000):
        rows = random.integers(0, len(sizes), len(sizes))
        some = random.integers(0, len(seeds), len(seeds))
        draws.append(nats_SR[some][:, rows].mean(0).sum() / math.log(2) / sizes[rows].sum())
    mean = nats_SR.mean(0).sum() / math.log(2) / sizes.sum()
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(mean), float(low), float(high)


def best_baseline(found: Mapping[str, Any]) -> str:
    """The baseline with the lowest bits per byte on the first seed."""
    names = [name for name in found if name.startswith("gpt2-") and 1 in found[name]]
    return min(names, key=lambda name: found[name][1]["bits_per_byte"])


def table(size: str, seconds: float, found: Mapping[str, dict[int, Any]]) -> list[str]:
    """One size's results as Markdown."""
    shape = SHAPES[size]
    lines = [
        f"## {size}: {shape['n_layers']} layers, width {shape['d_model']},"
        f" {seconds:g} CPU seconds a run",
        "",
        "| recipe | bits per byte, by seed | better than `default`, same seeds | tokens"
        " | CPU seconds |",
        "|---|---|--:|--:|--:|",
    ]
    default = found["default"]

    def first(name: str) -> float:
        return statistics.mean(run["bits_per_byte"] for run in found[name].values())

    for name in sorted(found, key=first):
        runs = found[name]
        difference = "" if name == "default" else "{:+.4f} [{:+.4f}, {:+.4f}]"
        common = set(runs) & set(default)
        interval = difference.format(*gain(default, runs)) if common else ""
        bits = ", ".join(f"{run['bits_per_byte']:.4f}" for _, run in sorted(runs.items()))
        tokens = statistics.mean(run["tokens"] for run in runs.values())
        spent = [run["cpu_seconds"] for run in runs.values()]
        lines.append(
            f"| `{name}` | {bits} | {interval} | {tokens / 1e6:.2f}M"
            f" | {min(spent):.1f} to {max(spent):.1f} |"
        )
    name = best_baseline(found)
    low_high = "{:.3f} [{:.3f}, {:.3f}]".format(*gain(found[name], default))
    n_seeds = len(set(found[name]) & set(default))
    seeds = "1 seed" if n_seeds == 1 else f"{n_seeds} seeds"
    says = (
        f"**`default` is better than `{name}` by {low_high} bits per byte, {seeds}, target 0.15.**"
    )
    return [*lines, "", says, ""]


def report(sizes: Mapping[str, float], work: Path) -> str:
    """All results as Markdown."""
    from groundup.core.machine import describe_hardware

    about = json.loads((work / "tokens.json").read_text())
    parts = [
        "# Recipes at equal processor time",
        "",
        f"Technical English (PEPs, EIPs, OpenStax textbooks), {about['train'] / 1e6:.1f} MB to"
        f" train on, {about['validation'] / 1e3:.0f} kB of other documents to measure on, own BPE"
        f" of {VOCABULARY:,} ids, context {CONTEXT}. Every run has one thread and ends when its"
        " process has spent the given processor time; the learning rate follows the share of it."
        " All use groundup's loop with its fast paths. `gpt2-adamw-*` is the baseline at several"
        " peak rates: GPT-2's block, AdamW, cosine, clip 1, weight decay 0.1. Any other row is"
        " `default` with the one change that its name says. Intervals: 95%, bootstrap over"
        " validation rows and seeds; with one seed they know nothing of the seed's own spread.",
        "",
    ]
    for size, seconds in sizes.items():
        if found := results(work, size, seconds):
            parts += table(size, seconds, found)
    hardware = describe_hardware()
    parts += [
        f"- hardware: {hardware['processor']}, {hardware['cores']} cores, shared with other work",
        f"- date: {time.strftime('%Y-%m-%d', time.gmtime())}",
        "- command: `python benchmarks/recipe_quality.py run --plan headline --size SIZE --seconds"
        " SECONDS` and the same with `--plan ablations` for both sizes, then `report`; what is not"
        " in a table has not been run yet, and the same commands go on from here",
        "",
    ]
    return "\n".join(parts)


def planned(plan: str, size: str, seconds: float, work: Path) -> list[Cell]:
    """The cells of a plan; three seeds need the best baseline, so they come in a second call."""
    if plan == "ablations":
        names = [name for name in CONTESTANTS if not name.startswith("gpt2-")]
        return [Cell(name, size, 1, seconds) for name in names]
    found = results(work, size, seconds)
    baselines = [name for name in CONTESTANTS if name.startswith("gpt2-")]
    cells = [Cell(name, size, 1, seconds) for name in ("default", *baselines)]
    if all(name in found for name in baselines):
        finalists = ("default", best_baseline(found))
        cells += [Cell(name, size, seed, seconds) for seed in (2, 3) for name in finalists]
    return cells


def main() -> None:
    """Runs a plan, one cell, or the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run")
    run.add_argument("--plan", choices=["headline", "ablations"], required=True)
    run.add_argument("--size", choices=SHAPES, default="small")
    run.add_argument("--seconds", type=float, default=180)
    run.add_argument("--processes", type=int, default=2)
    one = verbs.add_parser("one")
    one.add_argument("cell", type=Cell.parse)
    says = verbs.add_parser("report")
    says.add_argument("--small", type=float, default=180, help="CPU seconds of the small runs")
    says.add_argument("--medium", type=float, default=90)
    says.add_argument("--output", type=Path)
    for verb in (run, one, says):
        verb.add_argument("--data", type=Path, default=ROOT / "../shared/data/text")
        verb.add_argument("--work", type=Path, default=ROOT / "runs/recipe_quality")
    arguments = parser.parse_args()
    if arguments.verb == "one":
        train_one(arguments.cell, arguments.data, arguments.work)
    elif arguments.verb == "run":
        for _ in range(2):
            cells = planned(arguments.plan, arguments.size, arguments.seconds, arguments.work)
            run_all(cells, arguments.processes, arguments.data, arguments.work)
    else:
        sizes = {"small": arguments.small, "medium": arguments.medium}
        text = report(sizes, arguments.work)
        print(text)
        if arguments.output:
            arguments.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
