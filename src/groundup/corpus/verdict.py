"""What a rule says of a text: the rule, what it measured, and its limit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from groundup.corpus.ngrams import Ngrams

__all__ = ["Rule", "TextView", "Verdict", "first_failure"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a page is dropped.

    Attributes:
        rule: Name as in the funnel, such as `gopher.min_words`.
        value: What was measured.
        limit: What the rule allows.
    """

    rule: str
    value: float | str
    limit: float | str


class TextView:
    """A text with the parts that rules look at, each computed once.

    Words are what stands between white space: punctuation belongs to its word. Lines are stripped
    and not empty. Paragraphs are what stands between blank lines.
    """

    def __init__(self, text: str, language: str = "en") -> None:
        self.text = text
        self.language = language

    @cached_property
    def words(self) -> list[str]:
        """Words, in order."""
        return self.text.split()

    @cached_property
    def word_chars(self) -> int:
        """Characters in all words: the text without white space."""
        return sum(map(len, self.words))

    @cached_property
    def ngrams(self) -> Ngrams:
        """Repeated runs of words."""
        return Ngrams(self.words)

    @cached_property
    def lines(self) -> list[str]:
        """Lines, in order."""
        return [line for raw in self.text.split("\n") if (line := raw.strip())]

    @cached_property
    def paragraphs(self) -> list[str]:
        """Paragraphs, in order."""
        return [part for raw in self.text.split("\n\n") if (part := raw.strip())]


@dataclass(frozen=True, slots=True)
class Rule:
    """One threshold of a paper's table.

    Attributes:
        name: As in the funnel.
        limit: The field of the limits that holds the threshold.
        fails: On which side of the threshold a text is dropped; equal is kept.
        measure: The quantity; None where the rule has nothing to say.
    """

    name: str
    limit: str
    fails: Literal["below", "above"]
    measure: Callable[[TextView], float | None]


def first_failure(
    rules: Sequence[Rule], view: TextView, limits: object, is_on: Callable[[str], bool]
) -> Verdict | None:
    """The verdict of the first rule in force that a text fails; None when it passes all."""
    for rule in rules:
        if not is_on(rule.name):
            continue
        value = rule.measure(view)
        limit = getattr(limits, rule.limit)
        if value is None:
            continue
        if value < limit if rule.fails == "below" else value > limit:
            return Verdict(rule.name, round(value, 4), limit)
    return None
