"""The control for a rule about where to stop: the tuned model's answer cut by hand.

When reinforcement learning has taught a model to list fewer names, the same reward might have been
had by cutting the answers of the model before it after k names; after none, the answer is `none`.
Here k is the best one in hindsight, chosen on the very questions measured: no honest cut could earn
more.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from groundup.evaluate.answers import Answer
from groundup.evaluate.grade import grade

__all__ = ["Cut", "best_cut", "cut_names"]

NOTHING = "none"
"""How a list of no names is written."""

_SEPARATOR = re.compile(r",\s*|\s+and\s+")


@dataclass(frozen=True, slots=True)
class Cut:
    """Answers cut after k names.

    Attributes:
        k: Names kept.
        answers: The cut answers with their marks, in the order of the questions.
        reward_by_k: Mean reward of every k that was tried.
    """

    k: int
    answers: tuple[Answer, ...]
    reward_by_k: dict[int, float]


def cut_names(text: str, k: int) -> str:
    """The first `k` names of a list such as `a, b and c`, again as such a list."""
    if k == 0:
        return NOTHING
    names = [name for name in _SEPARATOR.split(text.strip()) if name]
    if len(names) <= k:
        return text
    kept = names[:k]
    return kept[0] if k == 1 else f"{', '.join(kept[:-1])} and {kept[-1]}"


def _cut_answer(answer: Answer, k: int) -> Answer:
    """The answer cut and marked again; a cut answer counts as ended, even if it had not."""
    text = cut_names(answer.answer, k)
    ended = answer.stopped or text != answer.answer
    marks = grade(text, answer.reference, grader=answer.grader, stopped=ended)
    return replace(
        answer,
        answer=text,
        stopped=ended,
        f1=marks.f1,
        exact=marks.exact,
        reward=marks.reward,
    )


def best_cut(answers: Sequence[Answer]) -> Cut:
    """The cut that earns most on these answers, over every number of names that occurs."""
    most = max(len(_SEPARATOR.split(answer.answer)) for answer in answers)
    tried = {k: tuple(_cut_answer(answer, k) for answer in answers) for k in range(most + 1)}
    rewards = {k: sum(a.reward for a in cut) / len(cut) for k, cut in tried.items()}
    best = max(rewards, key=lambda k: (rewards[k], k))
    return Cut(best, tried[best], rewards)
