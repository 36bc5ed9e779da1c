import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split

from groundup.tokens.split import MAX_RUN, PATTERNS, PUBLISHED, cut_runs

TRICKY = st.sampled_from(" \t\n\r\u00a0\u2028\x1c'sSlLvVrRtTeEmMdD12!?_é世ё🌍٣Ⅷ")
# up to U+024F no character has changed its class since Unicode 5, whatever version a library has
SETTLED = st.text(alphabet=st.one_of(TRICKY, st.characters(max_codepoint=0x24F)))


def cut_with_hugging_face(text: str, pattern: str) -> list[str]:
    """Its own built-in GPT-2 expression, or the published one of Llama 3 or Qwen2."""
    if pattern == "gpt2":
        cutter = ByteLevel(add_prefix_space=False, use_regex=True)
    else:
        split = Split(tokenizers.Regex(PUBLISHED[pattern]), "isolated")
        cutter = Sequence([split, ByteLevel(add_prefix_space=False, use_regex=False)])
    return [text[start:end] for _, (start, end) in cutter.pre_tokenize_str(text)]


@pytest.mark.parametrize("pattern", ["gpt2", "cl100k", "qwen2"])
@settings(max_examples=300)
@given(text=st.text(alphabet=st.one_of(TRICKY, st.characters())))
def test_the_fast_expression_cuts_like_the_published_one(reference, pattern, text):
    assert reference.cut(text, PATTERNS[pattern]) == reference.pieces(text, pattern)


@pytest.mark.parametrize("pattern", ["gpt2", "cl100k", "qwen2"])
@settings(max_examples=300)
@given(text=SETTLED)
def test_hugging_face_cuts_like_the_fast_expression(reference, pattern, text):
    assert cut_with_hugging_face(text, pattern) == reference.cut(text, PATTERNS[pattern])


def test_gpt2_keeps_the_space_before_a_word_and_splits_contractions(reference):
    text = "I'll take 42  apples!!\n"
    pieces = ["I", "'ll", " take", " 42", " ", " apples", "!!", "\n"]
    assert reference.cut(text, PATTERNS["gpt2"]) == pieces


def test_cl100k_cuts_numbers_in_threes(reference):
    assert reference.cut("in 12345", PATTERNS["cl100k"]) == ["in", " ", "123", "45"]


@pytest.mark.parametrize("length", [MAX_RUN - 1, MAX_RUN, MAX_RUN + 1, 3 * MAX_RUN, 250_001])
@pytest.mark.parametrize("before", ["", "word"])
def test_long_whitespace_is_cut_without_losing_any(length, before):
    text = before + " \n" * (length // 2) + "\t" * (length % 2) + "end"
    parts = cut_runs(text)
    assert "".join(parts) == text
    assert len(parts) == -(-length // MAX_RUN)


@given(st.text())
def test_ordinary_text_is_left_whole(text):
    assert cut_runs(text) == [text]
