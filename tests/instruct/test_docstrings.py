import pytest

from groundup.instruct.docstrings import first_sentence, read_docstring


@pytest.mark.parametrize(
    ("paragraph", "sentence"),
    [
        ("Fill text. Then stop.", "Fill text."),
        ("Wrap, e.g. a paragraph. See also fill.", "Wrap, e.g. a paragraph."),
        ("Read sys.path and go on. Done.", "Read sys.path and go on."),
        ("Return pi (3.14). It is exact.", "Return pi (3.14)."),
        ("No end at all", "No end at all"),
        ("Use RFC 2045, i.e. MIME. More.", "Use RFC 2045, i.e. MIME."),
    ],
)
def test_first_sentence_ends_where_a_reader_would_end_it(paragraph, sentence):
    assert first_sentence(paragraph) == sentence


def test_signature_lines_are_taken_off_and_the_first_kept():
    doc = read_docstring(
        "T.add(input, other, *, alpha=1) -> Tensor\nadd(a, b)\n\nAdds other.\nTwice.\n\nArgs:\n  a",
        "add",
    )
    assert doc.signature is not None
    assert doc.signature.text == "(input, other, *, alpha=1)"
    assert doc.summary == "Adds other."
    assert doc.rest == "Twice."
    assert doc.paragraphs == ("Args: a",)


def test_a_signature_that_is_not_python_is_taken_off_but_not_kept():
    doc = read_docstring("S.find(sub[, start[, end]]) -> int\n\nReturn the lowest index.", "find")
    assert doc.signature is None
    assert doc.text == "Return the lowest index."


def test_prose_that_begins_with_the_name_stays():
    doc = read_docstring("fill is what this does.", "fill")
    assert doc.summary == "fill is what this does."


@pytest.mark.parametrize(
    "text",
    [
        ">>> fill('a')\n'a'",
        "Parameters\n----------\nx : int",
        "Args:\n    x: a number",
        "- one\n- two",
        ":param x: a number",
        "# a comment that pydoc found in the source",
        "",
    ],
)
def test_lists_code_and_comments_have_no_summary(text):
    assert read_docstring(text, "fill").summary == ""
