"""What counting reaches: n-gram models with Witten-Bell smoothing, the bar for any neural model.

Letters: N training tokens, M validation tokens.

P_k(w | h) = (c(h, w) + t(h) P_{k-1}(w | h')) / (c(h) + t(h)), where c counts, t(h) is the number of
different tokens seen after h, h' is h without its oldest token, and P_0 is uniform. An unseen h
leaves the choice to the lower order. Source: Witten and Bell 1991, method C, in the recursive form
of Chen and Goodman 1998 (TR-10-98, section 2.5, eq. 17).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from groundup.tokens.loader import TokenRows

__all__ = ["Baselines", "baselines", "witten_bell_nats"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Baselines:
    """Bits per byte of the validation text under n-gram models.

    Attributes:
        unigram_bits_per_byte: Knowing only how frequent tokens are.
        ngram_bits_per_byte: Seeing `ngram_order` - 1 tokens back.
        ngram_order: The n.
        train_tokens: Tokens counted.
    """

    unigram_bits_per_byte: float
    ngram_bits_per_byte: float
    ngram_order: int
    train_tokens: int


def baselines(
    train: Sequence[TokenRows],
    validation: TokenRows,
    *,
    vocab_size: int,
    order: int = 3,
    max_train_tokens: int | None = None,
) -> Baselines:
    """Counts the training split and predicts every token of the validation split.

    Costs a few seconds and about 100 bytes of memory for each training token.

    Args:
        train: The training text, in one or several streams.
        max_train_tokens: Counts only so many tokens, from the start of each stream in proportion to
            its size; None counts all.
    """
    train_N = _joined(train, max_train_tokens)
    nats = witten_bell_nats(train_N, stream(validation), vocab_size=vocab_size, order=order)
    bits = [total / math.log(2) / validation.n_bytes for total in nats]
    return Baselines(
        unigram_bits_per_byte=bits[0],
        ngram_bits_per_byte=bits[-1],
        ngram_order=order,
        train_tokens=len(train_N) - 1,
    )


def _joined(streams: Sequence[TokenRows], max_tokens: int | None) -> Ints:
    """The streams one after another; a later one's virtual end token is the one before it."""
    total = sum(rows.n_tokens for rows in streams)
    parts = [
        stream(rows, None if max_tokens is None else max_tokens * rows.n_tokens // total)
        for rows in streams
    ]
    return np.concatenate([parts[0], *(part[1:] for part in parts[1:])])


def stream(rows: TokenRows, max_tokens: int | None = None) -> Ints:
    """A split's tokens in order, after the virtual end token that precedes the first document."""
    wanted = None if max_tokens is None else max(1, max_tokens // rows.context_length)

    def parts() -> Iterator[Ints]:
        for index, row in enumerate(islice(rows.all_rows(), wanted)):
            yield row if index == 0 else row[1:]

    return np.concatenate(list(parts()))


def witten_bell_nats(
    train_N: Ints, validation_M: Ints, *, vocab_size: int, order: int
) -> list[float]:
    """Sum of -ln P over `validation_M[1:]` for n-gram models of order 1, 2, ... `order`.

    The first validation token is only looked back at. All n-grams inside `train_N` count.
    """
    probability_M = np.full(len(validation_M), 1.0 / vocab_size)
    context_N = np.zeros(len(train_N), dtype=np.int64)  # id of what precedes each token
    context_M = np.zeros(len(validation_M), dtype=np.int64)
    n_contexts = 1
    totals = []
    for _ in range(order):
        counts, gram_N = _count(context_N, train_N, n_contexts, vocab_size)
        probability_M, gram_M = counts.interpolate(context_M, validation_M, probability_M)
        totals.append(float(-np.log(probability_M[1:]).sum()))
        # What precedes a token at the next order is the n-gram that ends just before it.
        context_N, context_M = _shift(gram_N), _shift(gram_M)
        n_contexts = len(counts.key)
    return totals


def _shift(gram: Ints) -> Ints:
    return np.concatenate([[UNSEEN], gram[:-1]])


UNSEEN = -1
"""Id of a context that does not occur in training, or has no room at the start of the text."""


@dataclass(frozen=True, slots=True)
class _Counts:
    """Counts of one order; an n-gram's id is its place in `key`."""

    vocab_size: int
    key: Ints
    """Context id times vocabulary plus token, sorted."""
    count: Ints
    """How often each n-gram occurs."""
    total: Ints
    """c(h) by context id."""
    types: Ints
    """t(h) by context id."""

    def interpolate(self, context_M: Ints, token_M: Ints, lower_M: Floats) -> tuple[Floats, Ints]:
        """Probability of each token after its context, and the id of the n-gram they make."""
        wanted_M = context_M * self.vocab_size + token_M
        place_M = np.searchsorted(self.key, wanted_M).clip(max=len(self.key) - 1)
        found_M = (self.key[place_M] == wanted_M) & (context_M != UNSEEN)
        count_M = np.where(found_M, self.count[place_M], 0)
        known_M = context_M != UNSEEN
        total_M = np.where(known_M, self.total[context_M], 0)
        types_M = np.where(known_M, self.types[context_M], 0)
        mass_M = total_M + types_M
        mixed_M = (count_M + types_M * lower_M) / np.maximum(mass_M, 1)
        return np.where(mass_M > 0, mixed_M, lower_M), np.where(found_M, place_M, UNSEEN)


def _count(
    context_N: Ints, token_N: Ints, n_contexts: int, vocab_size: int
) -> tuple[_Counts, Ints]:
    """Counts of (context, token), and the id of the n-gram at each place."""
    known_N = context_N != UNSEEN
    keys = context_N[known_N] * vocab_size + token_N[known_N]
    key, gram, count = np.unique(keys, return_inverse=True, return_counts=True)
    gram_N = np.full(len(token_N), UNSEEN, dtype=np.int64)
    gram_N[known_N] = gram
    counts = _Counts(
        vocab_size=vocab_size,
        key=key,
        count=count,
        total=np.bincount(context_N[known_N], minlength=n_contexts),
        types=np.bincount(key // vocab_size, minlength=n_contexts),
    )
    return counts, gram_N
