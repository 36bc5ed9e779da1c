"""Asks a model questions and marks what it answers: greedy, so that asking again gives the same.

`answers.jsonl` has one line for each question and model.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from groundup.core import seeds
from groundup.core.records import Example
from groundup.evaluate.grade import grade
from groundup.generate.engine import Completion, Engine
from groundup.generate.sampling import SamplingParams
from groundup.tokens import chat
from groundup.tokens.tokenizer import Tokenizer

__all__ = ["Answer", "ask", "choose", "fits", "has_stopped", "read_answers", "write_answers"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's answer to one question, with its marks.

    Attributes:
        id: The question's id.
        task: Its task.
        group: What it is about; its id when it shares that with no other.
        grader: How it was marked.
        model: Role of the model asked.
        prompt: The question as the template writes it.
        reference: The right answer.
        answer: What the model wrote, without the end token.
        tokens: Tokens that it wrote, end token included.
        stopped: Whether it ended by itself.
        f1: Token F1, 0..1.
        exact: 1 when right to the letter.
        reward: What RL pays for it, 0..1.
    """

    id: str
    task: str
    group: str
    grader: str
    model: str
    prompt: str
    reference: str
    answer: str
    tokens: int
    stopped: bool
    f1: float
    exact: float
    reward: float


def has_stopped(completion: Completion) -> bool:
    """Whether the model ended its answer by itself instead of being cut off."""
    return completion.finish_reason == "stop"


def choose(questions: Sequence[Example], *, task: str, count: int, seed: int) -> list[Example]:
    """Up to `count` questions of a task, drawn by a hash of their ids.

    The draw does not depend on the order of the file or on other tasks; the result is ordered as
    the file is.
    """
    asked = [question for question in questions if question.task == task]
    asked.sort(key=lambda question: seeds.derive(seed, f"evaluate/{task}/{question.id}"))
    chosen = {question.id for question in asked[:count]}
    return [q for q in questions if q.task == task and q.id in chosen]


def fits(tokenizer: Tokenizer, question: Example, max_new_tokens: int, context: int) -> bool:
    """Whether the question leaves room in the context for an answer of `max_new_tokens`."""
    return len(chat.prompt_ids(tokenizer, question.messages)) + max_new_tokens <= context


def ask(
    engine: Engine,
    questions: Sequence[Example],
    *,
    role: str,
    max_new_tokens: int,
) -> list[Answer]:
    """Answers to all questions, in order, in one batched generation."""
    prompts = [chat.prompt_ids(engine.tokenizer, question.messages) for question in questions]
    params = SamplingParams(max_new_tokens=max_new_tokens, temperature=0.0)
    completions = engine.generate(prompts, params)
    return [
        _mark(question, completion, role, engine.tokenizer)
        for question, completion in zip(questions, completions, strict=True)
    ]


def _mark(question: Example, completion: Completion, role: str, tokenizer: Tokenizer) -> Answer:
    stopped = has_stopped(completion)
    marks = grade(completion.text, question.answer, grader=question.grader, stopped=stopped)
    return Answer(
        id=question.id,
        task=question.task,
        group=question.group or question.id,
        grader=question.grader,
        model=role,
        prompt=chat.render_text(question.messages, tokenizer=tokenizer),
        reference=question.answer,
        answer=completion.text,
        tokens=len(completion.ids),
        stopped=stopped,
        f1=marks.f1,
        exact=marks.exact,
        reward=marks.reward,
    )


def write_answers(path: Path, answers: Iterable[Answer]) -> None:
    """Writes one JSON object a line."""
    with path.open("w", encoding="utf-8") as lines:
        for answer in answers:
            lines.write(json.dumps(asdict(answer), ensure_ascii=False) + "\n")


def read_answers(path: Path) -> list[Answer]:
    """Reads what `write_answers` wrote; nothing when there is no such file."""
    if not path.exists():
        return []
    return [Answer(**json.loads(line)) for line in path.read_text("utf-8").splitlines()]
