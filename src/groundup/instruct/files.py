"""`source = "files"`: instructions that somebody has written, to examples of every split.

A row is one of

- Alpaca: `{"instruction": ..., "input": ..., "output": ...}` (Taori et al. 2023); `input` may be
  empty or missing, `response` may stand for `output`;
- a pair: `{"prompt": ..., "completion": ...}`;
- a chat: `{"messages": [{"role": ..., "content": ...}, ...]}`, the format of OpenAI's fine-tuning
  files; `developer` is read as `system`, content may be a list of text parts.

A file holds a JSON list of rows or one row a line, plain or compressed (.gz, .bz2, .zst). Every
assistant turn of a chat becomes an example: all turns before it are the prompt, as in OpenAI's
fine-tuning, where each assistant message is learned unless its `weight` is 0. The examples of chats
that begin alike share a group, and a group is tuned on or held out as a whole.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from groundup.core.errors import DataError
from groundup.core.records import Example, Message
from groundup.core.seeds import derive, fraction
from groundup.instruct.catalogue import SPLITS, split_of

__all__ = ["BadRow", "Rows", "examples_of_row", "read_files", "read_rows", "split_examples"]

log = logging.getLogger(__name__)

TASK = "chat"
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_PAIRS = (("instruction", ("output", "response")), ("prompt", ("completion",)))
_SHOWN_BAD_ROWS = 3


class BadRow(ValueError):
    """A row that is none of the known shapes; its text says why."""


@dataclass(slots=True)
class Rows:
    """What was read: examples, how many rows they came from, and the rows that are unusable."""

    examples: list[Example] = field(default_factory=list)
    count: int = 0
    bad: list[str] = field(default_factory=list)


def read_files(paths: Sequence[Path], *, max_bad_fraction: float) -> Rows:
    """Reads all rows of all files.

    Raises:
        DataError: A file is not JSON, or more than `max_bad_fraction` of the rows are unusable;
            names file, row and reason.
    """
    rows = Rows()
    first_bad: tuple[Path, int] | None = None
    for path in paths:
        for number, row in read_rows(path):
            rows.count += 1
            try:
                rows.examples += examples_of_row(row, f"{path.name}:{number}")
            except BadRow as reason:
                rows.bad.append(f"{path}, row {number}: {reason}")
                first_bad = first_bad or (path, number)
    if first_bad is not None:
        for line in rows.bad[:_SHOWN_BAD_ROWS]:
            log.warning("left out %s", line)
    if first_bad is not None and len(rows.bad) > max_bad_fraction * rows.count:
        raise DataError(
            f"{len(rows.bad)} of {rows.count} rows cannot be used; the first is {rows.bad[0]}",
            hint="correct them, or allow more with --max-bad-fraction",
            source=str(first_bad[0]),
            offset=first_bad[1],
        )
    if not rows.examples:
        raise DataError(
            f"there is no row in {', '.join(map(str, paths))}",
            hint='give rows such as {"instruction": "...", "output": "..."}',
            source=str(paths[0]),
        )
    return rows


def read_rows(path: Path) -> Iterator[tuple[int, object]]:
    """Rows of a file with their number: the line of JSON lines, the place in a JSON list from 1.

    Raises:
        DataError: Not UTF-8, not compressed as its name says, or not JSON; names the line.
    """
    try:
        with pa.input_stream(str(path), compression="detect") as stream:
            text = stream.read().decode("utf-8-sig")
    except (UnicodeDecodeError, pa.ArrowInvalid, OSError) as error:
        raise DataError(
            f"{path} cannot be read as UTF-8 text: {error}",
            hint="convert it, or leave it out of paths",
            source=str(path),
        ) from error
    if text.lstrip().startswith("["):
        yield from enumerate(_parse(text, path, 0), start=1)
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, _parse(line, path, number)


def _parse(text: str, path: Path, line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        number = line or error.lineno
        raise DataError(
            f"{path}, line {number} is not JSON: {error.msg} at column {error.colno}",
            hint="give a JSON list of objects, or one object a line",
            source=str(path),
            offset=number,
        ) from error


def examples_of_row(row: object, row_id: str) -> list[Example]:
    """The examples of one row.

    Raises:
        BadRow: It is of no known shape, or a field is missing, empty or not text.
    """
    if not isinstance(row, Mapping):
        raise BadRow(f"it is {type(row).__name__}, not an object")
    if "messages" in row:
        return _chat(row["messages"], row_id)
    for question, answers in _PAIRS:
        if question in row:
            answer = next((name for name in answers if name in row), answers[0])
            return [_pair(row, question, answer, row_id)]
    known = "instruction and output, prompt and completion, or messages"
    raise BadRow(f"it has {', '.join(sorted(map(str, row))) or 'no fields'}, not {known}")


def _pair(row: Mapping[str, Any], question: str, answer: str, row_id: str) -> Example:
    prompt = _text(row.get(question), question)
    extra = row.get("input")
    if question == "instruction" and extra is not None and extra != "":
        prompt = f"{prompt}\n\n{_text(extra, 'input')}"
    messages = (Message("user", prompt),)
    return _example(row_id, messages, _text(row.get(answer), answer), messages)


def _chat(turns: object, row_id: str) -> list[Example]:
    if not isinstance(turns, list) or not turns:
        raise BadRow("messages is not a list of turns")
    read = [_turn(turn, place) for place, turn in enumerate(turns, start=1)]
    first = next((i for i, (message, _) in enumerate(read) if message.role == "assistant"), None)
    if not first:
        raise BadRow("no turn of the assistant has a turn before it")
    messages = tuple(message for message, _ in read)
    return [
        _example(f"{row_id}/{place + 1}", messages[:place], message.content, messages[:first])
        for place, (message, learned) in enumerate(read)
        if message.role == "assistant" and learned
    ]


def _turn(turn: object, place: int) -> tuple[Message, bool]:
    """A turn, and whether it is to be learned when it is the assistant's."""
    if not isinstance(turn, Mapping):
        raise BadRow(f"turn {place} is not an object")
    role = _ROLES.get(str(turn.get("role")))
    if role is None:
        raise BadRow(f"turn {place} has role {turn.get('role')!r}, not {', '.join(_ROLES)}")
    content = turn.get("content")
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, Mapping) else None for part in content]
        content = "".join(_text(part, f"turn {place}, a part") for part in parts)
    return Message(role, _text(content, f"turn {place}, content")), turn.get("weight", 1) != 0


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise BadRow(f"{name} is {'missing' if value is None else type(value).__name__}, not text")
    if not value.strip():
        raise BadRow(f"{name} is empty")
    return value.strip()


