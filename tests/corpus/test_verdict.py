"""The parts of a text that rules look at."""

from groundup.corpus.verdict import TextView


def test_a_text_falls_into_words_lines_and_paragraphs():
    view = TextView("One two,\n  three \n\n\n\nfour\n")
    assert view.words == ["One", "two,", "three", "four"]
    assert view.lines == ["One two,", "three", "four"]
    assert view.paragraphs == ["One two,\n  three", "four"]
    assert view.word_chars == 3 + 4 + 5 + 4


def test_an_empty_text_has_no_parts():
    view = TextView(" \n\n ")
    assert (view.words, view.lines, view.paragraphs, view.word_chars) == ([], [], [], 0)
