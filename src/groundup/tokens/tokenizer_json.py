"""Writes `tokenizer.json`: byte-level BPE in the format of Hugging Face `tokenizers`.

That format writes a byte as a printable character, as GPT-2 did (`Ġ` is a space), and needs the
merges as pairs, which rank-based encoders such as tiktoken leave implicit.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from groundup.tokens.split import PUBLISHED, PatternName

__all__ = ["BYTES", "UnknownFormat", "merges_of", "to_json"]


class UnknownFormat(ValueError):
    """The JSON is not a byte-level BPE tokenizer that this program can use."""


def _byte_characters() -> list[str]:
    """The printable character for each byte value. Source: openai/gpt-2, `bytes_to_unicode`."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = (value for value in range(256) if value not in printable)
    shifted = {value: chr(256 + index) for index, value in enumerate(others)}
    return [shifted.get(value, chr(value)) for value in range(256)]


_CHARACTERS = _byte_characters()
BYTES = {character: value for value, character in enumerate(_CHARACTERS)}
"""Printable character to the byte that it stands for."""


def _written(token: bytes) -> str:
    return "".join(_CHARACTERS[value] for value in token)


def merges_of(tokens: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    """The pair that each token beyond the 256 bytes was merged from, in order of learning.

    A token's bytes, merged by the earlier rules alone, end as exactly two parts: those two.

    Raises:
        ValueError: Some token is not a merge of two earlier ones.
    """
    ranks = {token: rank for rank, token in enumerate(tokens)}
    pairs = []
    for rank, token in enumerate(tokens[256:], start=256):
        parts = _merge_below(token, ranks, rank)
        if len(parts) != 2:
            raise ValueError(f"token {rank} ({token!r}) is not a merge of two earlier tokens")
        pairs.append((parts[0], parts[1]))
    return pairs


def _merge_below(token: bytes, ranks: Mapping[bytes, int], limit: int) -> list[bytes]:
    """Byte-pair merging of one piece with the tokens of rank below `limit`."""
    parts = [token[i : i + 1] for i in range(len(token))]
    while len(parts) > 1:
        candidates = [ranks.get(a + b, limit) for a, b in pairwise(parts)]
        lowest = min(candidates)
        if lowest >= limit:
            break
        at = candidates.index(lowest)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts


def _pre_tokenizer(pattern: PatternName) -> dict[str, Any]:
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    if pattern == "gpt2":
        return {**level, "use_regex": True}
    split = {
        "type": "Split",
        "pattern": {"Regex": PUBLISHED[pattern]},
        "behavior": "Isolated",
        "invert": False,
    }
    return {"type": "Sequence", "pretokenizers": [split, {**level, "use_regex": False}]}


def to_json(
    tokens: Sequence[bytes], special: Mapping[str, int], pattern: PatternName
) -> dict[str, Any]:
    """The whole file as a JSON value."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": id, "content": name, **flags, "special": True} for name, id in special.items()
        ],
        "normalizer": None,
        "pre_tokenizer": _pre_tokenizer(pattern),
        "post_processor": None,
        "decoder": {
            "type": "ByteLevel",
            "add_prefix_space": True,
            "trim_offsets": True,
            "use_regex": True,
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {_written(token): id for id, token in enumerate(tokens)},
            "merges": [[_written(a), _written(b)] for a, b in merges_of(tokens)],
        },
    }
