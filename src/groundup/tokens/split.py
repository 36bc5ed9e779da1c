"""The patterns that cut text into pieces; merges never cross from one piece to the next.

Only patterns that tiktoken, Hugging Face `tokenizers` and llama.cpp all know are offered, so that
a tokenizer trained here can be used everywhere. The expressions below are tiktoken's faster forms
(possessive quantifiers) of the published ones, but for the white space of `cl100k`: the faster
form cuts a line end that is followed by spaces at the end of a text otherwise than Llama 3's
`tokenizer.json`. Tests check that all cut like the published ones. One thing differs: whitespace
longer than `MAX_RUN` is cut (`cut_runs`), for it crashes the engine of the expressions.

| name   | first used by | in llama.cpp | source                                           |
|--------|---------------|--------------|--------------------------------------------------|
| gpt2   | GPT-2         | gpt-2        | openai/gpt-2, src/encoder.py                     |
| cl100k | GPT-4         | llama-bpe    | openai/tiktoken, tiktoken_ext/openai_public.py   |
| qwen2  | Qwen          | qwen2        | Qwen/Qwen2, tokenizer.json                       |

GPT-4o's `o200k` is not among them: llama.cpp cuts it by an expression of its own, which tells upper
from lower case in ASCII only, so the same model would read other tokens there.
"""

import re
from typing import Literal

__all__ = ["MAX_RUN", "PATTERNS", "PUBLISHED", "PatternName", "cut_runs", "cut_words"]

PatternName = Literal["gpt2", "cl100k", "qwen2"]

PATTERNS: dict[PatternName, str] = {
    "gpt2": (r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"),
    "cl100k": (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"
        r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
    "qwen2": (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}"
        r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
}

PUBLISHED: dict[PatternName, str] = {
    "gpt2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "cl100k": (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
    "qwen2": (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
}
"""The expressions exactly as in a `tokenizer.json` of Llama 3 or Qwen2, so that converters know."""

MAX_RUN = 100_000
"""Whitespace characters in one piece; tiktoken 0.14 and rustbpe 0.1 overflow near a million."""

_RUN = re.compile(r"[^\S\x1c-\x1f]+")  # Python counts four control characters as space, Rust not
_PROBED_RUN = re.compile(r"[^\S\x1c-\x1f]{8}")


def cut_runs(text: str) -> list[str]:
    """The text in parts none of which has a longer run of whitespace than `MAX_RUN`."""
    if _PROBED_RUN.search(text[:: MAX_RUN // 8]) is None:
        return [text]  # a longer run would cover eight of these places
    cuts = [0]
    for run in _RUN.finditer(text):
        cuts.extend(range(run.start() + MAX_RUN, run.end(), MAX_RUN))
    return [text[start:end] for start, end in zip(cuts, [*cuts[1:], len(text)], strict=True)]


_WORD_END = re.compile(r"(?<=[^\W\d_])(?=[ \n])")  # a piece ends here whatever stands around


def cut_words(text: str, length: int) -> list[str]:
    """The text in parts of about `length` characters that together have the text's own pieces.

    A part ends where a letter is followed by a space or a line end: there every pattern ends a
    piece, and none looks back. A text without such a place is left whole.
    """
    parts = []
    start = 0
    while (end := _WORD_END.search(text, start + length)) is not None:
        parts.append(text[start : end.start()])
        start = end.start()
    return [*parts, text[start:]]
