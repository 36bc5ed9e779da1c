"""The stage on toy models: one that knows the answers, one that knows nothing."""

import json

import pytest

from groundup.core.artifact import Manifest, RunDir
from groundup.core.errors import ConfigError, DataError
from groundup.core.records import Example, Message, write_examples
from groundup.evaluate import run as stage
from groundup.evaluate.answers import read_answers
from groundup.evaluate.config import EvaluateConfig
from groundup.generate.engine import Completion, Engine
from groundup.model.config import ModelConfig
from groundup.model.transformer import Transformer
from groundup.tokens.tokenizer import Tokenizer
from groundup.training.publish import publish_model


def open_run(root, name, stage_name):
    manifest = Manifest(stage=stage_name, stage_version=1, name=name, key=name[:1] * 12)
    return RunDir(root / name, manifest, "")


def example(task, number, answer, grader="exact"):
    return Example(
        f"{task}-{number}",
        task,
        (Message("user", f"{task} {number}?"),),
        answer,
        grader,
        f"thing-{number}",
    )


@pytest.fixture
def world(tmp_path):
    """Inputs by role: three models, one after another, and examples of three tasks."""
    tokenizer = Tokenizer([bytes([value]) for value in range(256)])
    shape = ModelConfig(
        n_layers=1,
        d_model=16,
        n_heads=2,
        context_length=64,
        position="rope",
        vocab_size=tokenizer.vocab_size,
    )
    inputs = {}
    for seed, (role, made_by) in enumerate(
        [("foundation", "pretrain"), ("sft", "sft"), ("rl", "grpo")]
    ):
        out = open_run(tmp_path, role, made_by)
        publish_model(out, Transformer(shape, seed=seed), tokenizer)
        inputs[f"models.{role}"] = out.complete()
    out = open_run(tmp_path, "examples", "instruct")
    tasks = {"args": "x, y and z", "has": "yes", "must": "x"}
    train = [example(t, 100 + i, a) for t, a in tasks.items() for i in range(5)]
    heldout = [example(t, i, a) for t, a in tasks.items() for i in range(12)]
    write_examples(out.file("train.jsonl"), train)
    write_examples(out.file("validation.jsonl"), [])
    write_examples(out.file("heldout.jsonl"), heldout)
    inputs["examples"] = out.complete()
    return inputs


@pytest.fixture
def scripted(world, monkeypatch):
    """Which model answers what: the engine is told, the rest of the stage is real."""
    says = {
        "foundation": {"args": ("zzz", "length"), "has": ("no", "stop"), "must": ("z", "length")},
        "sft": {
            "args": ("x, y and z", "stop"),
            "has": ("yes", "stop"),
            "must": ("x and y", "stop"),
        },
        "rl": {"args": ("x, y and z", "stop"), "has": ("no", "stop"), "must": ("x", "stop")},
    }
    asked = []

    def generate(engine, prompts, params, *, seeds=None):
        role = roles[id(engine.model)]
        task = engine.tokenizer.decode(prompts[0], skip_special=True).split()[0]
        asked.append((role, task))
        text, reason = says[role][task]
        return [Completion([*text.encode()], text, reason) for _ in prompts]

    roles = {}
    opened = stage.open_model

    def open_model(artifact, **options):
        loaded = opened(artifact, **options)
        roles[id(loaded.model)] = artifact.manifest.name
        return loaded

    monkeypatch.setattr(Engine, "generate", generate)
    monkeypatch.setattr(stage, "open_model", open_model)
    return asked


def config(roles=("foundation", "sft", "rl"), **changes):
    values = {
        "models": {role: role for role in roles},
        "examples": "examples",
        "questions_per_task": 8,
        "max_new_tokens": 16,
        "replicates": 500,
    }
    return EvaluateConfig(**{**values, **changes})


def scores_of(out):
    return json.loads((out.path / "scores.json").read_text())


def test_scores_follow_from_the_answers(world, scripted, tmp_path):
    out = open_run(tmp_path, "evaluation", "evaluate")
    stage.run(config(), world, out)
    scores = scores_of(out)
    args = scores["tasks"]["args"]["models"]
    assert [args[role]["reward"]["mean"] for role in scores["roles"]] == [0.0, 1.0, 1.0]
    assert args["foundation"]["stopped"]["mean"] == 0.0
    assert args["sft"]["n"] == 8
    assert scores["tasks"]["has"]["differences"]["rl-sft"]["mean"] == -1.0
    assert scores["tasks"]["has"]["constant"]["most_frequent"]["answer"] == "yes"
    assert scores["tasks"]["has"]["over_constant"]["sft"]["mean"] == 0.0
    # The plain tasks: sft 8 + 8 of 16, rl 8 of 16. The rule task is not among them.
    pooled = scores["pooled"]
    assert pooled["tasks"] == ["args", "has"]
    assert pooled["models"]["rl"]["reward"]["mean"] == 0.5
    assert pooled["differences"]["rl-sft"]["mean"] == -0.5
    assert out.summary["reward_sft"] == 1.0


