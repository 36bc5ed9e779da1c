"""Examples to masked batches; batch i is a pure function of the examples, the seed and i.

The loss is taken on the answer and on the token that ends it, never on the prompt. Rows of about
one length share a batch, so that little is padded; which batch comes when is random. An example
that does not fit into the context is left out and counted: cutting its end would teach the model
never to stop.

Letters: B batch, T position.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundup.core import seeds
from groundup.core.artifact import Artifact
from groundup.core.errors import ConfigError, DataError
from groundup.core.records import Example, read_examples
from groundup.tokens import chat
from groundup.tokens.tokenizer import Tokenizer

__all__ = [
    "IGNORED",
    "Batch",
    "Batches",
    "Row",
    "encode",
    "micro_batches",
    "pad",
    "read_tasks",
    "refuse_too_long",
]

IGNORED = -100
"""Target of a position that takes no part in the loss."""


@dataclass(frozen=True, slots=True)
class Row:
    """One example as tokens.

    Attributes:
        example: Where it comes from.
        ids: The whole conversation, end token included.
        trained: For each token, whether the loss is taken on it.
    """

    example: Example
    ids: NDArray[np.int64]
    trained: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs and targets, both (B, T); a target of `IGNORED` counts for nothing."""

    ids: NDArray[np.int64]
    targets: NDArray[np.int64]

    @property
    def trained_tokens(self) -> int:
        """Targets that count."""
        return int((self.targets != IGNORED).sum())


def read_tasks(examples: Artifact, file: str, tasks: Collection[str] | None) -> list[Example]:
    """The examples of some tasks (None: all) in one file of an `instruct` run.

    Raises:
        ConfigError: The file has no example of one of the tasks.
        DataError: The file has no example at all.
    """
    found = list(read_examples(examples.file(file)))
    if not found:
        raise DataError(
            f"{examples.path / file} holds no example",
            hint="look at the counts of the instruct stage",
            source=str(examples.path / file),
        )
    if tasks is None:
        return found
    there = {example.task for example in found}
    for task in tasks:
        if task not in there:
            raise ConfigError(
                f"{examples.path / file} has no example of task {task!r}",
                hint=f"tasks there: {', '.join(sorted(there))}",
            )
    return [example for example in found if example.task in tasks]


def encode(
    tokenizer: Tokenizer, examples: Sequence[Example], *, context_length: int
) -> tuple[list[Row], list[Example]]:
    """Renders examples with the chat template.

    Returns:
        The rows, in order, and the examples that do not fit into the context.
    """
    rows, too_long = [], []
    for example in examples:
        rendered = chat.render_example(tokenizer, example.messages, example.answer)
        if len(rendered.ids) - 1 > context_length:  # the last token is only ever a target
            too_long.append(example)
            continue
        ids = np.asarray(rendered.ids, dtype=np.int64)
        rows.append(Row(example, ids, np.asarray(rendered.trained, dtype=np.bool_)))
    return rows, too_long


def refuse_too_long(too_long: int, total: int, *, limit_fraction: float, context: int) -> None:
    """Stops when too large a share of the examples does not fit.

    Raises:
        DataError: More than `limit_fraction` of `total` were too long.
    """
    if too_long > limit_fraction * total:
        raise DataError(
            f"{too_long:,} of {total:,} examples are longer than the model's context of {context} "
            f"tokens, more than the allowed {limit_fraction:.0%}",
            hint="shorten them in the instruct recipe, raise max_too_long_fraction, or pretrain "
            "with a longer context_length",
        )


def pad(rows: Sequence[Row], *, fill: int) -> Batch:
    """Rows of different length as one batch, filled up on the right with the token `fill`.

    Causal attention never looks to the right, so the filling changes nothing.
    """
    width = max(len(row.ids) for row in rows) - 1
    ids_BT = np.full((len(rows), width), fill, dtype=np.int64)
    targets_BT = np.full((len(rows), width), IGNORED, dtype=np.int64)
    for index, row in enumerate(rows):
        length = len(row.ids) - 1
        ids_BT[index, :length] = row.ids[:-1]
        targets_BT[index, :length] = np.where(row.trained[1:], row.ids[1:], IGNORED)
    return Batch(ids_BT, targets_BT)


def micro_batches(rows: Sequence[Row], *, max_tokens: int) -> list[list[int]]:
    """Indices of rows in groups of at most `max_tokens` tokens, padding included, shortest first.

    A row longer than that has a group for itself.
    """
    order = sorted(range(len(rows)), key=lambda index: (len(rows[index].ids), index))
    groups: list[list[int]] = []
    for index in order:
        width = len(rows[index].ids)
        if groups and (len(groups[-1]) + 1) * width <= max_tokens:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


class Batches:
    """All batches of a training run, in any order of asking."""

    def __init__(self, rows: Sequence[Row], *, batch_examples: int, seed: int, fill: int) -> None:
        self._rows = rows
        self._lengths = np.asarray([len(row.ids) for row in rows])
        self._batch_examples = batch_examples
        self._seed = seed
        self._fill = fill
        self._epoch = -1
        self._order: list[NDArray[np.int64]] = []

    @property
    def steps_per_epoch(self) -> int:
        """Batches that show every row once; the last of an epoch may be smaller."""
        return -(-len(self._rows) // self._batch_examples)

    def members(self, step: int) -> NDArray[np.int64]:
        """Indices of the rows in batch `step`."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._order, self._epoch = self._epoch_order(epoch), epoch
        return self._order[position]

    def _epoch_order(self, epoch: int) -> list[NDArray[np.int64]]:
        generator = seeds.generator(self._seed, f"finetune/order/{epoch}")
        shuffled = generator.permutation(len(self._rows))
        by_length = shuffled[np.argsort(self._lengths[shuffled], kind="stable")]
        batches = np.split(
            by_length, range(self._batch_examples, len(by_length), self._batch_examples)
        )
        return [batches[index] for index in generator.permutation(len(batches))]

    def batch(self, step: int, *, max_tokens: int) -> list[Batch]:
        """Batch `step`, counted from 0 over all epochs, in pieces of at most `max_tokens`."""
        rows = [self._rows[index] for index in self.members(step)]
        return [
            pad([rows[index] for index in group], fill=self._fill)
            for group in micro_batches(rows, max_tokens=max_tokens)
        ]
