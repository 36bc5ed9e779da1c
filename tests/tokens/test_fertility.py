import pytest

from groundup.tokens.fertility import Passage, count_words, measure


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("It's 3 o'clock, isn't it?", 8),  # by hand: It s 3 o clock isn t it
        ("naïve café", 2),
        ("कृपया यहाँ", 2),  # vowel signs are marks and belong to their word
        ("世界 ok", 3),
        ("การแบ่ง", None),
        ("こんにちは", None),
        ("In Tokio heißt es こ, und das in einem langen deutschen Satz.", 12),
    ],
)
def test_words_are_counted_where_spaces_divide_them(text, words):
    assert count_words(text) == words


def test_fits_are_what_a_person_would_count():
    passages = [
        Passage("one two", "en", "a"),
        Passage("üb", "de", "a"),
        Passage("four five six", "en", "b"),
        Passage("", "fr", "b"),
    ]
    fits = measure(passages, {"bytes": lambda text: len(text.encode())}, group_bytes=100)
    assert list(fits["language"]) == ["en", "de"]
    assert list(fits["source"]) == ["b", "a"]
    english = fits["language"]["en"]
    assert (english.texts, english.size_bytes, english.words) == (2, 20, 5)
    assert (english.bytes_per_token("bytes"), english.tokens_per_word("bytes")) == (1.0, 4.0)
    assert fits["source"]["a"].to_json() == {
        "texts": 2,
        "bytes": 10,
        "words": 3,
        "tokenizers": {"bytes": {"tokens": 10, "bytes_per_token": 1.0, "tokens_per_word": 3.3333}},
    }


def test_a_language_without_spaces_has_no_fertility():
    passages = [Passage("การแบ่ง", "th", "a"), Passage("two words", "en", "a")]
    fits = measure(passages, {"one": lambda _: 1}, group_bytes=100)
    assert fits["language"]["th"].tokens_per_word("one") is None
    assert fits["language"]["th"].to_json()["tokenizers"]["one"]["tokens_per_word"] is None
    # the source counts the texts with words only
    assert fits["source"]["a"].tokens_per_word("one") == 0.5
    assert fits["source"]["a"].tokens["one"] == 2


def test_no_more_of_a_group_is_read_than_asked():
    passages = [Passage("ten bytes.", "en", "a")] * 10 + [Passage("ten bytes.", "en", "b")]
    fits = measure(passages, {}, group_bytes=25)
    assert fits["source"]["a"].texts == 3
    assert fits["source"]["b"].texts == 1