def _example(
    row_id: str, prompt: tuple[Message, ...], answer: str, opening: tuple[Message, ...]
) -> Example:
    digest = hashlib.sha256(repr([(m.role, m.content) for m in opening]).encode()).hexdigest()[:16]
    return Example(row_id, TASK, prompt, answer, "f1", group=f"chat-{digest}")


def split_examples(
    examples: Sequence[Example],
    *,
    seed: int,
    heldout_fraction: float,
    validation_fraction: float,
) -> dict[str, list[Example]]:
    """Examples by split, each in an order that the seed decides.

    A group's split depends on its text alone, so a file that grows keeps its held-out part. Where
    that leaves a wanted split empty, as in a file of ten rows, the group that is nearest to it by
    hash is moved there.

    Raises:
        DataError: There are too few different prompts to fill the splits that are asked for.
    """
    places = {
        group: split_of(group, seed, heldout_fraction, validation_fraction)
        for group in sorted({example.group for example in examples})
    }
    wanted = {"heldout": heldout_fraction, "validation": validation_fraction}
    for split, share in wanted.items():
        if share > 0 and split not in places.values():
            free = [group for group, place in places.items() if place == "train"]
            if len(free) < 2:
                raise DataError(
                    f"{len(places)} different prompts are too few to split",
                    hint="add rows, or use --heldout-fraction 0 --validation-fraction 0",
                )
            places[min((fraction(seed, f"instruct/{split}/{g}"), g) for g in free)[1]] = split
    found: dict[str, list[Example]] = {split: [] for split in SPLITS}
    for example in sorted(examples, key=lambda e: derive(seed, f"instruct/order/{e.id}")):
        found[places[example.group]].append(example)
    return found
