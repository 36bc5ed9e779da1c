"""Trains a byte-level BPE vocabulary.

Algorithm (Sennrich et al. 2016, arXiv 1508.07909, algorithm 1, on bytes): cut the text into
pieces, count the pieces, then again and again merge the most frequent pair of neighbouring tokens
inside the pieces into a new token. Of equally frequent pairs the one with the lowest ids, left id
first, is merged, so the result depends on nothing but the text.

`rustbpe` does it with incremental counts, in 32 bits, and takes about 60 bytes of memory for each
byte of the different pieces. Texts that fit both are given to it as they are, and the result is
exact. Of other texts we count the pieces ourselves and give it each piece as often as it counted:
- more different pieces than `MAX_PIECES_BYTES`: counts of rare pieces are estimates (`pieces`);
- more text than `MAX_TEXT_BYTES`: counts are divided by a power of two, so that none overflows.
"""

import logging
from collections.abc import Iterable, Iterator

import rustbpe

from groundup.core.errors import ConfigError
from groundup.tokens.pieces import PieceCounts, cutter, estimated_bytes, repeated, scaled
from groundup.tokens.split import PATTERNS, PatternName, cut_runs, cut_words
from groundup.tokens.tokenizer import SPECIAL

__all__ = ["MAX_PIECES_BYTES", "MAX_TEXT_BYTES", "train"]

MAX_TEXT_BYTES = 2**31 - 1
"""No pair of bytes can occur more often than there are bytes, and rustbpe's counts are signed."""

MAX_PIECES_BYTES = 6 * 2**20
"""UTF-8 bytes of different pieces that rustbpe is given: under 400 MiB of memory."""

_PART_CHARACTERS = 2**16
_BUFFER_PARTS = 256  # that rustbpe takes over at a time: 16 million characters at most

log = logging.getLogger(__name__)


def train(
    texts: Iterable[str],
    *,
    vocab_size: int,
    pattern: PatternName,
    n_special: int = len(SPECIAL),
    max_text_bytes: int = MAX_TEXT_BYTES,
    max_pieces_bytes: int = MAX_PIECES_BYTES,
) -> list[bytes]:
    """Learns merges from texts; gives the bytes of each token in order of id, specials not among.

    Args:
        texts: Any amount of text; read once or twice, so not an iterator.
        vocab_size: Ids wanted in all, the special tokens included.
        pattern: How the texts are cut into pieces.
        n_special: How many of the ids are special tokens.
        max_text_bytes: Bytes of text above which counts are divided.
        max_pieces_bytes: Bytes of different pieces above which rare ones are thinned.

    Raises:
        ConfigError: The texts do not allow so many merges; says how many they allow.
        TypeError: The texts are an iterator, which could not be read again.
    """
    if iter(texts) is texts:
        raise TypeError("texts are read twice: give a list or another collection, no iterator")
    total, distinct = estimated_bytes(texts, pattern)
    stream = _parts(texts)
    if total > max_text_bytes or min(total, distinct) > max_pieces_bytes:
        stream = _counted(texts, pattern, max_text_bytes, max_pieces_bytes)
    trainer = rustbpe.Tokenizer()
    wanted = vocab_size - n_special
    trainer.train_from_iterator(
        stream, wanted, buffer_size=_BUFFER_PARTS, pattern=PATTERNS[pattern]
    )
    tokens = [bytes(token) for token, _ in trainer.get_mergeable_ranks()]
    if len(tokens) < wanted:
        raise ConfigError(
            f"vocab_size={vocab_size} is more than the corpus allows: after "
            f"{len(tokens) - 256} merges no pair of tokens is left",
            hint=f"set vocab_size to at most {len(tokens) + n_special}, or crawl more pages",
        )
    return tokens


def _parts(texts: Iterable[str]) -> Iterator[str]:
    """The texts in parts of bounded length that are cut into the same pieces."""
    for text in texts:
        for run in cut_runs(text):
            yield from cut_words(run, _PART_CHARACTERS)


def _counted(
    texts: Iterable[str], pattern: PatternName, max_text_bytes: int, max_pieces_bytes: int
) -> Iterator[str]:
    """A text of bounded size with about the same counts of pieces."""
    cut = cutter(pattern)
    pieces = PieceCounts(capacity_bytes=2 * max_pieces_bytes)
    for part in _parts(texts):
        pieces.add(cut(part))
    pieces.thin(max_pieces_bytes)
    if pieces.threshold > 1:
        log.info(
            "the corpus has more different pieces than fit: those that occur fewer than %d times "
            "are sampled",
            pieces.threshold,
        )
    counts = scaled(pieces.counts, max_text_bytes)
    del pieces
    return repeated(counts, pattern)
