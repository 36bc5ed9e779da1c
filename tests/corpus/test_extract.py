"""Extraction: the shapes of real pages, by hand."""

import re

from hypothesis import given
from hypothesis import strategies as st
from resiliparse.parse.html import HTMLTree

from groundup.corpus.extract import MAX_NESTING, extract_html, nesting, plain_space, set_off

# As Python's pydoc writes it: tables for layout, no-break spaces, <br> at the end of lines.
PYDOC = """<!DOCTYPE><html><head><title>Pydoc: module m</title></head><body>
<div style='float:left'>Python 3.11<br>Linux</div>
<table class="heading"><tr><td class="title">&nbsp;<br><strong>m</strong></td>
<td class="extra"><a href=".">index</a><br>/usr/lib/python3/m.py</td></tr></table>
<table class="section"><tr><td><span class="code">&nbsp;&nbsp;&nbsp;</span></td><td>&nbsp;</td>
<td class="singlecolumn"><dl><dt><strong>fill</strong>(text, width=70)</dt>
<dd><span class="code">Fill&nbsp;one&nbsp;paragraph.<br>
&nbsp;<br>
Options:<br>
&nbsp;&nbsp;width&nbsp;(default:&nbsp;70)</span></dd></dl>
<dl><dt><strong>wrap</strong>(text)</dt><dd><span class="code">Wrap&nbsp;it.</span></dd></dl>
</td></tr></table></body></html>"""


def text_of(html, *, main=False, skip=(), tags=()):
    return extract_html(HTMLTree.parse(set_off(html, tags)), main=main, skip=skip)


def test_pydoc_pages_keep_their_lines_and_paragraphs():
    text = text_of(PYDOC, skip=["td.extra", "body > div[style*=float]"], tags=["dl"])
    assert text == (
        "m\n\nfill(text, width=70)\nFill one paragraph.\n\nOptions:\n  width (default: 70)"
        "\n\nwrap(text)\nWrap it."
    )


def test_main_text_leaves_navigation_and_footer_out():
    paragraph = "This long paragraph is the reason for the page. " * 8
    html = (
        "<body><nav><ul><li><a href='/'>Home</a></li><li><a href='/a'>About</a></li></ul></nav>"
        f"<main><article><h1>Title</h1><p>{paragraph}</p></article></main>"
        "<footer><p>Copyright</p></footer></body>"
    )
    main, everything = text_of(html, main=True), text_of(html)
    assert "the reason" in main
    assert "Home" not in main
    assert "Copyright" not in main
    assert "Home" in everything


def test_code_keeps_its_indentation():
    html = "<p>Run:</p><pre>def f():\n    return 1\n\tx</pre>"
    assert "def f():\n    return 1\n\tx" in text_of(html)


def test_deep_nesting_is_measured_and_shallow_pages_are_not_walked():
    deep = "<div>" * 5_000 + "x" + "</div>" * 5_000
    assert nesting(deep, HTMLTree.parse(deep)) > MAX_NESTING
    wide = "<div>x</div>" * 5_000
    assert nesting(wide, HTMLTree.parse(wide)) == 0
    unclosed = "<body>" + "<p>x" * 5_000  # looks deep, but a <p> ends the one before
    assert 0 < nesting(unclosed, HTMLTree.parse(unclosed)) < 10


def test_pages_without_content_give_no_text():
    for html in ("", "   ", "<html><body></body></html>", "<script>x()</script>"):
        assert text_of(html) == ""


@given(st.text(alphabet="a \t\n\r\u00a0\u3000\u200b\x00.", max_size=60))
def test_plain_space_is_idempotent_and_leaves_no_strange_white_space(text):
    plain = plain_space(text)
    assert plain_space(plain) == plain
    assert not re.search("[\r\u00a0\u3000\u200b\x00]|\n{3}|[ \t]\n", plain)


def test_evil_white_space_takes_linear_time():
    """Half a million spaces or tabs before a letter; a quadratic pattern would take minutes."""
    for filler in (" ", "\t", "\u00a0", " \t", "\n"):
        text = "x" + filler * (500_000 // len(filler)) + "y"
        assert plain_space(text).startswith("x")
