"""The chance line: what one and the same answer to every question of a task would score.

A model that has learned nothing but the most common answer scores exactly this, so a score means
something only above it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from groundup.core.records import Example
from groundup.evaluate.grade import Grade, grade

__all__ = ["CONSTANT_CANDIDATES", "Constant", "best_constant", "most_frequent"]

CONSTANT_CANDIDATES = 200
"""How many of the commonest training answers are tried as the constant."""


@dataclass(frozen=True, slots=True)
class Constant:
    """One answer given to every question.

    Attributes:
        answer: The answer.
        train_fraction: Share of the task's training examples whose answer it is.
        grades: Its marks on each question, in order.
    """

    answer: str
    train_fraction: float
    grades: tuple[Grade, ...]

    @property
    def reward(self) -> float:
        """Mean reward over the questions."""
        return sum(mark.reward for mark in self.grades) / len(self.grades)


def _candidates(train_answers: Sequence[str]) -> list[tuple[str, float]]:
    """Commonest answers with their share; ties in alphabetical order."""
    counts = sorted(Counter(train_answers).items(), key=lambda item: (-item[1], item[0]))
    return [(text, count / len(train_answers)) for text, count in counts[:CONSTANT_CANDIDATES]]


def _marked(answer: str, fraction: float, questions: Sequence[Example]) -> Constant:
    grades = tuple(grade(answer, q.answer, grader=q.grader, stopped=True) for q in questions)
    return Constant(answer, fraction, grades)


def most_frequent(train_answers: Sequence[str], questions: Sequence[Example]) -> Constant | None:
    """The commonest training answer, marked on the questions; None without training answers."""
    if not train_answers:
        return None
    return _marked(*_candidates(train_answers)[0], questions)


def best_constant(train_answers: Sequence[str], questions: Sequence[Example]) -> Constant | None:
    """The common training answer that earns most on these very questions.

    Chosen in hindsight, so it is the most that ignoring the question can earn (to within
    `CONSTANT_CANDIDATES`); None without training answers.
    """
    marked = [_marked(*candidate, questions) for candidate in _candidates(train_answers)]
    return max(marked, key=lambda constant: constant.reward, default=None)
