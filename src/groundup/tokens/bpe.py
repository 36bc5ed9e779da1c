"""Trains a byte-level BPE vocabulary.

Algorithm (Sennrich et al. 2016, arXiv 1508.07909, algorithm 1, on bytes): cut the text into
pieces, count the pieces, then again and again merge the most frequent pair of neighbouring tokens
inside the pieces into a new token. Of equally frequent pairs the one with the lowest ids, left id
first, is merged, so the result depends on nothing but the text.

`rustbpe` does it with incremental counts. Memory grows with the number of different pieces, not
with the text. It counts in 32 bits: `MAX_SAMPLE_BYTES` keeps every count below the overflow.
"""

from collections.abc import Iterator
from itertools import chain

import rustbpe

from groundup.core.errors import ConfigError
from groundup.tokens.split import PATTERNS, PatternName, cut_runs
from groundup.tokens.tokenizer import SPECIAL

__all__ = ["MAX_SAMPLE_BYTES", "train"]

MAX_SAMPLE_BYTES = 2**31 - 1
"""No pair of bytes can occur more often than there are bytes, and counts are signed 32-bit."""


def train(texts: Iterator[str], *, vocab_size: int, pattern: PatternName) -> list[bytes]:
    """Learns merges from texts; gives the bytes of each token in order of id, specials not among.

    Args:
        texts: At most `MAX_SAMPLE_BYTES` of UTF-8 in all; read once.
        vocab_size: Ids wanted in all, the special tokens included.
        pattern: How the texts are cut into pieces.

    Raises:
        ConfigError: The texts do not allow so many merges; says how many they allow.
    """
    wanted = vocab_size - len(SPECIAL)
    trainer = rustbpe.Tokenizer()
    parts = chain.from_iterable(map(cut_runs, texts))
    trainer.train_from_iterator(parts, wanted, pattern=PATTERNS[pattern])
    tokens = [bytes(token) for token, _ in trainer.get_mergeable_ranks()]
    if len(tokens) < wanted:
        raise ConfigError(
            f"vocab_size={vocab_size} is more than the corpus allows: after "
            f"{len(tokens) - 256} merges no pair of tokens is left",
            hint=f"set vocab_size to at most {len(tokens) + len(SPECIAL)}, or crawl more pages",
        )
    return tokens
