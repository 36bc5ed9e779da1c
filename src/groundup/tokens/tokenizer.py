"""Text to token ids and back; saved as one JSON file that other libraries read too.

Encoding is tiktoken's: a piece of text is merged by the lowest rank first (Rust, several threads).
Ids: 0 to 255 are the bytes, then the merges in order of learning, then the special tokens.
Special tokens come from code only: text that spells `<|end|>` is encoded as ordinary text.
"""

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import tiktoken

from groundup.core.errors import ArtifactError, ConfigError, DataError
from groundup.tokens.split import PATTERNS, PatternName, cut_runs
from groundup.tokens.tokenizer_json import UnknownFormat, from_json, to_json

__all__ = ["ASSISTANT", "END", "SPECIAL", "SYSTEM", "USER", "Tokenizer"]

END = "<|end|>"
SYSTEM = "<|system|>"
USER = "<|user|>"
ASSISTANT = "<|assistant|>"
SPECIAL = (END, SYSTEM, USER, ASSISTANT)


class Tokenizer:
    """A byte-level BPE tokenizer.

    Attributes:
        special: Text of each special token to its id.
        pattern: Name of the pattern that cuts text into pieces.
    """

    def __init__(self, tokens: Sequence[bytes], *, pattern: PatternName = "gpt2") -> None:
        """Makes a tokenizer from the bytes of each token, in order of id.

        Raises:
            ConfigError: The tokens are not the 256 bytes followed by distinct merges.
        """
        if [*tokens[:256]] != [bytes([value]) for value in range(256)]:
            raise ConfigError("a vocabulary begins with the 256 bytes in order")
        if len(set(tokens)) != len(tokens):
            raise ConfigError("a vocabulary has each token once")
        self.pattern: PatternName = pattern
        self.special = {text: len(tokens) + index for index, text in enumerate(SPECIAL)}
        self._tokens = [*tokens, *(text.encode() for text in SPECIAL)]
        self._encoding = tiktoken.Encoding(
            f"groundup-{pattern}",
            pat_str=PATTERNS[pattern],
            mergeable_ranks={token: id for id, token in enumerate(tokens)},
            special_tokens=self.special,
        )

    @classmethod
    def load(cls, path: Path) -> "Tokenizer":
        """Reads a `tokenizer.json` that `save` wrote.

        Raises:
            ArtifactError: No such file, or another kind of tokenizer.
        """
        try:
            value = json.loads(path.read_bytes())
            tokens, special, pattern = from_json(value)
        except FileNotFoundError as error:
            raise ArtifactError(
                f"there is no tokenizer at {path}", hint="give a run of the tokens stage"
            ) from error
        except (ValueError, UnknownFormat) as error:
            raise ArtifactError(
                f"{path} is not a tokenizer of groundup: {error}",
                hint="take the tokenizer.json of a tokens run",
            ) from error
        tokenizer = cls(tokens, pattern=pattern)
        if tokenizer.special != special:
            raise ArtifactError(
                f"{path} has the special tokens {', '.join(special)}, not {', '.join(SPECIAL)}",
                hint="take the tokenizer.json of a tokens run",
            )
        return tokenizer

    def save(self, path: Path) -> None:
        """Writes `tokenizer.json`; equal tokenizers give equal bytes."""
        n_text = len(self._tokens) - len(SPECIAL)
        value = to_json(self._tokens[:n_text], self.special, self.pattern)
        path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    @property
    def vocab_size(self) -> int:
        """How many ids there are, special tokens included."""
        return len(self._tokens)

    @property
    def end_id(self) -> int:
        """Id of `<|end|>`, which ends documents and answers."""
        return self.special[END]

    @cached_property
    def n_bytes_by_id(self) -> list[int]:
        """UTF-8 bytes of text that each id stands for; 0 for the special tokens."""
        special = set(self.special.values())
        return [0 if id in special else len(token) for id, token in enumerate(self._tokens)]

    def encode(self, text: str) -> list[int]:
        """Ids of a text; never a special id. Lone surrogates become U+FFFD."""
        parts = cut_runs(text)
        if len(parts) == 1:
            return self._encoding.encode_ordinary(text)
        return [id for part in parts for id in self._encoding.encode_ordinary(part)]

    def encode_batch(self, texts: Sequence[str], *, workers: int) -> list[list[int]]:
        """`encode` for many texts in several threads."""
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(self.encode, texts))

    def decode(self, ids: Iterable[int], *, skip_special: bool = False) -> str:
        """Text of ids; bytes that are not UTF-8 (a character cut in two) become U+FFFD.

        Args:
            ids: Any ids of the vocabulary.
            skip_special: Leave special tokens out instead of writing `<|end|>`.

        Raises:
            DataError: An id is outside the vocabulary.
        """
        special = set(self.special.values()) if skip_special else frozenset[int]()
        parts = [self.token_bytes(id) for id in ids if id not in special]
        return b"".join(parts).decode("utf-8", errors="replace")

    def token_bytes(self, id: int) -> bytes:
        """Bytes of one token; those of its text, such as `<|end|>`, for a special token.

        Raises:
            DataError: The id is outside the vocabulary.
        """
        if not 0 <= id < len(self._tokens):
            raise DataError(
                f"token id {id} is outside the vocabulary of {self.vocab_size} ids",
                hint="use the tokenizer that came with the model",
            )
        return self._tokens[id]
