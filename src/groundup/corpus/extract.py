"""HTML to plain text with Resiliparse; line structure is kept.

`main` applies Resiliparse's main-content heuristics; `all` keeps everything visible. White space
is made plain afterwards: no-break spaces become spaces, empty cells before a line go, at most one
blank line in a row stays, so that a blank line always separates two paragraphs.
"""

import re
from collections.abc import Sequence

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import DOMContext, HTMLTree, traverse_dom

__all__ = ["MAX_NESTING", "extract_html", "nesting", "plain_space", "set_off"]

# Main-content extraction takes time that grows with the square of the depth and cannot be
# interrupted: 0.13 s at 3,000 nested elements, 60 s at 50,000. Real pages stay below 100.
MAX_NESTING = 3_000
TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
SPACES = re.compile("[\u00a0\u2000-\u200a\u202f\u205f\u3000]")
INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff\x00-\x08\x0b-\x1f\x7f]")
GUTTER = re.compile("^[ \t]*\u00a0[ \t\u00a0]*\t[ \t\u00a0]*", re.M)  # empty cells
CELLS = re.compile(r"(?<=\S)[ ]*\t[ \t]*(?=\S)")
BLANK_LINES = re.compile(r"\n{3,}")


def _open_tags_bound(html: str) -> int:
    """How deep a page may nest, from its tags alone; unclosed tags make it too large."""
    open_now: dict[str, int] = {}
    depth = deepest = 0
    for closing, name in TAG.findall(html):
        count = open_now.get(name, 0)
        if not closing:
            open_now[name] = count + 1
            depth += 1
            deepest = max(deepest, depth)
        elif count:
            open_now[name] = count - 1
            depth -= 1
    return deepest


def nesting(html: str, tree: HTMLTree) -> int:
    """Depth of a page's elements, exactly when it is large; 0 when it is surely harmless.

    Walking the tree costs more than extracting its text, so pages whose tags cannot reach
    `MAX_NESTING` are not walked.
    """
    if html.count("<") <= MAX_NESTING or _open_tags_bound(html) <= MAX_NESTING:
        return 0
    deepest = 0

    def note(context: DOMContext) -> None:
        nonlocal deepest
        deepest = max(deepest, context.depth)

    if tree.body is not None:
        traverse_dom(tree.body, note, elements_only=True)
    return deepest


def set_off(html: str, tags: Sequence[str]) -> str:
    """The page with empty paragraphs around elements, which become blank lines in its text.

    Done on the source, not on the tree: Resiliparse's lists of elements take quadratic time.

    Args:
        html: Source of the page.
        tags: Names of the elements, such as `dl`.
    """
    if not tags:
        return html
    names = "|".join(map(re.escape, tags))
    return re.sub(rf"</?(?:{names})\b[^>]{{0,1000}}>", r"<p></p>\g<0><p></p>", html, flags=re.I)


def extract_html(tree: HTMLTree, *, main: bool, skip: Sequence[str] = ()) -> str:
    """The text of a parsed page.

    Args:
        tree: A page whose nesting is below `MAX_NESTING`.
        main: Whether navigation, footers and the like are left out.
        skip: CSS selectors of elements whose text is left out.
    """
    if tree.document is None:
        return ""
    text = extract_plain_text(
        tree,
        main_content=main,
        alt_texts=False,
        list_bullets=False,
        comments=False,
        skip_elements=list(skip),
    )
    return plain_space(text)


def plain_space(text: str) -> str:
    """White space as plain text has it; indentation stays.

    Idempotent: the result is unchanged by a second call.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n")
    text = INVISIBLE.sub("", text)
    if "\u00a0" in text:
        text = GUTTER.sub("", text)
    lines = SPACES.sub(" ", text).split("\n")
    text = "\n".join([line.rstrip(" \t") for line in lines])
    if "\t" in text:
        text = CELLS.sub("\t", text)
    return BLANK_LINES.sub("\n\n", text).strip("\n")
