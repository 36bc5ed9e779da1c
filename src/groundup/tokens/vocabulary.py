"""What a tokenizer is made of, and how it is read from any byte-level BPE `tokenizer.json`.

Besides our own files those of GPT-2, Llama 3, Qwen2 and Qwen3 are read: ids of bytes in any order,
special tokens at any id, further added tokens, `ignore_merges`, and Unicode normal form C.

Encoding is by rank (`tokenizer`). A file for which that could give other ids than Hugging Face
`tokenizers` gives is refused (`merges`). A token that no merge makes is known by its id only, but
under `ignore_merges`, where a piece that is a token is given as that token.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from groundup.tokens.merges import Merge, not_by_rank
from groundup.tokens.split import PUBLISHED, PatternName
from groundup.tokens.tokenizer_json import BYTES, UnknownFormat

__all__ = ["Vocabulary", "from_json"]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The tokens of a tokenizer and how text is cut before merging.

    Attributes:
        tokens: Bytes of each id; empty where there is no such token.
        ranks: Tokens that text is encoded with, to their ids; lower ids merge first.
        special: Text of each special token to its id; no text is encoded to them.
        added: Text of each further whole token, such as `<think>`; text that spells it is it.
        pattern: Name of the pattern that cuts text into pieces.
        normalise: Whether text is brought to Unicode normal form C first.
    """

    tokens: Sequence[bytes]
    ranks: Mapping[bytes, int]
    special: Mapping[str, int]
    pattern: PatternName
    added: Mapping[str, int] = field(default_factory=dict)
    normalise: bool = False


def from_json(value: Any) -> Vocabulary:
    """The vocabulary of a `tokenizer.json`.

    Raises:
        UnknownFormat: It is not byte-level BPE of the kinds above; the message says in what.
    """
    try:
        return _read(value)
    except (KeyError, TypeError, AttributeError) as error:
        raise UnknownFormat(f"{type(error).__name__} {error}") from error


def _read(value: dict[str, Any]) -> Vocabulary:
    model = value["model"]
    _check_kind(model)
    special = {entry["content"]: entry["id"] for entry in value["added_tokens"] if entry["special"]}
    added = {
        entry["content"]: entry["id"] for entry in value["added_tokens"] if not entry["special"]
    }
    for entry in value["added_tokens"]:
        if not entry["special"] and (entry["single_word"] or entry["lstrip"] or entry["rstrip"]):
            raise UnknownFormat(f"its token {entry['content']!r} takes the space beside it along")
    whole = {**special, **added}
    ids = {written: id for written, id in model["vocab"].items() if written not in whole}
    tokens = _by_id(ids, whole)
    merges = _merges(model["merges"], ids)
    merged = {result for _, _, result in merges}
    whole_first = model.get("ignore_merges", False)
    ranks = {
        tokens[id]: id
        for id in sorted(ids.values())
        if len(tokens[id]) == 1 or id in merged or whole_first
    }
    odd = not_by_rank(merges, ranks, whole_first=whole_first)
    if odd is not None:
        raise UnknownFormat(f"its merges do not give the token {tokens[odd]!r} by rank")
    missing = [byte for byte in range(256) if bytes([byte]) not in ranks]
    if missing:
        raise UnknownFormat(f"it has no token for the byte 0x{missing[0]:02x}")
    return Vocabulary(
        tokens=tokens,
        ranks=ranks,
        special=special,
        added=added,
        pattern=_pattern_of(value["pre_tokenizer"]),
        normalise=_normalises(value["normalizer"]),
    )


def _check_kind(model: dict[str, Any]) -> None:
    if model.get("type", "BPE") != "BPE":
        raise UnknownFormat(f"its model is {model['type']}, not BPE")
    for name in ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"):
        if model.get(name):
            raise UnknownFormat(f"it sets {name}, which byte-level BPE has no use for")


def _by_id(ids: Mapping[str, int], whole: Mapping[str, int]) -> list[bytes]:
    """Bytes of every id.

    Raises:
        UnknownFormat: Two tokens share an id, or a token is not written in byte characters.
    """
    every = [*ids.values(), *whole.values()]
    if not all(type(id) is int and 0 <= id < 2**31 for id in every):
        raise UnknownFormat("an id is not a whole number from 0")
    tokens = [b""] * (max(every, default=-1) + 1)
    for text, id in whole.items():
        tokens[id] = text.encode()
    for written, id in ids.items():
        try:
            tokens[id] = bytes(BYTES[character] for character in written)
        except KeyError as error:
            raise UnknownFormat(
                f"its token {written!r} is not written in byte characters"
            ) from error
    if sum(map(bool, tokens)) != len(every):
        raise UnknownFormat("two of its tokens have the same id, or one is empty")
    return tokens


def _merges(merges: Sequence[Any], ids: Mapping[str, int]) -> list[Merge]:
    """Merges by id.

    Raises:
        UnknownFormat: A merge is of or to no token, or they are not in the order of the ids.
    """
    found: list[Merge] = []
    for merge in merges:
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        if left not in ids or right not in ids or left + right not in ids:
            raise UnknownFormat(f"its merge of {left!r} and {right!r} is not one of tokens")
        id = ids[left + right]
        if found and id < found[-1][2]:
            raise UnknownFormat("its merges are not in the order of their ids")
        found.append((ids[left], ids[right], id))
    return found


def _normalises(normalizer: Any) -> bool:
    if normalizer is None:
        return False
    if normalizer == {"type": "NFC"}:
        return True
    raise UnknownFormat(f"its normalizer is {normalizer!r}, neither none nor NFC")


def _pattern_of(pre_tokenizer: dict[str, Any]) -> PatternName:
    """The pattern that a pre-tokenizer cuts with.

    Raises:
        UnknownFormat: It does something else.
    """
    parts = pre_tokenizer.get("pretokenizers", [pre_tokenizer])
    level = parts[-1]
    if level["type"] == "ByteLevel" and not level["add_prefix_space"]:
        if len(parts) == 1 and level.get("use_regex", True):
            return "gpt2"
        if len(parts) == 2 and not level.get("use_regex", True):
            return _split_by(parts[0])
    raise UnknownFormat("its pre_tokenizer is none that groundup knows")


def _split_by(split: dict[str, Any]) -> PatternName:
    for name, expression in PUBLISHED.items():
        wanted = {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated"}
        if split == {**wanted, "invert": False}:
            return name
    raise UnknownFormat(f"its pre_tokenizer cuts by none of {', '.join(PUBLISHED)}")
