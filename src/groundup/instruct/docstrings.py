"""Docstrings: signature lines, paragraphs and the sentence that says what a thing does."""

import re
from dataclasses import dataclass

from groundup.instruct.signatures import Signature, parse_signature

__all__ = ["Docstring", "first_sentence", "read_docstring"]

# A sentence ends at . ! or ? when white space and something that begins a sentence follow.
_SENTENCE_END = re.compile(r"[.!?][\"')\]`]*(?=\s+[\"'(\[`:*]*[A-Z0-9]|\s*$)")
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|cf|approx|resp|al|Dr|Mr|St|no)|\b[A-Z])\.$")
_UNDERLINE = re.compile(r"^\s*[-=~^]{3,}\s*$")
_MARKED = re.compile(r"^\s*(>>>|\.\. |:\w+|@|[-*+|] |\d+[.)] )")
_HEADING = re.compile(r"^[\w ]{1,30}::?$")
_SIGNATURE_LINE = re.compile(r"^((?:[A-Za-z_]\w*\.)*)([A-Za-z_]\w*)(?=\()")


@dataclass(frozen=True, slots=True)
class Docstring:
    """A docstring taken apart.

    Attributes:
        signature: The signature on its first line, when it has one that parses.
        summary: The first sentence of its first paragraph; empty when that is not prose.
        rest: The other sentences of the first paragraph.
        paragraphs: The further paragraphs, each on one line.
        text: All of it, without signature lines.
    """

    signature: Signature | None
    summary: str
    rest: str
    paragraphs: tuple[str, ...]
    text: str


def first_sentence(paragraph: str) -> str:
    """The first sentence; the whole paragraph when no sentence ends in it."""
    for found in _SENTENCE_END.finditer(paragraph):
        sentence = paragraph[: found.end()]
        if not _ABBREVIATION.search(sentence):
            return sentence
    return paragraph


def read_docstring(text: str, name: str) -> Docstring:
    """Takes apart the docstring of the object whose last name is `name`.

    C functions and classes carry their signatures as first lines, sometimes several. The first that
    parses is kept, all are removed from the text.
    """
    text = text.replace("\xa0", " ").strip()
    if text.startswith("#"):  # a comment that pydoc shows where there is no docstring
        text = ""
    signature: Signature | None = None
    while (after := _after_signature(text, name)) is not None:
        found, text = after
        signature = signature or found
    blocks = [block for block in re.split(r"\n[ \t]*\n", text) if block.strip()]
    lead = " ".join(blocks[0].split()) if blocks and not _is_markup(blocks[0]) else ""
    summary = first_sentence(lead)
    return Docstring(
        signature=signature,
        summary=summary,
        rest=lead[len(summary) :].strip(),
        paragraphs=tuple(" ".join(block.split()) for block in blocks[1:]),
        text=text,
    )


def _after_signature(text: str, name: str) -> tuple[Signature | None, str] | None:
    """A signature that `text` begins with, and what follows its line; None when there is none."""
    match = _SIGNATURE_LINE.match(text)
    if match is None or match[2] != name:
        return None
    parsed = parse_signature(text[match.end() :])
    if parsed is not None:
        signature, rest = parsed
        tail, _, below = rest.partition("\n")
        if not tail.strip() or tail.strip().startswith(("->", ":")):
            return signature, below.strip()
    # Not Python, such as `range(start, stop[, step])`: one line is not prose all the same.
    line, _, below = text.partition("\n")
    return (None, below.strip()) if ")" in line else None


def _is_markup(block: str) -> bool:
    """Whether a block is a list, code, a section with an underlined title or a field list."""
    lines = block.splitlines()
    first = lines[0].strip()
    return bool(
        _MARKED.match(first)
        or _HEADING.match(first)
        or any(_UNDERLINE.match(line) for line in lines[:2])
    )
