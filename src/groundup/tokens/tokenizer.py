"""Text to token ids and back; saved as one JSON file that other libraries read too.

Encoding is tiktoken's: a piece of text is merged by the lowest rank first (Rust, several threads).
Ids of our own tokenizers: 0 to 255 are the bytes, then the merges in order of learning, then the
special tokens. Those of GPT-2, Llama 3, Qwen2 and Qwen3 are read as well, with their own ids.
Special tokens come from code only: text that spells `<|end|>` is encoded as ordinary text.
"""

import json
import unicodedata
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import tiktoken

from groundup.core.errors import ArtifactError, ConfigError, DataError
from groundup.tokens.split import PATTERNS, PatternName, cut_runs
from groundup.tokens.tokenizer_json import to_json
from groundup.tokens.vocabulary import Vocabulary, from_json

if TYPE_CHECKING:
    from groundup.tokens.jinja_template import JinjaTemplate

__all__ = ["ASSISTANT", "END", "SPECIAL", "SYSTEM", "USER", "Tokenizer"]

END = "<|end|>"
SYSTEM = "<|system|>"
USER = "<|user|>"
ASSISTANT = "<|assistant|>"
SPECIAL = (END, SYSTEM, USER, ASSISTANT)

# a `tokenizer.json` does not say which tokens end: those of a document first, then those of a turn
_ENDS = (END, "<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>")
_TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<|eom_id|>")


class Tokenizer:
    """A byte-level BPE tokenizer.

    Attributes:
        special: Text of each special token to its id.
        pattern: Name of the pattern that cuts text into pieces.
        template: How conversations are written for a model from elsewhere; None: with our markers
            (`chat.py`).
    """

    template: "JinjaTemplate | None" = None

    def __init__(
        self,
        tokens: Sequence[bytes],
        *,
        pattern: PatternName = "gpt2",
        special: Sequence[str] = SPECIAL,
    ) -> None:
        """Makes a tokenizer from the bytes of each token, in order of id.

        Args:
            tokens: The 256 bytes in order, then the merges.
            pattern: How text is cut into pieces.
            special: Texts of the special tokens, which take the ids after the tokens.

        Raises:
            ConfigError: The tokens are not the 256 bytes followed by distinct merges, or two
                special tokens are the same.
        """
        if [*tokens[:256]] != [bytes([value]) for value in range(256)]:
            raise ConfigError("a vocabulary begins with the 256 bytes in order")
        if len(set(tokens)) != len(tokens) or len(set(special)) != len(special):
            raise ConfigError("a vocabulary has each token once")
        vocabulary = Vocabulary(
            tokens=[*tokens, *(text.encode() for text in special)],
            ranks={token: id for id, token in enumerate(tokens)},
            special={text: len(tokens) + index for index, text in enumerate(special)},
            pattern=pattern,
        )
        self._set_up(vocabulary, file=None)

    def _set_up(self, vocabulary: Vocabulary, *, file: bytes | None) -> None:
        self.pattern: PatternName = vocabulary.pattern
        self.special = dict(vocabulary.special)
        self._tokens = vocabulary.tokens
        self._added = frozenset(vocabulary.added)
        self._normalise = vocabulary.normalise
        self._file = file
        self._encoding = tiktoken.Encoding(
            f"groundup-{self.pattern}",
            pat_str=PATTERNS[self.pattern],
            mergeable_ranks=dict(vocabulary.ranks),
            special_tokens={**vocabulary.special, **vocabulary.added},
        )

    @classmethod
    def load(cls, path: Path) -> "Tokenizer":
        """Reads a `tokenizer.json`: one that `save` wrote, or GPT-2's, Llama 3's, Qwen2's, Qwen3's.

        Raises:
            ArtifactError: No such file, or another kind of tokenizer.
        """
        try:
            file = path.read_bytes()
            vocabulary = from_json(json.loads(file))
        except FileNotFoundError as error:
            raise ArtifactError(
                f"there is no tokenizer at {path}", hint="give a run of the tokens stage"
            ) from error
        except ValueError as error:
            raise ArtifactError(
                f"{path} is not a tokenizer that groundup can use: {error}",
                hint="take the tokenizer.json of a tokens run, or of a GPT-2, Llama 3, Qwen2 or "
                "Qwen3 model",
            ) from error
        tokenizer = cls.__new__(cls)
        tokenizer._set_up(vocabulary, file=file)
        return tokenizer

    def save(self, path: Path) -> None:
        """Writes `tokenizer.json`; one that was loaded is written as it was, byte for byte."""
        path.write_bytes(self.to_bytes())

    def to_bytes(self) -> bytes:
        """The bytes of `tokenizer.json`."""
        if self._file is None:
            tokens = self._tokens[: len(self._tokens) - len(self.special)]
            value = to_json(tokens, self.special, self.pattern)
            self._file = (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()
        return self._file

    @property
    def vocab_size(self) -> int:
        """How many ids there are, special tokens included."""
        return len(self._tokens)

    @property
    def end_id(self) -> int:
        """Id of the token that ends documents: `<|end|>`, or what another family has for it.

        Raises:
            DataError: None of the special tokens is known to end a document.
        """
        for text in (*_ENDS, *_TURN_ENDS):
            if text in self.special:
                return self.special[text]
        raise DataError(
            f"none of the special tokens ({', '.join(self.special) or 'none'}) is known to end a "
            "document",
            hint=f"known are {', '.join((*_ENDS, *_TURN_ENDS))}",
        )

    @property
    def stop_ids(self) -> frozenset[int]:
        """Ids that end an answer: the end of a document or of a turn, and any chat marker."""
        ends = SPECIAL if self.has_markers else (*_ENDS, *_TURN_ENDS)
        return frozenset(self.special[text] for text in ends if text in self.special)

    @property
    def has_markers(self) -> bool:
        """Whether the four tokens of our chat template are among the special ones."""
        return all(text in self.special for text in SPECIAL)

    def special_id(self, text: str) -> int:
        """Id of a special token.

        Raises:
            DataError: It is not among the special tokens, such as `<|user|>` in GPT-2's tokenizer.
        """
        if text not in self.special:
            raise DataError(
                f"the tokenizer has no special token {text}; it has "
                f"{', '.join(self.special) or 'none'}",
                hint="take a model whose tokenizer a tokens run made, or the chat template that "
                "came with this one",
            )
        return self.special[text]

    @cached_property
    def n_bytes_by_id(self) -> list[int]:
        """Bytes of text that each id stands for; 0 for the special tokens and for unused ids."""
        special = set(self.special.values())
        return [0 if id in special else len(token) for id, token in enumerate(self._tokens)]

    def encode(self, text: str) -> list[int]:
        """Ids of a text; never a special id. Lone surrogates become U+FFFD."""
        if self._normalise:
            text = unicodedata.normalize("NFC", text)
        parts = cut_runs(text)
        if len(parts) == 1:
            return self._encode_part(text)
        return [id for part in parts for id in self._encode_part(part)]

    def _encode_part(self, part: str) -> list[int]:
        if not self._added:
            return self._encoding.encode_ordinary(part)
        return self._encoding.encode(part, allowed_special=self._added, disallowed_special=())

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
