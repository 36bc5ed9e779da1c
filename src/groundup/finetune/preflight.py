"""What is about to be learned, looked at before a second is spent on it.

Refuses the two mistakes that ruin most fine-tuning runs unseen: the end token is never a target
(the model then never stops), and an example has no target at all (its batch has no loss). Shows one
example of every task with the trained tokens marked, and counts duplicates and leakage. Writes
`preflight.json` and `preflight.md`.
"""

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass

from groundup.core.artifact import RunDir
from groundup.core.errors import DataError
from groundup.core.records import Example
from groundup.finetune.data import Row
from groundup.tokens.tokenizer import Tokenizer

__all__ = ["Preflight", "Sample", "Span", "drop_leaked", "inspect", "refuse_untrainable", "save"]

log = logging.getLogger(__name__)

MARKS = ("⟦", "⟧")
"""Around trained text, where colour cannot be counted on."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of an example: text, and whether the loss is taken on it."""

    text: str
    trained: bool


@dataclass(frozen=True, slots=True)
class Sample:
    """One example as the model sees it."""

    id: str
    task: str
    spans: tuple[Span, ...]

    @property
    def marked(self) -> str:
        """Its text with the trained part between `MARKS`."""
        before, after = MARKS
        return "".join(f"{before}{s.text}{after}" if s.trained else s.text for s in self.spans)


@dataclass(frozen=True, slots=True)
class Preflight:
    """Counts before training.

    Attributes:
        examples: Rows to learn from.
        too_long: Examples left out because they do not fit into the context.
        leaked: Examples left out because the same prompt is in the held-out file.
        groups_in_heldout: Groups (things asked about) that also occur in the held-out file.
        duplicates: Rows whose prompt and answer another row has too.
        tokens: Tokens of all rows.
        trained_tokens: Tokens that the loss is taken on.
        longest_tokens: Length of the longest row.
        context_length: What fits.
        tasks: Task to number of rows.
        samples: One row of each task.
    """

    examples: int
    too_long: int
    leaked: int
    groups_in_heldout: int
    duplicates: int
    tokens: int
    trained_tokens: int
    longest_tokens: int
    context_length: int
    tasks: dict[str, int]
    samples: tuple[Sample, ...]

    @property
    def trained_fraction(self) -> float:
        """Share of tokens that the loss is taken on."""
        return self.trained_tokens / self.tokens


def _prompt(example: Example) -> tuple[tuple[str, str], ...]:
    return tuple((message.role, message.content) for message in example.messages)


def drop_leaked(
    examples: Sequence[Example], heldout: Sequence[Example]
) -> tuple[list[Example], int]:
    """Leaves out examples whose prompt will be asked in the examination.

    Returns:
        The others, in order, and how many were left out.
    """
    asked = {_prompt(example) for example in heldout}
    kept = [example for example in examples if _prompt(example) not in asked]
    return kept, len(examples) - len(kept)


def refuse_untrainable(rows: Sequence[Row], *, end_ids: Collection[int]) -> None:
    """Checks that every row teaches something, and teaches to stop.

    Raises:
        DataError: There is no row, a row has no target, or its last target ends no answer.
    """
    if not rows:
        raise DataError(
            "there is no example to learn from",
            hint="look at the counts of the instruct stage, and at tasks in the recipe",
        )
    for row in rows:
        if not row.trained[1:].any():
            raise DataError(
                f"example {row.example.id} has no token to learn: a batch could be empty",
                hint="every example needs an answer; look at it in train.jsonl",
                source=row.example.id,
            )
        if not row.trained[-1] or int(row.ids[-1]) not in end_ids:
            raise DataError(
                f"example {row.example.id} never teaches the end token: the model would not stop",
                hint="the chat template has to end every answer with a trained end token",
                source=row.example.id,
            )


def inspect(
    rows: Sequence[Row],
    tokenizer: Tokenizer,
    *,
    heldout: Sequence[Example],
    too_long: int,
    leaked: int,
    context_length: int,
) -> Preflight:
    """Counts rows, tokens, duplicates and leakage; picks the first row of each task to show."""
    repeats = Counter((_prompt(row.example), row.example.answer) for row in rows)
    groups = {row.example.group for row in rows if row.example.group}
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row.example.task, row)
    return Preflight(
        examples=len(rows),
        too_long=too_long,
        leaked=leaked,
        groups_in_heldout=len(groups & {example.group for example in heldout}),
        duplicates=len(rows) - len(repeats),
        tokens=sum(len(row.ids) for row in rows),
        trained_tokens=sum(int(row.trained.sum()) for row in rows),
        longest_tokens=max(len(row.ids) for row in rows),
        context_length=context_length,
        tasks=dict(sorted(Counter(row.example.task for row in rows).items())),
        samples=tuple(_sample(first[task], tokenizer) for task in sorted(first)),
    )


def _sample(row: Row, tokenizer: Tokenizer) -> Sample:
    """Cuts a row where training begins or ends."""
    borders = [0, *(i for i in range(1, len(row.ids)) if row.trained[i] != row.trained[i - 1])]
    spans = []
    for start, stop in zip(borders, [*borders[1:], len(row.ids)], strict=True):
        text = tokenizer.decode(row.ids[start:stop].tolist())
        spans.append(Span(text, bool(row.trained[start])))
    return Sample(row.example.id, row.example.task, tuple(spans))


def save(preflight: Preflight, out: RunDir) -> None:
    """Writes `preflight.json` and `preflight.md`, and logs the lines that a person should see."""
    values = {**asdict(preflight), "trained_fraction": preflight.trained_fraction}
    out.write_json("preflight.json", values)
    lines = _lines(preflight)
    with out.publish("preflight.md") as partial:
        partial.write_text(_markdown(preflight, lines), encoding="utf-8")
    for line in lines:
        log.info("  %s", line)
    log.info("  one example, trained part between %s and %s:", *MARKS)
    log.info("    %s", preflight.samples[0].marked.replace("\n", "\n    "))


def _lines(p: Preflight) -> list[str]:
    tasks = ", ".join(f"{task} {count:,}" for task, count in p.tasks.items())
    lines = [
        f"{p.examples:,} examples ({tasks})",
        f"{p.tokens:,} tokens, {p.trained_fraction:.1%} of them trained; every answer ends with a "
        f"trained end token; longest {p.longest_tokens:,} of {p.context_length:,}",
    ]
    if p.too_long:
        lines.append(f"{p.too_long:,} examples left out: longer than the context")
    if p.leaked:
        lines.append(f"{p.leaked:,} examples left out: the examination asks the same")
    if p.groups_in_heldout:
        lines.append(f"{p.groups_in_heldout:,} subjects are also asked about in the examination")
    if p.duplicates:
        lines.append(f"{p.duplicates:,} examples are exact repeats of another")
    return lines


def _markdown(preflight: Preflight, lines: Sequence[str]) -> str:
    parts = ["# Before training", "", *(f"- {line}" for line in lines), ""]
    parts += [f"Trained text stands between {MARKS[0]} and {MARKS[1]}.", ""]
    for sample in preflight.samples:
        parts += [f"## {sample.task} ({sample.id})", "", "````text", sample.marked, "````", ""]
    return "\n".join(parts)
