"""Recipes against each other at equal processor time: same text, tokenizer and validation.

Every run trains on one thread until its process has spent the same number of CPU seconds, and the
learning rate follows the share of that time, so a recipe with dearer steps takes fewer of them and
still ends its schedule. All contestants use groundup's own loop and its fast paths, the baseline
too. A run is one process and one JSON file; runs that exist are not repeated.

    python benchmarks/recipe_quality.py run --size small --seconds 300 --plan headline
    python benchmarks/recipe_quality.py report --output benchmarks/results/recipe_quality.md

Reads the technical English of `../shared/data/text` (Python's enhancement proposals, Ethereum's,
OpenStax textbooks), or any folder of zstd JSON lines with a field `text`.
"""

import argparse
import json
import os
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
    "one-head-fewer": _recipe({"n_heads": 1}),
    "zero-init": _recipe(tweaks=["zero_init"]),
    "value-embeddings": _recipe(tweaks=["value_embeddings"]),
    "x0": _recipe(tweaks=["x0"]),
    "value-embeddings-x0": _recipe(tweaks=["value_embeddings", "x0"]),
    "beta2-.99": _recipe(beta2=0.99),
    "beta1-.8": _recipe(beta1=0.8),
}


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


def train_one(name: str, size: str, seed: int, seconds: float, data: Path, work: Path) -> None:
    """One run: trains for `seconds` of processor time, measures, writes its JSON file."""
    from groundup.model.allocator import tune_allocator

    tune_allocator()
    import torch

    from groundup.core.seeds import derive
    from groundup.model import count
    from groundup.model.config import ModelConfig
    from groundup.model.transformer import Transformer
    from groundup.training.config import AdamWConfig, MuonConfig, ScheduleConfig
    from groundup.training.loop import accumulate
    from groundup.training.optimizer import build, clip_gradients
    from groundup.training.schedule import lr_factor

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    contestant = CONTESTANTS[name]
    rows, validation = load_rows(data, work)
    config = ModelConfig(
        **{**SHAPES[size], **contestant.model}, context_length=CONTEXT, vocab_size=VOCABULARY
    )
    model = Transformer(config, seed=derive(seed, "init"))
    for tweak in contestant.tweaks:
        MODEL_TWEAKS.get(tweak, lambda _model: None)(model)
    kind = AdamWConfig if contestant.optimizer.get("kind") == "adamw" else MuonConfig
    settings = kind(**contestant.optimizer)
    schedule = ScheduleConfig(**contestant.schedule)
    optimizer = build(model, settings)
    batch_rows = contestant.batch_tokens // CONTEXT
    order = derive(seed, "rows")
    accumulate(model.loss, torch.from_numpy(rows.batch(order, 0, batch_rows)), 16)  # kernels load
    optimizer.zero_grad()
    start, wall_start, step, used_fraction = time.process_time(), time.time(), 0, 0.0
    while used_fraction < 1.0:
        batch = torch.from_numpy(rows.batch(order, step, batch_rows))
        loss = accumulate(model.loss, batch, 16)
        clip_gradients(optimizer.parameters(), settings.clip_norm)
        if "momentum_warmup" in contestant.tweaks:
            momentum = 0.85 + 0.10 * min(1.0, used_fraction / 0.3)
            optimizer._optimizers[0].param_groups[0]["momentum"] = momentum
        unit = int(used_fraction * UNITS)
        optimizer.step(lr_factor(unit, total_steps=UNITS, config=schedule))
        optimizer.zero_grad()
        step += 1
        used_fraction = (time.process_time() - start) / seconds
    spent, wall = time.process_time() - start, time.time() - wall_start
    nats, sizes = _row_costs(model, validation)
    result = {
        "contestant": name,
        "size": size,
        "seed": seed,
        "seconds": seconds,
        "cpu_seconds": round(spent, 2),
        "wall_seconds": round(wall, 1),
        "steps": step,
        "tokens": step * contestant.batch_tokens,
        "params": sum(parameter.numel() for parameter in model.parameters()),
        "matrix_params": count.matrix_params(config),
        "train_nats": round(float(loss), 4),
        "bits_per_byte": round(sum(nats) / 0.6931471805599453 / sum(sizes), 5),
        "row_nats": nats,
        "row_bytes": sizes,
    }
    path = result_path(work, name, size, seed, seconds)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".partial").write_text(json.dumps(result))
    path.with_suffix(".partial").replace(path)
    print(f"{size} {name} seed {seed}: {result['bits_per_byte']} in {spent:.0f} s, {step} steps")


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


def result_path(work: Path, name: str, size: str, seed: int, seconds: float) -> Path:
    return work / f"{size}-{seconds:g}s" / f"{name}-{seed}.json"