def test_the_rule_is_compared_with_the_best_cut_by_hand(world, scripted, tmp_path):
    out = open_run(tmp_path, "evaluation", "evaluate")
    stage.run(config(), world, out)
    rule = scores_of(out)["rule"]
    # sft says `x and y`, `x` is right: F1 1/2 and not exact; cut after one name it is right.
    assert rule["cut"]["k"] == 1
    assert rule["cut"]["reward"]["mean"] == 1.0
    assert rule["differences"]["rl-cut"]["mean"] == 0.0
    assert rule["differences"]["rl-sft"]["mean"] == pytest.approx(1 - (2 * 1 / (3 + 1)) / 2)
    verdicts = "\n".join(scores_of(out)["verdicts"])
    assert "rl against sft on the rule (must): better" in verdicts
    assert "rl against cut on the rule (must): not to be told apart" in verdicts
    assert "rl against sft on the plain tasks: worse" in verdicts
    assert "sft on has is not above the best constant answer ('yes')" in verdicts


def test_an_interrupted_evaluation_asks_only_what_is_missing(
    world, scripted, tmp_path, monkeypatch
):
    whole = open_run(tmp_path, "whole", "evaluate")
    stage.run(config(), world, whole)
    out = open_run(tmp_path, "broken", "evaluate")
    scripted.clear()
    real, calls = stage.write_answers, []

    def write_then_die(path, answers):
        real(path, answers)
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(stage, "write_answers", write_then_die)
    with pytest.raises(KeyboardInterrupt):
        stage.run(config(), world, out)
    assert len(read_answers(out.path / "answers.jsonl")) == 3 * 8
    monkeypatch.setattr(stage, "write_answers", real)
    scripted.clear()
    stage.run(config(), world, out)
    assert len(scripted) == 9 - 3
    for name in ("answers.jsonl", "scores.json"):
        assert (out.path / name).read_bytes() == (whole.path / name).read_bytes()


def test_one_model_and_one_task_are_enough(world, tmp_path):
    out = open_run(tmp_path, "evaluation", "evaluate")
    only = {"models.sft": world["models.sft"], "examples": world["examples"]}
    stage.run(config(("sft",), tasks=("has",)), only, out)
    scores = scores_of(out)
    assert (scores["rule"], list(scores["tasks"])) == ({}, ["has"])
    assert scores["pooled"]["differences"] == {}
    assert 0.0 <= scores["tasks"]["has"]["models"]["sft"]["stopped"]["mean"] <= 1.0


def test_the_rule_alone_leaves_no_plain_tasks(world, scripted, tmp_path):
    out = open_run(tmp_path, "evaluation", "evaluate")
    stage.run(config(tasks=("must",)), world, out)
    assert scores_of(out)["pooled"] == {}
    assert scores_of(out)["rule"]["task"] == "must"


def test_questions_are_the_same_whatever_else_is_asked(world, scripted, tmp_path):
    chosen = []
    for name, tasks in [("all", None), ("has", ("has",))]:
        out = open_run(tmp_path, name, "evaluate")
        stage.run(config(tasks=tasks), world, out)
        answers = read_answers(out.path / "answers.jsonl")
        chosen.append([a.id for a in answers if a.task == "has" and a.model == "sft"])
    assert chosen[0] == chosen[1]
    assert len(set(chosen[0])) == 8


def test_a_task_nobody_can_be_asked_is_refused(world, tmp_path):
    with pytest.raises(ConfigError, match="'sing'"):
        stage.run(config(tasks=("sing",)), world, open_run(tmp_path, "e", "evaluate"))


def test_questions_without_room_for_an_answer_are_refused(world, tmp_path):
    with pytest.raises(DataError, match="none of the 36"):
        stage.run(config(max_new_tokens=60), world, open_run(tmp_path, "e", "evaluate"))


def test_tokens_of_another_vocabulary_are_refused_before_a_question_is_asked(
    world, scripted, tmp_path
):
    tokens = open_run(tmp_path, "tokens", "tokens")
    merged = Tokenizer([*(bytes([value]) for value in range(256)), b"th"])
    merged.save(tokens.file("tokenizer.json"))
    out = open_run(tmp_path, "e", "evaluate")
    with pytest.raises(DataError, match=r"of another vocabulary .* than model 'foundation'"):
        stage.run(config(), {**world, "tokens": tokens.complete()}, out)
    assert scripted == []
    assert not (out.path / "answers.jsonl").exists()


def test_unknown_roles_are_refused():
    with pytest.raises(ValueError, match="dpo"):
        config(("dpo",))
    with pytest.raises(ValueError, match="none"):
        config(())
