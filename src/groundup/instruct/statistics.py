"""What the questions are like: counts, and what answers without understanding would score.

A score is worth something only above these: the one answer that is right most often, the first k
names of the shown signature, the answer that a name had most often in tuning.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from groundup.core.records import Example
from groundup.instruct.catalogue import Entry
from groundup.instruct.questions import join_names
from groundup.instruct.reading import Reading

__all__ = [
    "best_constant",
    "count_by_task",
    "describe_readings",
    "first_names_scores",
    "guess_by_name",
    "leaks",
]

_MOST_NAMES = 4
_MORE_CHARS = 20  # beside signature and answer, for a context to hold more than the answer


def count_by_task(examples: Iterable[Example]) -> dict[str, int]:
    """Number of examples of each task."""
    return dict(sorted(Counter(example.task for example in examples).items()))


def best_constant(examples: Iterable[Example]) -> dict[str, dict[str, Any]]:
    """For each task the commonest answer and the share of questions it answers exactly."""
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for example in examples:
        answers[example.task][example.answer] += 1
    best = {}
    for task, counts in sorted(answers.items()):
        answer, count = counts.most_common(1)[0]
        best[task] = {"answer": answer, "exact": round(count / counts.total(), 4)}
    return best


def first_names_scores(
    examples: Sequence[Example], entries: Mapping[str, Entry], task: str
) -> dict[str, float]:
    """Share of a task's questions that the first k names, or all names, answer exactly."""
    asked = [example for example in examples if example.task == task]
    right: Counter[str] = Counter()
    for example in asked:
        signature = entries[example.id.partition("/")[2]].object.signature
        names = [parameter.name for parameter in signature.named()] if signature else []
        right["all"] += example.answer == join_names(names)
        for k in range(_MOST_NAMES):
            right[f"first {k}"] += example.answer == join_names(names[:k])
    return {rule: round(count / len(asked), 4) for rule, count in sorted(right.items())}


def describe_readings(readings: Sequence[Reading]) -> dict[str, float]:
    """How much there is to leave out of the contexts of `read`."""
    count = max(len(readings), 1)
    return {
        "more_than_the_answer_fraction": round(
            sum(reading.extra_chars >= _MORE_CHARS for reading in readings) / count, 4
        ),
        "answer_first_fraction": round(
            sum(reading.answer_first for reading in readings) / count, 4
        ),
        "mean_extra_chars": round(sum(reading.extra_chars for reading in readings) / count, 1),
    }


def guess_by_name(tuning: Iterable[Example], heldout: Iterable[Example], task: str) -> float:
    """Share of held-out `has` questions right by each name's commonest answer in tuning."""
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for example in tuning:
        if example.task == task:
            seen[example.id.rpartition("/")[2]][example.answer] += 1
    asked = [example for example in heldout if example.task == task]
    right = 0
    for example in asked:
        counts = seen.get(example.id.rpartition("/")[2], Counter({"no": 1}))
        right += example.answer == counts.most_common(1)[0][0]
    return round(right / max(len(asked), 1), 4)


def leaks(tuning: Iterable[Example], heldout: Sequence[Example]) -> dict[str, Any]:
    """What of the held-out questions occurs in tuning: whole prompts, groups, and answers."""
    tuning = list(tuning)
    prompts = {example.messages for example in tuning}
    groups = {example.group for example in tuning}
    answers = {(example.task, example.answer) for example in tuning}
    shared: Counter[str] = Counter()
    for example in heldout:
        shared[example.task] += (example.task, example.answer) in answers
    asked = Counter(example.task for example in heldout)
    return {
        "same_prompt": sum(example.messages in prompts for example in heldout),
        "same_group": sum(example.group in groups for example in heldout),
        "same_answer_fraction": {
            task: round(shared[task] / count, 4) for task, count in sorted(asked.items())
        },
    }
