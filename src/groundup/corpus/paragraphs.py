"""Paragraphs that occur more than once in the corpus: all but the first are taken out.

Reference pages repeat what they inherit: the methods of `dict` stand in the page of every class
made from it. Source: CCNet (Wenzek et al. 2020, arXiv 1911.00359, section 3.1), which hashes
paragraphs in the same way. Differs from the paper: the first occurrence stays, paragraphs end at
blank lines, and short ones are left alone.
"""

import hashlib
from collections.abc import Set

__all__ = ["key_of", "paragraph_keys", "split_paragraphs", "without_repeats"]


def key_of(text: str | bytes) -> int:
    """64 bits of BLAKE2b. Among 100 million texts 0.0003 pairs are expected to collide."""
    data = text.encode() if isinstance(text, str) else text
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


def split_paragraphs(text: str) -> list[str]:
    """What stands between blank lines."""
    return text.split("\n\n")


def _key(paragraph: str) -> int:
    """Indentation and line breaks do not make a paragraph another one."""
    return key_of(" ".join(paragraph.split()))


def paragraph_keys(text: str, min_chars: int) -> set[int]:
    """Keys of a text's paragraphs of at least `min_chars` characters."""
    return {_key(part) for part in split_paragraphs(text) if len(part) >= min_chars}


def without_repeats(text: str, gone: Set[int], min_chars: int) -> str:
    """The text without paragraphs whose key is in `gone` or occurred before in the text."""
    seen = set(gone)
    kept = []
    for part in split_paragraphs(text):
        if len(part) >= min_chars:
            key = _key(part)
            if key in seen:
                continue
            seen.add(key)
        kept.append(part)
    return "\n\n".join(kept).strip("\n")
