"""Evaluation, the stage: the same held-out questions to every model.

Reads models, held-out examples and, when given, the validation text. Writes `answers.jsonl` and
`scores.json`. After every task of every model the answers so far are on disk, so that a killed
run goes on from there.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from groundup.core import console
from groundup.core.artifact import Artifact, RunDir
from groundup.core.errors import ConfigError, DataError
from groundup.core.records import Example, read_examples
from groundup.evaluate import bits_per_byte
from groundup.evaluate.answers import Answer, ask, choose, fits, read_answers, write_answers
from groundup.evaluate.config import EvaluateConfig
from groundup.evaluate.scores import Scorer
from groundup.evaluate.verdicts import show, verdicts
from groundup.generate.load import LoadedModel, open_model
from groundup.tokens.loader import TokenRows, check_same_tokenizer

__all__ = ["VERSION", "run"]

log = logging.getLogger(__name__)

VERSION = 1
_ANSWERS = "answers.jsonl"

Questions = dict[str, list[Example]]


def run(config: EvaluateConfig, inputs: Mapping[str, Artifact], out: RunDir) -> None:
    """Examines `inputs["models.ROLE"]` on the held-out examples of `inputs["examples"]`.

    Raises:
        ConfigError: A task has no held-out question.
        DataError: No question fits into the models' context, or `tokens` are not of their
            vocabulary.
    """
    models = {
        role: open_model(inputs[f"models.{role}"], device=config.device) for role in config.roles
    }
    if "tokens" in inputs:
        for role, model in models.items():
            check_same_tokenizer(inputs["tokens"], model.tokenizer, owner=f"model {role!r}")
    questions, too_long = _questions(config, inputs["examples"], models)
    answers = _ask_all(config, models, questions, out)
    scores = {
        "schema": 1,
        "roles": list(config.roles),
        "runs": {role: _run_of(inputs[f"models.{role}"]) for role in config.roles},
        "too_long": too_long,
        **_scores(config, inputs["examples"], questions, answers),
        "bits_per_byte": _bits_per_byte(inputs.get("tokens"), models),
    }
    scores["verdicts"] = verdicts(scores)
    out.write_json("scores.json", scores)
    _summarise(scores, out)
    show(scores)


def _run_of(model: Artifact) -> dict[str, str]:
    manifest = model.manifest
    return {"stage": manifest.stage, "name": manifest.name, "key": manifest.key}


def _questions(
    config: EvaluateConfig, examples: Artifact, models: Mapping[str, LoadedModel]
) -> tuple[Questions, dict[str, int]]:
    """Questions by task that every model has room to answer, and how many of each were too long."""
    heldout = list(read_examples(examples.file("heldout.jsonl")))
    there = list(dict.fromkeys(example.task for example in heldout))
    questions: Questions = {}
    too_long: dict[str, int] = {}
    for task in config.tasks if config.tasks is not None else there:
        asked = [example for example in heldout if example.task == task]
        if not asked:
            raise ConfigError(
                f"{examples.path} has no held-out question of task {task!r}",
                hint=f"tasks there: {', '.join(there) or 'none'}",
            )
        short = [
            example
            for example in asked
            if all(
                fits(m.tokenizer, example, config.max_new_tokens, m.context_length)
                for m in models.values()
            )
        ]
        too_long[task] = len(asked) - len(short)
        if short:
            count, seed = config.questions_per_task, config.seed
            questions[task] = choose(short, task=task, count=count, seed=seed)
    if not questions:
        raise DataError(
            f"none of the {len(heldout):,} held-out questions leaves room for an answer of "
            f"{config.max_new_tokens} tokens in the models' context",
            hint="lower max_new_tokens",
            source=str(examples.path / "heldout.jsonl"),
        )
    return questions, too_long


def _ask_all(
    config: EvaluateConfig,
    models: Mapping[str, LoadedModel],
    questions: Questions,
    out: RunDir,
) -> list[Answer]:
    """Every model's answer to every question; what is on disk already is not asked again."""
    answers = read_answers(out.path / _ANSWERS)
    done = {(answer.model, answer.task) for answer in answers}
    total = len(models) * sum(map(len, questions.values()))
    with console.progress("evaluation", total, "answers") as bar:
        bar.resume_at(len(answers))
        for role, model in models.items():
            for task, asked in questions.items():
                if (role, task) in done:
                    continue
                answers += ask(model.engine, asked, role=role, max_new_tokens=config.max_new_tokens)
                with out.publish(_ANSWERS) as partial:
                    write_answers(partial, answers)
                bar.update(len(asked), info=f"{role}, {task}")
    return answers


def _scores(
    config: EvaluateConfig,
    examples: Artifact,
    questions: Questions,
    answers: Sequence[Answer],
) -> dict[str, Any]:
    """The parts of `scores.json` that come from answers."""
    train_answers: dict[str, list[str]] = {}
    for example in read_examples(examples.file("train.jsonl")):
        train_answers.setdefault(example.task, []).append(example.answer)
    by_task: dict[str, dict[str, list[Answer]]] = {
        task: {role: [] for role in config.roles} for task in questions
    }
    for answer in answers:
        by_task[answer.task][answer.model].append(answer)
    scorer = Scorer(config.roles, seed=config.seed, replicates=config.replicates)
    plain = {task: found for task, found in by_task.items() if task != config.rule_task}
    rule = config.rule_task if config.rule_task in by_task else None
    return {
        "tasks": {
            task: scorer.task(found, questions[task], train_answers.get(task, []))
            for task, found in by_task.items()
        },
        "pooled": scorer.pooled(plain) if plain else {},
        "rule": scorer.rule(rule, by_task[rule]) if rule is not None else {},
    }


def _bits_per_byte(tokens: Artifact | None, models: Mapping[str, LoadedModel]) -> dict[str, float]:
    """What each model makes of the validation text: how much of it tuning has cost."""
    if tokens is None:
        return {}
    found = {}
    for role, model in models.items():
        rows = TokenRows.open(tokens, "validation", model.context_length)
        found[role] = bits_per_byte.measure(model.model, rows).bits_per_byte
    return found


def _summarise(scores: Mapping[str, Any], out: RunDir) -> None:
    """The few numbers that a person wants: rewards over the plain tasks and on the rule."""
    out.summary["questions"] = sum(task["questions"] for task in scores["tasks"].values())
    if scores["pooled"]:
        for role, model in scores["pooled"]["models"].items():
            out.summary[f"reward_{role}"] = round(model["reward"]["mean"], 4)
    if scores["rule"]:
        task = scores["rule"]["task"]
        for role, model in scores["tasks"][task]["models"].items():
            out.summary[f"{task}_reward_{role}"] = round(model["reward"]["mean"], 4)
