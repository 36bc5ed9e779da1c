"""Repeated paragraphs, by hand."""

from groundup.corpus.paragraphs import key_of, paragraph_keys, without_repeats

LONG = "copy(self)\nReturn a shallow copy of the mapping, with all its keys."
OTHER = "clear(self)\nRemove every item from the mapping, and return nothing."


def test_a_paragraph_seen_elsewhere_goes_and_short_ones_stay():
    gone = paragraph_keys(LONG, 40)
    assert len(gone) == 1
    text = f"Title\n\n{LONG}\n\n{OTHER}\n\nTitle"
    assert without_repeats(text, gone, 40) == f"Title\n\n{OTHER}\n\nTitle"
    assert without_repeats(text, gone, 1) == f"Title\n\n{OTHER}"


def test_the_second_occurrence_in_one_text_goes():
    assert without_repeats(f"{LONG}\n\n{OTHER}\n\n{LONG}", set(), 40) == f"{LONG}\n\n{OTHER}"


def test_line_breaks_do_not_make_another_paragraph():
    wrapped = LONG.replace("mapping, with", "mapping,\n    with")
    assert paragraph_keys(wrapped, 40) == paragraph_keys(LONG, 40)


def test_keys_have_64_bits_and_differ():
    assert key_of("a") != key_of("b")
    assert key_of("a") == key_of(b"a")
    assert 0 <= key_of("a") < 2**64
