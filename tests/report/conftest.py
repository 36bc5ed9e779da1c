"""Small finished runs of every stage, as their stages would write them."""

import itertools
import json
import math
import random

import pytest

from groundup.core.artifact import RunDir
from groundup.core.manifest import Manifest
from groundup.tokens.tokenizer import Tokenizer

EVIL = "<script>alert('x')</script> & a | b"


def make_run(root, stage, key, inputs=None, *, name="tiny", summary=None, write=None):
    manifest = Manifest(stage=stage, stage_version=1, name=name, key=key)
    path = root / stage / f"{name}-{key}"
    references = {role: run.reference(path) for role, run in (inputs or {}).items()}
    out = RunDir(path, manifest.model_copy(update={"inputs": references}), f'stage = "{stage}"\n')
    out.summary.update(summary or {})
    if write is not None:
        write(out)
    return out.complete(peak_memory_bytes=123_000_000)


def write_crawl(out):
    dropped = {"not_200": 30, "image": 70}
    damage = {"truncated": 2, "bad_digest": 0}
    out.write_json(
        "counts.json", {"read": 1000, "pages": 900, "dropped": dropped, "damage": damage}
    )


def write_corpus(out):
    sample = {"id": "1", "url": "https://x.example/a", "text": EVIL, "value": 0.031, "limit": 0.05}
    rows = [
        {"rule": "not_200", "stage": "crawl", "dropped": 30, "samples": []},
        {"rule": "image", "stage": "crawl", "dropped": 70, "samples": []},
        {"rule": "same_payload", "stage": "dedup", "dropped": 120, "samples": [sample]},
        {"rule": "language", "stage": "language", "dropped": 210, "samples": [sample, sample]},
        {"rule": "too_few_words", "stage": "quality", "dropped": 0, "samples": []},
        {"rule": "near_duplicate", "stage": "dedup", "dropped": 90, "samples": [sample]},
    ]
    funnel = {"read": 1000, "rows": rows, "kept": 480, "train": 465, "validation": 15}
    out.write_json("funnel.json", funnel)


def write_tokens(out):
    merges = [b"th", b"the", b" the", b"an", b"in", b" a", b"\n\n", "é".encode()]
    tokenizer = Tokenizer([*(bytes([value]) for value in range(256)), *merges])
    tokenizer.save(out.file("tokenizer.json"))
    about = {
        "vocab_size": tokenizer.vocab_size,
        "train_tokens": 1_500_000,
        "train_bytes": 4_500_000,
        "validation_tokens": 50_000,
        "validation_bytes": 150_000,
    }
    out.write_json("tokens.json", about)


def write_pretrain(out):
    noise = random.Random(1)
    for step in range(10, 1610, 10):
        loss = 3.2 + 4.5 * math.exp(-step / 200) + noise.gauss(0, 0.08)
        out.metrics.log(
            step, train__loss_nats=loss, train__tokens_per_s=23_000 + noise.gauss(0, 900)
        )
        if step % 200 == 0:
            bits = 1.25 + 1.6 * math.exp(-step / 250)
            out.metrics.log(
                step,
                validation__bits_per_byte=bits,
                validation__expected_low=bits - 0.1,
                validation__expected_high=bits + 0.1,
            )
    baselines = {"unigram_bits_per_byte": 3.146, "ngram_bits_per_byte": 1.49, "ngram_order": 3}
    out.write_json("baselines.json", baselines)
    lines = [
        {"step": step, "prompt": prompt, "text": f"returns the {EVIL} of {step}"}
        for step in range(200, 1601, 200)
        for prompt in ("", "def parse(")
    ]
    text = "\n".join(json.dumps(line) for line in lines)
    out.file("samples.jsonl").write_text(text, encoding="utf-8")


def write_sft(out):
    for step in range(10, 510, 10):
        out.metrics.log(step, train__loss_nats=0.3 + 2 * math.exp(-step / 60))
    for step in (0, 100, 200, 300, 400, 500):
        out.metrics.log(step, validation__loss_nats=0.34 + 2 * math.exp(-step / 60))
    out.write_json("health.json", [{"name": "stops", "good": True, "says": "99% of answers end"}])


def write_grpo(out):
    noise = random.Random(2)
    for step in range(1, 61):
        reward = 0.35 + 0.3 * (1 - math.exp(-step / 20)) + noise.gauss(0, 0.03)
        out.metrics.log(step, rl__reward=reward, rl__stop_fraction=0.97)
    out.write_json("health.json", [{"name": "variety", "good": False, "says": "all alike"}])


def interval(mean, half=0.03):
    low, high = max(mean - half, 0), min(mean + half, 1)
    return {"mean": mean, "low": low, "high": high, "n": 200, "groups": 180}


