from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.tokens.pieces import PieceCounts, cutter, estimated_bytes, repeated, scaled, size_of
from groundup.tokens.split import PATTERNS, cut_words

# up to U+024F no character has changed its class since Unicode 5
TEXT = st.text(st.sampled_from(" \n\r\t'sStlvre12!?_é") | st.characters(max_codepoint=0x24F))


@pytest.mark.parametrize("pattern", PATTERNS)
@settings(max_examples=60)
@given(texts=st.lists(TEXT, max_size=5))
def test_repeated_pieces_are_cut_into_what_was_counted(reference, pattern, texts):
    counts = Counter(piece for text in texts for piece in reference.pieces(text, pattern))
    again = Counter(
        piece for text in repeated(counts, pattern) for piece in reference.pieces(text, pattern)
    )
    for piece in counts.keys() | again.keys():
        if len(piece.encode()) > 1:  # a single byte has no pair
            assert again[piece] == counts[piece]


def test_a_frequent_piece_comes_in_few_texts():
    texts = list(repeated({" the": 10**6, "The": 10**5}, "gpt2"))
    assert len(texts) < 400
    assert "".join(texts).count(" the") == 10**6
    assert "".join(texts).count("The") == 10**5


@pytest.mark.parametrize("pattern", PATTERNS)
@settings(max_examples=60)
@given(text=TEXT, length=st.integers(1, 8))
def test_parts_of_a_text_have_its_pieces(reference, pattern, text, length):
    parts = cut_words(text, length)
    assert "".join(parts) == text
    pieces = [piece for part in parts for piece in reference.pieces(part, pattern)]
    assert pieces == reference.pieces(text, pattern)


def test_parts_are_about_as_long_as_asked():
    assert max(map(len, cut_words("abc def\n" * 1000, 50))) < 60
    assert cut_words("世界" * 100, 50) == ["世界" * 100]


def test_few_pieces_are_counted_in_full():
    pieces = PieceCounts(capacity_bytes=1000)
    pieces.add(["a", "b", "a"])
    pieces.thin(1000)
    assert (pieces.counts, pieces.threshold) == ({"a": 2, "b": 1}, 1)


@settings(max_examples=60)
@given(st.dictionaries(st.text("abcdef", min_size=3, max_size=5), st.integers(1, 50)))
def test_thinning_keeps_frequent_counts_and_the_sum(counts):
    pieces = PieceCounts(capacity_bytes=0)
    pieces.counts = Counter(counts)
    pieces.thin(40)
    threshold = pieces.threshold
    assert abs(pieces.counts.total() - sum(counts.values())) < threshold or threshold == 1
    for piece, count in counts.items():
        assert pieces.counts[piece] in ({count} if count >= threshold else {0, threshold})
    assert len(pieces.counts) <= 40 / 3 * 5 / 3 + 1  # the expected bytes, all of the longest


def test_a_stream_of_ever_different_pieces_stays_within_its_memory(monkeypatch):
    monkeypatch.setattr("groundup.tokens.pieces._CHECK_EVERY", 1000)
    random = Random(1)
    pieces = PieceCounts(capacity_bytes=20_000)
    largest = 0
    for _ in range(300):
        rare = ["".join(random.choices("abcdefghij", k=8)) for _ in range(500)]
        pieces.add([*rare, *[" the"] * 500])
        largest = max(largest, size_of(pieces.counts))
    assert largest < 20_000 + 8 * 1500  # what came in between two measurements
    assert pieces.counts[" the"] == 300 * 500
    assert pieces.counts.total() == pytest.approx(300 * 1000, rel=0.01)
    assert pieces.threshold >= 8


def test_counts_beyond_32_bits_are_divided():
    counts = {" the": 3 * 2**31, " rare": 1, " some": 2**10}
    divided = scaled(counts, 2**31 - 1)
    assert sum(len(piece) * count for piece, count in divided.items()) < 2**31
    assert divided == {" the": 3 * 2**27, " some": 2**6}
    assert scaled(counts, 2**40) == counts


def test_the_estimate_is_exact_for_a_short_text_and_right_for_long_ones():
    assert estimated_bytes(["to be or not to be"], "gpt2") == (18, 15)  # without the second " to"
    random = Random(1)
    distinct = ["".join(random.choices("abcdefghij", k=9)) for _ in range(100_000)]
    total, estimate = estimated_bytes([" ".join(distinct)], "gpt2")
    assert total == 10 * 100_000 - 1
    assert estimate == pytest.approx(total, rel=0.15)  # every word is different
    same = " ".join(distinct[i] for i in random.choices(range(500), k=100_000))
    assert estimated_bytes([same], "gpt2")[1] < 8_000  # 500 words of 10 bytes
    by_part = [same[start : start + 1000] for start in range(0, len(same), 1000)]
    assert estimated_bytes(by_part, "gpt2")[0] == len(same)


@pytest.mark.parametrize("pattern", PATTERNS)
@settings(max_examples=60)
@given(text=TEXT)
def test_pieces_are_cut_as_published(reference, pattern, text):
    assert cutter(pattern)(text) == reference.pieces(text, pattern)
