"""How well tokenizers fit texts: bytes per token and tokens per word, by language and by source.

Fertility is tokens per word (Rust et al. 2021, arXiv 2012.15613, section 4). All tokens of a text
count, those of its spaces and signs too. A word is a run of letters, marks and digits, an ideograph
on its own; scripts that put no space between words have no fertility here, for to find their words
takes a dictionary.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import regex

__all__ = ["Counter", "Fit", "Passage", "count_words", "measure"]

Counter = Callable[[str], int]
"""Number of tokens of a text."""

_WORD = regex.compile(r"\p{Han}|[[\p{L}\p{M}\p{N}]--\p{Han}]+", flags=regex.VERSION1)
_UNSPACED = regex.compile(
    r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}\p{Hiragana}\p{Katakana}"
    r"\p{Javanese}\p{Balinese}\p{Tai_Le}\p{New_Tai_Lue}\p{Tai_Tham}\p{Tai_Viet}]"
)


@dataclass(frozen=True, slots=True)
class Passage:
    """A text to measure on."""

    text: str
    language: str
    source: str


@dataclass(slots=True)
class Fit:
    """How tokenizers fit the texts of one language or source.

    Attributes:
        size_bytes: UTF-8 bytes of text.
        words: Words of the texts that put spaces between them.
        tokens: Name of each tokenizer to its tokens.
        tokens_of_words: The same, of the texts whose words are counted.
    """

    texts: int = 0
    size_bytes: int = 0
    words: int = 0
    tokens: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    tokens_of_words: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, size_bytes: int, words: int | None, tokens: Mapping[str, int]) -> None:
        """Counts one more text; its words are None where no spaces divide them."""
        self.texts += 1
        self.size_bytes += size_bytes
        self.words += words or 0
        for tokenizer, n_tokens in tokens.items():
            self.tokens[tokenizer] += n_tokens
            self.tokens_of_words[tokenizer] += 0 if words is None else n_tokens

    def bytes_per_token(self, tokenizer: str) -> float:
        """Bytes of text for each token; more is better."""
        return self.size_bytes / max(self.tokens[tokenizer], 1)

    def tokens_per_word(self, tokenizer: str) -> float | None:
        """Fertility; fewer is better, and 1 would be a token for every word. None without words."""
        return self.tokens_of_words[tokenizer] / self.words if self.words else None

    def to_json(self) -> dict[str, Any]:
        """All numbers, for programs."""
        fits = {}
        for name, count in self.tokens.items():
            fertility = self.tokens_per_word(name)
            fits[name] = {
                "tokens": count,
                "bytes_per_token": round(self.bytes_per_token(name), 4),
                "tokens_per_word": None if fertility is None else round(fertility, 4),
            }
        sizes = {"texts": self.texts, "bytes": self.size_bytes, "words": self.words}
        return {**sizes, "tokenizers": fits}


def count_words(text: str) -> int | None:
    """Words of a text, or None when more than a tenth of it is a script without spaces."""
    if len(_UNSPACED.findall(text)) * 10 > len(text):
        return None
    return sum(1 for _ in _WORD.finditer(text))


def measure(
    passages: Iterable[Passage], tokenizers: Mapping[str, Counter], *, group_bytes: int
) -> dict[str, dict[str, Fit]]:
    """Fits by `language` and by `source`, the largest group first.

    Args:
        passages: Texts; those beyond `group_bytes` of a language in a source are passed over.
        tokenizers: Name to counter of tokens.
        group_bytes: UTF-8 bytes after which a language in a source is known well enough.
    """
    fits: dict[str, dict[str, Fit]] = {"language": {}, "source": {}}
    for passage, size_bytes in _within(passages, group_bytes):
        counts = {name: count(passage.text) for name, count in tokenizers.items()}
        words = count_words(passage.text)
        for by, name in (("language", passage.language), ("source", passage.source)):
            fits[by].setdefault(name, Fit()).add(size_bytes, words, counts)
    return {
        by: dict(sorted(groups.items(), key=lambda item: (-item[1].size_bytes, item[0])))
        for by, groups in fits.items()
    }


def _within(passages: Iterable[Passage], group_bytes: int) -> Iterator[tuple[Passage, int]]:
    seen: dict[tuple[str, str], int] = defaultdict(int)
    for passage in passages:
        group = (passage.language, passage.source)
        if passage.text and seen[group] < group_bytes:
            size_bytes = len(passage.text.encode())
            seen[group] += size_bytes
            yield passage, size_bytes