def task_scores(means, constant):
    models = {
        role: {
            "n": 200,
            **{name: interval(mean) for name in ("reward", "f1", "exact")},
            "stopped": interval(0.99, 0.01),
            "answer_tokens": 7.5,
        }
        for role, mean in means.items()
    }
    roles = list(means)
    differences = {
        f"{later}-{earlier}": {
            "mean": means[later] - means[earlier],
            "low": means[later] - means[earlier] - 0.02,
            "high": means[later] - means[earlier] + 0.02,
            "n": 200,
            "groups": 180,
        }
        for earlier, later in itertools.pairwise(roles)
    }
    best = {
        "answer": "None",
        "train_fraction": 0.4,
        "reward": constant,
        "f1": constant,
        "exact": constant,
    }
    return {
        "grader": "exact",
        "questions": 200,
        "models": models,
        "constant": {"best": best} if constant is not None else {},
        "over_constant": {},
        "differences": differences,
    }


def write_evaluate(roles):
    means = {
        "read": ((0.08, 0.91, 0.91), 0.12),
        "args": ((0.01, 0.83, 0.85), 0.05),
        "dflt": ((0.02, 0.86, 0.84), 0.61),
        "must": ((0.01, 0.32, 0.71), 0.10),
    }
    tasks = {
        task: task_scores(dict(zip(roles, values, strict=False)), constant)
        for task, (values, constant) in means.items()
    }
    pooled = task_scores(dict(zip(roles, (0.04, 0.87, 0.86), strict=False)), None)
    rule = {"task": "must", "differences": dict(tasks["must"]["differences"])}
    if "rl" in roles:
        rule["cut"] = {"of": "sft", "k": 2, "reward": interval(0.55), "exact": interval(0.5)}
        rule["differences"]["rl-cut"] = interval(0.16)
    scores = {
        "schema": 1,
        "roles": list(roles),
        "tasks": tasks,
        "pooled": {"tasks": ["args", "dflt", "read"], **pooled},
        "rule": rule,
        "bits_per_byte": dict(zip(roles, (1.237, 1.301, 1.309), strict=False)),
        "verdicts": ["sft against foundation on the plain tasks: better, reward +0.830"],
    }
    answers = [
        {
            "id": f"{task}-{number}",
            "task": task,
            "group": f"g{number}",
            "model": role,
            "prompt": f"<|user|>Question {number} {EVIL}<|assistant|>",
            "reference": f"right {number}",
            "answer": f"said by {role} to {task} {number}",
            "tokens": 6,
            "stopped": role != "foundation",
            "f1": 0.5,
            "exact": float(role == "rl"),
            "reward": 0.5,
        }
        for role in roles
        for task in tasks
        for number in range(10)
    ]

    def write(out):
        out.write_json("scores.json", scores)
        text = "\n".join(json.dumps(answer) for answer in answers)
        out.file("answers.jsonl").write_text(text, encoding="utf-8")

    return write


def build_lineage(root, *, roles=("foundation", "sft", "rl")):
    crawl = make_run(root, "crawl", "c" * 12, summary={"pages": 900}, write=write_crawl)
    corpus = make_run(root, "corpus", "d" * 12, {"crawl": crawl}, write=write_corpus)
    tokens = make_run(root, "tokens", "e" * 12, {"corpus": corpus}, write=write_tokens)
    examples = make_run(root, "instruct", "f" * 12, {"crawl": crawl}, summary={"examples": 35_507})
    pretrain = make_run(
        root,
        "pretrain",
        "0" * 12,
        {"tokens": tokens},
        summary={"params": 1_320_000},
        write=write_pretrain,
    )
    models = {"foundation": pretrain}
    if "sft" in roles:
        inputs = {"model": pretrain, "examples": examples}
        models["sft"] = make_run(root, "sft", "1" * 12, inputs, write=write_sft)
    if "rl" in roles:
        inputs = {"model": models["sft"], "examples": examples}
        models["rl"] = make_run(root, "grpo", "2" * 12, inputs, write=write_grpo)
    inputs = {f"models.{role}": model for role, model in models.items()}
    inputs |= {"examples": examples, "tokens": tokens}
    return make_run(root, "evaluate", "3" * 12, inputs, write=write_evaluate(roles))


@pytest.fixture(scope="session")
def evaluation(tmp_path_factory):
    return build_lineage(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def make_evaluation():
    return build_lineage


@pytest.fixture
def make():
    return make_run


@pytest.fixture(scope="session")
def report(evaluation, tmp_path_factory):
    """The finished report on the whole lineage."""
    from groundup.report.config import ReportConfig
    from groundup.report.run import run

    path = tmp_path_factory.mktemp("report") / "tiny"
    out = RunDir(path, Manifest(stage="report", stage_version=1, name="tiny", key="4" * 12), "")
    run(ReportConfig(evaluate="evaluate.toml"), {"evaluate": evaluation}, out)
    return out.complete()
