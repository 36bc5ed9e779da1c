"""Answers to scores: means with intervals, the chance line, paired differences, verdicts in words.

The same questions go to every model, so differences are taken question by question.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from groundup.core.records import Example
from groundup.evaluate import bootstrap
from groundup.evaluate.answers import Answer
from groundup.evaluate.bootstrap import Interval
from groundup.evaluate.constant import Constant, best_constant, most_frequent
from groundup.evaluate.cut import best_cut

__all__ = ["Scorer"]

_MEASURES = ("reward", "f1", "exact", "stopped")

ByModel = Mapping[str, Sequence[Answer]]


class Scorer:
    """Turns answers into the content of `scores.json`.

    Args:
        roles: Models in the order in which they were made.
        seed: Root of the resampling.
        replicates: Resamples behind every interval.
    """

    def __init__(self, roles: Sequence[str], *, seed: int, replicates: int) -> None:
        self._roles = tuple(roles)
        self._seed = seed
        self._replicates = replicates

    def mean(self, answers: Sequence[Answer], measure: str) -> Interval:
        """Mean of a mark (`reward`, `f1`, `exact`, `stopped`) over the answers."""
        return bootstrap.mean(
            [float(getattr(answer, measure)) for answer in answers],
            [answer.group for answer in answers],
            seed=self._seed,
            replicates=self._replicates,
        )

    def paired(self, first: Sequence[Answer], second: Sequence[Answer]) -> Interval:
        """Mean reward of `first` minus that of `second`, on the same questions in one order."""
        assert [answer.id for answer in first] == [answer.id for answer in second]
        return bootstrap.paired(
            [answer.reward for answer in first],
            [answer.reward for answer in second],
            [answer.group for answer in first],
            seed=self._seed,
            replicates=self._replicates,
        )

    def models(self, by_model: ByModel) -> dict[str, Any]:
        """Every model's means on a set of questions."""
        return {
            role: {
                "n": len(by_model[role]),
                **{name: self.mean(by_model[role], name).as_json() for name in _MEASURES},
                "answer_tokens": sum(a.tokens for a in by_model[role]) / len(by_model[role]),
            }
            for role in self._roles
        }

    def differences(self, by_model: ByModel) -> dict[str, Any]:
        """Reward of each model minus that of the one before it, as `sft-foundation`."""
        return {
            f"{later}-{earlier}": self.paired(by_model[later], by_model[earlier]).as_json()
            for earlier, later in zip(self._roles, self._roles[1:], strict=False)
        }

    def task(
        self, by_model: ByModel, questions: Sequence[Example], train_answers: Sequence[str]
    ) -> dict[str, Any]:
        """Everything about one task."""
        constants = {
            "most_frequent": most_frequent(train_answers, questions),
            "best": best_constant(train_answers, questions),
        }
        best = constants["best"]
        return {
            "grader": questions[0].grader,
            "questions": len(questions),
            "models": self.models(by_model),
            "constant": {name: _constant(found) for name, found in constants.items() if found},
            "over_constant": {
                role: self._over_constant(by_model[role], best).as_json() for role in self._roles
            }
            if best
            else {},
            "differences": self.differences(by_model),
        }

    def _over_constant(self, answers: Sequence[Answer], constant: Constant) -> Interval:
        return bootstrap.paired(
            [answer.reward for answer in answers],
            [mark.reward for mark in constant.grades],
            [answer.group for answer in answers],
            seed=self._seed,
            replicates=self._replicates,
        )

    def pooled(self, by_task: Mapping[str, ByModel]) -> dict[str, Any]:
        """All questions of several tasks together; a group may reach across tasks."""
        by_model = {
            role: [answer for task in sorted(by_task) for answer in by_task[task][role]]
            for role in self._roles
        }
        return {
            "tasks": sorted(by_task),
            "models": self.models(by_model),
            "differences": self.differences(by_model),
        }

    def rule(self, task: str, by_model: ByModel) -> dict[str, Any]:
        """The rule that only RL was paid for, beside the best cut by hand of the answers before it.

        The cut is only made when there are both a model `rl` and a model `sft`.
        """
        found: dict[str, Any] = {"task": task, "differences": self.differences(by_model)}
        if {"sft", "rl"} <= set(self._roles):
            cut = best_cut(by_model["sft"])
            found["cut"] = {
                "of": "sft",
                "k": cut.k,
                "reward": self.mean(cut.answers, "reward").as_json(),
                "exact": self.mean(cut.answers, "exact").as_json(),
                "reward_by_k": {str(k): reward for k, reward in cut.reward_by_k.items()},
            }
            found["differences"]["rl-cut"] = self.paired(by_model["rl"], cut.answers).as_json()
        return found


def _constant(constant: Constant) -> dict[str, Any]:
    grades = constant.grades
    return {
        "answer": constant.answer,
        "train_fraction": constant.train_fraction,
        **{
            name: sum(getattr(mark, name) for mark in grades) / len(grades)
            for name in ("reward", "f1", "exact")
        },
    }
