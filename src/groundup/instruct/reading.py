"""The `read` task: documentation with something to leave out, and the sentence that matters.

Shown are the signature, the paragraph whose first sentence is the answer, and as much else as fits:
its other sentences, further paragraphs after it or one before it, what is said of the class or
module around it, or the entry of a neighbour. So the answer is not always the first sentence, and
rarely the only one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from groundup.core.records import Example, Message
from groundup.core.seeds import fraction
from groundup.instruct.catalogue import Entry
from groundup.instruct.pydoc_pages import ApiObject

__all__ = ["Reading", "ask_read", "neighbours"]

_LONGEST_BEFORE_CHARS = 150
_SHORTEST_EXTRA_CHARS = 24
_DETAILS_FIRST = 0.4  # share of contexts with paragraphs that show one before the summary
_PARENT_FIRST = 0.25  # share that also show what surrounds the object
_ALONE = 0.1  # share of objects with nothing more to say that are shown alone,
_PARENT_ALONE = 0.45  # or up to here below their class or module; the others with a neighbour
_QUESTION_FIRST = 0.3

_CALLABLE = ("What does {name} do?", "What is {name} for?", "In one sentence, what does {name} do?")
_THING = ("What is {name}?", "What is {name} for?", "In one sentence, what is {name}?")


@dataclass(frozen=True, slots=True)
class Reading:
    """A `read` example and what its context is like.

    Attributes:
        extra_chars: Characters of the context beside the head line and the answer.
        answer_first: Whether the answer is the first sentence after the object's head line.
    """

    example: Example
    extra_chars: int
    answer_first: bool


@dataclass(slots=True)
class _Context:
    """The lines of a context and the room that is left, in characters."""

    head: str
    lead: str
    room: int
    top: list[str] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)

    def add(self, where: list[str], text: str, limit: int | None = None) -> bool:
        """Adds as much of a text as fits; nothing when that is next to nothing."""
        room = self.room - 1 if limit is None else min(self.room - 1, limit)
        cut = _shorten(text, room)
        if len(cut) < min(_SHORTEST_EXTRA_CHARS, len(text)):
            return False
        where.append(cut)
        self.room -= len(cut) + 1
        return True

    def text(self) -> str:
        """The lines in order."""
        return "\n".join([*self.top, self.head, *self.before, self.lead, *self.after])


def neighbours(entries: Sequence[Entry]) -> dict[str, Entry]:
    """For an object's name, an object of the same class or module and split that has a summary."""
    near: dict[str, Entry] = {}
    last: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        if entry.object.doc.summary and entry.object.parent:
            place = (entry.object.parent, entry.split)
            if place in last:
                near[entry.object.name] = last[place]
                near.setdefault(last[place].object.name, entry)
            last[place] = entry
    return near


def ask_read(
    entry: Entry, near: Mapping[str, Entry], seed: int, *, max_chars: int
) -> Reading | None:
    """Asks for the summary of shown documentation; None when it does not fit in `max_chars`."""
    item, about = entry.object, f"read/{entry.object.name}"
    wordings = _CALLABLE if item.kind in {"function", "method"} else _THING
    place = fraction(seed, f"instruct/{about}/wording")
    question = wordings[int(place * len(wordings))].format(name=item.short_name)
    head = _head(item, max_chars // 3)
    room = max_chars - len(question) - len(head) - len(item.doc.summary) - 2
    if room < 0:
        return None
    context = _Context(head, item.doc.summary, room)
    if fraction(seed, f"instruct/{about}/parent") < _PARENT_FIRST:
        _add_parent(context, entry)
    layout = fraction(seed, f"instruct/{about}/layout")
    if item.doc.rest or item.doc.paragraphs:
        _add_own_text(context, item, details_first=layout < _DETAILS_FIRST)
    elif layout >= _ALONE and not context.top:
        above = fraction(seed, f"instruct/{about}/above") < 0.5
        if layout < _PARENT_ALONE or not _add_neighbour(context, near.get(item.name), above=above):
            _add_parent(context, entry)
    parts = [context.text(), question]
    if fraction(seed, f"instruct/{about}/order") < _QUESTION_FIRST:
        parts.reverse()
    message = Message("user", "\n".join(parts))
    return Reading(
        Example(about, "read", (message,), item.doc.summary, "f1", entry.group),
        extra_chars=len(context.text()) - len(head) - len(item.doc.summary) - 1,
        answer_first=not context.before,
    )


def _add_own_text(context: _Context, item: ApiObject, *, details_first: bool) -> None:
    """The object's own further text; with `details_first` one paragraph stands before the lead."""
    paragraphs = list(item.doc.paragraphs)
    if details_first and paragraphs:
        details = f"Details: {paragraphs.pop(0)}"
        context.add(context.before, details, _LONGEST_BEFORE_CHARS)
    if item.doc.rest and context.room > _SHORTEST_EXTRA_CHARS:
        rest = _shorten(item.doc.rest, context.room - 1)
        context.lead, context.room = f"{context.lead} {rest}", context.room - len(rest) - 1
    for paragraph in paragraphs:
        if not context.add(context.after, paragraph):
            break


def _add_parent(context: _Context, entry: Entry) -> bool:
    """What is said of the class or module around it, above the head line."""
    if not entry.parent_summary:
        return False
    around = f"{entry.object.parent}: {entry.parent_summary}"
    return context.add(context.top, around, _LONGEST_BEFORE_CHARS)


def _add_neighbour(context: _Context, neighbour: Entry | None, *, above: bool) -> bool:
    """The head line and summary of another object, as documentation lists them."""
    if neighbour is None:
        return False
    item = neighbour.object
    listed = f"{_head(item, _LONGEST_BEFORE_CHARS)}\n{item.doc.summary}"
    if len(listed) >= context.room:
        return False
    return context.add(context.top if above else context.after, listed)


def _head(item: ApiObject, max_chars: int) -> str:
    """Name and signature; three dots for a signature that is too long."""
    printed = item.signature.text if item.signature is not None else ""
    head = item.short_name + printed
    return head if len(head) <= max_chars else f"{item.short_name}(...)"


def _shorten(text: str, max_chars: int) -> str:
    """The text, or its beginning up to a space, with ` ...` to show that it goes on."""
    if len(text) <= max_chars:
        return text
    cut = text[: max(max_chars - 4, 0)].rpartition(" ")[0]
    return f"{cut} ..." if cut else ""
