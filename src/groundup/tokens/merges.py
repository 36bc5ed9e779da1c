"""Whether encoding by rank gives the ids that a list of merges gives.

Encoding by rank joins any two neighbours that make a token, and gives a piece that is a token as
that token. A list of merges joins only the pairs in it. Both come to the same in two cases:
- every token has one pair, and is what its own bytes merge to: so BPE training makes them;
- every token has all its pairs, and whole pieces are given first: so Llama 3 was converted.
"""

from collections.abc import Mapping, Sequence

__all__ = ["Merge", "not_by_rank"]

Pair = tuple[int, int]
Merge = tuple[int, int, int]
"""Ids of left, right and result."""


def not_by_rank(
    merges: Sequence[Merge], ranks: Mapping[bytes, int], *, whole_first: bool
) -> int | None:
    """The first token for which encoding by rank may give other ids than the merges; None is good.

    Args:
        merges: In order of learning, which is the order of the results.
        ranks: Bytes of every token that text is encoded with, to its id.
        whole_first: Whether a piece that is a token is given as that token.
    """
    pairs: dict[int, set[Pair]] = {id: set() for id in ranks.values()}
    for left, right, result in merges:
        pairs[result].add((left, right))
    if whole_first and all(
        pairs[id] == _pairs_of(token, ranks) for token, id in ranks.items() if len(token) > 1
    ):
        return None
    return _first_unreachable(merges, pairs, ranks)


def _pairs_of(token: bytes, ranks: Mapping[bytes, int]) -> set[Pair]:
    """Every pair of tokens that makes a token."""
    cuts = ((ranks.get(token[:i]), ranks.get(token[i:])) for i in range(1, len(token)))
    return {(left, right) for left, right in cuts if left is not None and right is not None}


def _first_unreachable(
    merges: Sequence[Merge], pairs: Mapping[int, set[Pair]], ranks: Mapping[bytes, int]
) -> int | None:
    result_of = {(left, right): result for left, right, result in merges}
    pair_of: dict[int, Pair] = {}
    for left, right, result in merges:
        later = [part for part in (left, right) if pairs[part] and part not in pair_of]
        if later or len(pairs[result]) > 1:
            return result
        if not _meet(left, right, result, pair_of, result_of):
            return result
        pair_of[result] = (left, right)
    for token, id in ranks.items():
        if len(token) > 1 and id not in pair_of and _pairs_of(token, ranks):
            return id
    return None


def _meet(
    left: int,
    right: int,
    result: int,
    pair_of: Mapping[int, Pair],
    result_of: Mapping[Pair, int],
) -> bool:
    """Whether left and right both come about before any merge across the border between them.

    At every moment of merging one token lies left of the border and one right of it. Each lasts
    until it becomes part of a larger one; a merge of the two that comes earlier prevents that. Of
    equal merges the leftmost comes first: one inside the left token, then the one across.
    """
    before = [*_spine(left, pair_of, side=1), result]
    after = [*_spine(right, pair_of, side=0), result]
    a = b = 0
    while a + 2 < len(before) or b + 2 < len(after):
        across = result_of.get((before[a], after[b]))
        ends_left = before[a + 1]
        ends_right = after[b + 1]
        if across is not None and (across < ends_left and across <= ends_right):
            return False
        if ends_left <= ends_right:
            a += 1
        else:
            b += 1
    return True


def _spine(id: int, pair_of: Mapping[int, Pair], *, side: int) -> list[int]:
    """The tokens that lay at one edge (0 left, 1 right) while a token was merged, first to last."""
    spine = [id]
    while spine[-1] in pair_of:
        spine.append(pair_of[spine[-1]][side])
    return spine[::-1]
