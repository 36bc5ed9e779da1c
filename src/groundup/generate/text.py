"""Token ids to text, piece by piece: never half a character, never part of a stop text."""

import codecs
from collections.abc import Sequence

from groundup.tokens.tokenizer import Tokenizer

__all__ = ["TextStream"]


class TextStream:
    """Turns a growing answer into pieces of text that can be shown at once.

    A character whose bytes are spread over tokens is held back until it is whole; so is text that
    may turn out to be the beginning of a stop text. Special tokens have no text.

    Attributes:
        stopped: Whether a stop text was met; what follows is ignored.
    """

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str] = ()) -> None:
        self.stopped = False
        self._tokenizer = tokenizer
        self._special = frozenset(tokenizer.special.values())
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._stop = tuple(stop)
        self._held = ""

    def push(self, id: int) -> str:
        """Takes the next token; returns the text that is certain now, often none."""
        if self.stopped or id in self._special:
            return ""
        return self._release(self._decoder.decode(self._tokenizer.token_bytes(id)))

    def finish(self) -> str:
        """The rest, once no token follows; an incomplete character becomes U+FFFD."""
        if self.stopped:
            return ""
        ready = self._release(self._decoder.decode(b"", final=True))
        held, self._held = self._held, ""
        return ready if self.stopped else ready + held

    def _release(self, new: str) -> str:
        """Adds text to what is held back and returns the part that no stop text can claim."""
        text = self._held + new
        found = [at for at in (text.find(stop) for stop in self._stop) if at >= 0]
        if found:
            self.stopped = True
            self._held = ""
            return text[: min(found)]
        keep = max((_overlap(text, stop) for stop in self._stop), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that begins `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
