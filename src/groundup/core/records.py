"""Rows that cross stages, and the columns they have on disk.

| record   | written by | read by               | file                                           |
|----------|------------|-----------------------|------------------------------------------------|
| Page     | crawl      | corpus, instruct      | `pages/*.parquet`                              |
| Document | corpus     | tokens                | `documents/{train,validation}-*.parquet`       |
| Example  | instruct   | finetune, evaluate    | `{train,validation,heldout}.jsonl`             |
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from groundup.core.errors import DataError

__all__ = [
    "DOCUMENT_COLUMNS",
    "PAGE_COLUMNS",
    "Document",
    "Example",
    "Message",
    "Page",
    "read_examples",
    "write_examples",
]


@dataclass(frozen=True, slots=True)
class Page:
    """One captured page, as the server sent it.

    Attributes:
        id: Stable across reruns: the WARC record id, or `sha256:` and a digest of source and
            offset.
        url: Where it was captured; a `file:` URL for folders.
        source: Name of the archive or file it was read from.
        offset: Byte offset of the record in that file (compressed offset for WARC), or row number.
        media_type: `text/html` or `text/plain`, lower case, without parameters.
        charset: As the server declared it; empty when it did not.
        payload: The body, HTTP transfer and content encodings undone, character set untouched.
    """

    id: str
    url: str
    source: str
    offset: int
    media_type: str
    charset: str
    payload: bytes


PAGE_COLUMNS = {
    "id": "string",
    "url": "string",
    "source": "string",
    "offset": "int64",
    "media_type": "string",
    "charset": "string",
    "payload": "binary",
}


@dataclass(frozen=True, slots=True)
class Document:
    """One document of clean text; `id`, `url`, `source` and `offset` are those of its page."""

    id: str
    url: str
    source: str
    offset: int
    language: str
    text: str


DOCUMENT_COLUMNS = {
    "id": "string",
    "url": "string",
    "source": "string",
    "offset": "int64",
    "language": "string",
    "text": "string",
}


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation; `role` is `system`, `user` or `assistant`."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Example:
    """One conversation to learn from or to be marked on.

    Attributes:
        id: Unique in its file.
        task: Which kind of question, such as `read`; scores are reported by task.
        messages: The prompt: every turn before the answer.
        answer: The reference answer of the assistant.
        grader: How an answer is marked: `f1` or `exact`.
        group: Examples about one thing share a group; resampling draws whole groups.
    """

    id: str
    task: str
    messages: tuple[Message, ...]
    answer: str
    grader: str = "f1"
    group: str = field(default="")


def write_examples(path: Path, examples: Iterable[Example]) -> int:
    """Writes one JSON object a line; returns how many."""
    count = 0
    with path.open("w", encoding="utf-8") as lines:
        for example in examples:
            lines.write(json.dumps(asdict(example), ensure_ascii=False) + "\n")
            count += 1
    return count


def read_examples(path: Path) -> Iterator[Example]:
    """Reads what `write_examples` wrote.

    Raises:
        DataError: A line is not an example; names file and line.
    """
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
                row["messages"] = tuple(Message(**message) for message in row["messages"])
                yield Example(**row)
            except (ValueError, TypeError, KeyError) as error:
                raise DataError(
                    f"{path}, line {number} is not an example: {error}",
                    hint="rebuild it with the instruct stage",
                    source=str(path),
                    offset=number,
                ) from error
