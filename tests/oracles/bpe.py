"""Byte-level BPE, slowly and straight from the algorithm: the oracle of `groundup.tokens`.

Training is algorithm 1 of Sennrich et al. 2016 (arXiv 1508.07909) on bytes: recount every pair
after every merge. Encoding applies the merges one after another, in order of learning. Ties go to
the pair with the lowest ids, left id first. Nothing is shared with the code under test: pieces come
from the `regex` module with the expressions as their authors published them.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

import regex

# openai/gpt-2, src/encoder.py; tiktoken's cl100k_base before it was made faster; QwenLM/Qwen,
# tokenization_qwen.py
PUBLISHED = {
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

Pair = tuple[int, int]


def cut(text: str, expression: str) -> list[str]:
    """Pieces of a text; `\\s` is Unicode's White_Space, as in Rust and Oniguruma.

    Knows the characters of this `regex` module's Unicode version, newer ones than the others may.
    """
    expression = expression.replace(r"\s", r"\p{White_Space}").replace(r"\S", r"\P{White_Space}")
    return regex.findall(expression, text)


def pieces(text: str, pattern: str) -> list[str]:
    return cut(text, PUBLISHED[pattern])


def merged(ids: Sequence[int], pair: Pair, new_id: int) -> list[int]:
    result: list[int] = []
    at = 0
    while at < len(ids):
        if tuple(ids[at : at + 2]) == pair:
            result.append(new_id)
            at += 2
        else:
            result.append(ids[at])
            at += 1
    return result


def train(texts: Iterable[str], n_merges: int, pattern: str) -> list[Pair]:
    """Merges in order of learning; fewer than asked for when no pair is left."""
    counted = Counter(piece for text in texts for piece in pieces(text, pattern))
    words = [(list(piece.encode()), count) for piece, count in counted.items()]
    merges: list[Pair] = []
    while len(merges) < n_merges:
        counts: Counter[Pair] = Counter()
        for ids, count in words:
            for pair in pairwise(ids):
                counts[pair] += count
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        words = [(merged(ids, best, 256 + len(merges)), count) for ids, count in words]
        merges.append(best)
    return merges


def token_bytes(merges: Sequence[Pair]) -> list[bytes]:
    tokens = [bytes([value]) for value in range(256)]
    for left, right in merges:
        tokens.append(tokens[left] + tokens[right])
    return tokens


def encode(text: str, merges: Sequence[Pair], pattern: str) -> list[int]:
    result: list[int] = []
    for piece in pieces(text, pattern):
        ids = list(piece.encode())
        for new_id, pair in enumerate(merges, start=256):
            ids = merged(ids, pair, new_id)
        result.extend(ids)
    return result
