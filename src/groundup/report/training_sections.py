"""Sections on training: pretraining against its baselines, fine-tuning, reinforcement learning."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from groundup.core.artifact import Artifact
from groundup.core.metrics import read_metrics
from groundup.report.blocks import Block, Samples, Section, Table, clipped, count_text
from groundup.report.data_sections import read_json
from groundup.report.figures import Panel, Studio, line_panels

__all__ = ["pretrain_section", "rl_section", "series", "sft_section"]

MAX_SAMPLES = 12
Row = dict[str, Any]


def series(artifact: Artifact, names: Mapping[str, str]) -> list[Row]:
    """Measurements of a run for a chart.

    Args:
        artifact: A training run.
        names: Name in `metrics.jsonl`, such as `train/loss_nats`, to the name of its line.

    Returns:
        Rows with `step`, `value`, `series`; of a step written twice, after a resume, the later.
    """
    found: dict[tuple[str, float], float] = {}
    for row in read_metrics(artifact.path / "metrics.jsonl"):
        for name in names:
            value = row.get(name)
            if isinstance(value, int | float):
                found[(name, row["step"])] = float(value)
    order = {name: rank for rank, name in enumerate(names)}
    keys = sorted(found, key=lambda key: (order[key[0]], key[1]))
    return [
        {"step": step, "value": found[(name, step)], "series": names[name]} for name, step in keys
    ]


def _last(rows: Sequence[Row], name: str) -> float | None:
    values = [row["value"] for row in rows if row["series"] == name]
    return values[-1] if values else None


def pretrain_section(artifact: Artifact, studio: Studio) -> Section:
    """Loss, bits per byte against counting models, speed, and samples along the way."""
    baselines = read_json(artifact, "baselines.json") or {}
    blocks: list[Block] = []
    loss = series(artifact, {"train/loss_nats": "training loss"})
    bits = series(artifact, {"validation/bits_per_byte": "this model"})
    if loss or bits:
        expected = series(artifact, EXPECTED)
        blocks.append(_learning_figure(artifact, studio, loss, [*bits, *expected], baselines))
    blocks += _compression_table(bits, baselines)
    speed = series(artifact, {"train/tokens_per_s": "tokens per second"})
    if speed:
        blocks.append(_speed_figure(artifact, studio, speed))
    samples = list(_training_samples(artifact))
    if samples:
        blocks.append(Samples("What the model wrote while it was trained", samples))
    lead = (
        "Pretraining makes the foundation model: it reads the corpus and learns to guess the next "
        "token. Nothing else is taught here; grammar, names and style come with the guessing."
    )
    return Section(f"pretrain-{artifact.key}", "Pretraining", lead, blocks)


EXPECTED = {
    "validation/expected_low": "expected, lowest",
    "validation/expected_high": "expected, highest",
}


def _rules(baselines: Mapping[str, Any]) -> list[tuple[str, float]]:
    order = baselines.get("ngram_order", "n")
    named = {
        "unigram_bits_per_byte": "single tokens",
        "ngram_bits_per_byte": f"{order}-grams",
    }
    return [(text, float(baselines[key])) for key, text in named.items() if key in baselines]


def _learning_figure(
    artifact: Artifact,
    studio: Studio,
    loss: Sequence[Row],
    bits: Sequence[Row],
    baselines: Mapping[str, Any],
) -> Block:
    panels: list[Panel] = []
    if loss:
        panels.append(Panel("On text it learns from", "loss, nats per token", loss))
    if bits:
        rules = _rules(baselines)
        panels.append(Panel("On text it never sees", "bits per byte", bits, rules))
    final = _last(bits, "this model")
    reached = f" It ends at {final:.3f} bits per byte." if final is not None else ""
    return studio.draw(
        f"learning-{artifact.key}",
        line_panels(panels),
        title="The model learns to guess the next token",
        alt_text=f"Loss and bits per byte fall over the steps of training.{reached}",
        shows=(
            "How surprised the model is by the text: above by each batch it learns from, below by "
            "validation text that it never learns from. Dashed lines are models that only count."
        ),
        reading=(
            "Lower is better. Bits per byte is how far the model could compress the text (8 is no "
            "compression at all). Below the dashed n-gram line the model knows more than which "
            "words follow each other. If the lower curve turned up while the upper fell, it would "
            "be learning the text by heart."
        ),
    )


def _compression_table(bits: Sequence[Row], baselines: Mapping[str, Any]) -> list[Block]:
    rows = [(f"counting {name}", f"{value:.3f}") for name, value in _rules(baselines)]
    final = _last(bits, "this model")
    if final is not None:
        rows.append(("this model", f"{final:.3f}"))
    columns = ("model", "bits per byte")
    return [Table("Compression of the validation text", columns, rows, brief=True)] if rows else []


def _speed_figure(artifact: Artifact, studio: Studio, speed: Sequence[Row]) -> Block:
    values = sorted(row["value"] for row in speed)
    median = values[len(values) // 2]
    return studio.draw(
        f"speed-{artifact.key}",
        line_panels([Panel("Speed of training", "tokens per second", speed)]),
        title="Speed",
        alt_text=f"Training speed over the steps; the median is {median:,.0f} tokens per second.",
        shows=f"Tokens learned from in a second. The median is {count_text(median)}.",
        reading="A flat line is healthy. Dips are other work on the machine, or checkpoints.",
    )


def _training_samples(artifact: Artifact) -> Iterator[tuple[str, str, str]]:
    """Samples of the run, thinned evenly so that first and last are among them."""
    if not artifact.has("samples.jsonl"):
        return
    lines = artifact.file("samples.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    stride = max(1, -(-len(rows) // MAX_SAMPLES))
    for row in sorted({*range(0, len(rows), stride), len(rows) - 1}) if rows else ():
        prompt = rows[row].get("prompt", "")
        about = f"continues {prompt!r}" if prompt else "begins a document"
        yield f"After {count_text(rows[row]['step'])} steps", about, clipped(rows[row]["text"])


def sft_section(artifact: Artifact, studio: Studio) -> Section:
    """Loss on answers while the model learns to answer."""
    names = {"train/loss_nats": "training", "validation/loss_nats": "validation"}
    rows = series(artifact, names)
    blocks: list[Block] = []
    if rows:
        final = _last(rows, "validation")
        reached = f" On validation examples it ends at {final:.3f} nats." if final else ""
        figure = studio.draw(
            f"sft-{artifact.key}",
            line_panels([Panel("Loss on answers", "nats per token", rows)]),
            title="The model learns to answer",
            alt_text=f"Loss on answers falls over the steps.{reached}",
            shows=(
                "How surprised the model is by the right answers, on examples it learns from and "
                "on others."
            ),
            reading=(
                "Lower is better, and both lines should fall together. A validation line that "
                "rises again means that the examples are being learned by heart."
            ),
        )
        blocks.append(figure)
    blocks += _health(artifact)
    lead = (
        "Supervised fine-tuning shows the foundation model questions with their answers. It learns "
        "to answer instead of going on with the text, and to stop when the answer is complete."
    )
    return Section(f"sft-{artifact.key}", "Supervised fine-tuning", lead, blocks)


def rl_section(artifact: Artifact, studio: Studio) -> Section:
    """Reward and what else moved while the model learned from its own answers."""
    blocks: list[Block] = []
    rewards = series(artifact, REWARDS)
    if rewards:
        panels = [Panel("Reward of sampled answers", "mean reward", rewards)]
        others = series(artifact, {"rl/stop_fraction": "answers that end by themselves"})
        if others:
            heading = "Answers that end by themselves"
            panels.append(Panel(heading, "share", others, y_domain=(0.0, 1.0)))
        first, final = rewards[0]["value"], rewards[-1]["value"]
        figure = studio.draw(
            f"rl-{artifact.key}",
            line_panels(panels),
            title="The model learns from its own answers",
            alt_text=f"Mean reward of sampled answers, from {first:.3f} to {final:.3f}.",
            shows="The mean reward, 0 to 1, of the answers that the model gave at each step.",
            reading=(
                "Higher is better. It jumps because every step asks other questions; look at the "
                "trend. Compare the models below on held-out questions before believing it."
            ),
        )
        blocks.append(figure)
    blocks += _health(artifact)
    lead = (
        "In reinforcement learning nobody shows the answer. The model tries several, a rule gives "
        "each a reward, and answers better than their siblings become likelier."
    )
    return Section(f"rl-{artifact.key}", "Reinforcement learning", lead, blocks)


REWARDS = {"rl/reward": "mean reward"}


def _health(artifact: Artifact) -> list[Block]:
    """What the run's own checks said."""
    findings = read_json(artifact, "health.json") or []
    rows = [(f["name"], "good" if f["good"] else "look into it", f["says"]) for f in findings]
    return [Table(_CHECKS, ("check", "verdict", "finding"), rows)] if rows else []


_CHECKS = "What the run's own checks say"
