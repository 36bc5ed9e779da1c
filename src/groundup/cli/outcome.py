"""What `groundup demo` prints at its end, read from the finished runs."""

import json
import random
from collections.abc import Mapping
from typing import Any

from groundup.core import console
from groundup.core.artifact import Artifact
from groundup.evaluate.answers import Answer, read_answers
from groundup.evaluate.verdicts import show

__all__ = ["print_outcome"]

_SHOWN_PER_TASK = 1
_LONGEST_SHOWN_CHARS = 320


def print_outcome(built: Mapping[str, Artifact]) -> None:
    """Prints the numbers, the scores, some answers side by side, and what to type next.

    Args:
        built: Every run of a pipeline, in order, by recipe name.
    """
    by_stage = {artifact.manifest.stage: artifact for artifact in built.values()}
    _print_numbers(by_stage)
    evaluated = by_stage["evaluate"]
    _print_answers(read_answers(evaluated.file("answers.jsonl")))
    show(json.loads(evaluated.file("scores.json").read_text(encoding="utf-8")))
    _print_cost(built)
    _print_next(by_stage)


def _print_numbers(by_stage: Mapping[str, Artifact]) -> None:
    corpus = by_stage["corpus"].manifest.summary
    tokens = json.loads(by_stage["tokens"].file("tokens.json").read_text(encoding="utf-8"))
    model = by_stage["pretrain"].manifest.summary
    rows: list[tuple[str, object]] = [
        ("pages read", f"{corpus['read']:,}"),
        ("documents kept", f"{corpus['kept']:,}"),
        ("vocabulary", f"{tokens['vocab_size']:,} tokens"),
        ("training text", f"{tokens['train_tokens']:,} tokens"),
        ("parameters", f"{model['params']:,}"),
        ("trained on", f"{model['tokens']:,} tokens at {model['tokens_per_s']:,.0f} a second"),
        ("validation", f"{model['validation_bits_per_byte']:.3f} bits per byte"),
        (
            f"{model['ngram_order']}-gram model, same text",
            f"{model['ngram_bits_per_byte']:.3f} bits per byte",
        ),
        ("unigram model, same text", f"{model['unigram_bits_per_byte']:.3f} bits per byte"),
    ]
    console.table("From pages to a model", ("", ""), rows)


def _print_answers(answers: list[Answer]) -> None:
    """One held-out question of each task, answered by every model."""
    tasks = dict.fromkeys(answer.task for answer in answers)
    choice = random.Random(0)  # which questions to show decides nothing
    for task in tasks:
        ids = sorted({answer.id for answer in answers if answer.task == task})
        for shown in choice.sample(ids, min(_SHOWN_PER_TASK, len(ids))):
            same = [answer for answer in answers if answer.id == shown and answer.task == task]
            rows: list[tuple[str, Any]] = [("question", _short(same[0].prompt))]
            rows += [(answer.model, _short(answer.answer)) for answer in same]
            rows.append(("right answer", same[0].reference))
            console.table(f"{task}, a question that no model has seen", ("", "answer"), rows)


def _short(text: str) -> str:
    if len(text) <= _LONGEST_SHOWN_CHARS:
        return text
    return f"{text[:_LONGEST_SHOWN_CHARS]} ..."


def _print_cost(built: Mapping[str, Artifact]) -> None:
    rows: list[tuple[str, str, str, object]] = []
    for name, artifact in built.items():
        manifest = artifact.manifest
        peak = f"{manifest.peak_memory_bytes / 2**30:.2f} GiB"
        rows.append((name, console.duration(manifest.seconds), peak, artifact.path))
    seconds = sum(artifact.manifest.seconds for artifact in built.values())
    peak_bytes = max(artifact.manifest.peak_memory_bytes for artifact in built.values())
    rows.append(("all", console.duration(seconds), f"{peak_bytes / 2**30:.2f} GiB", ""))
    console.table("What it cost", ("stage", "time", "peak memory", "run directory"), rows)


def _print_next(by_stage: Mapping[str, Artifact]) -> None:
    best = by_stage.get("grpo") or by_stage.get("sft") or by_stage["pretrain"]
    console.say(f"report:    {by_stage['report'].path / 'report.html'}")
    console.say(f"chat:      groundup chat {best.path}")
    console.say(f"explained: groundup chat {best.path} --temperature 0 --explain --prompt ...")
    console.say("API:       groundup serve --demo")
