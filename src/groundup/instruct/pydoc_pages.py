"""Pages of Python's documentation server to the objects they describe.

Written for the markup of `python -m pydoc -p` in Python 3.11; 3.12 to 3.14 differ in details that
are not relied on. A module's page has a heading table, then a section table for each of Classes and
Functions. In a class's table, groups such as "Methods defined here:" follow one another; what is
inherited is told by that line and left out, as it stands on the page of the class it comes from.

```text
<table class="section"><td class="section-title"><a name="TextWrapper">class <strong>...
  <td class="decor title-decor" colspan=2><span class="code">docstring
  <td class="singlecolumn">Methods defined here:<br>
    <dl><dt><a name="TextWrapper-fill"><strong>fill</strong></a>(self, text)</dt>
        <dd><span class="code">docstring
```
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape

from resiliparse.parse.html import ElementNode, HTMLTree, Node

from groundup.instruct.docstrings import Docstring, read_docstring
from groundup.instruct.signatures import Signature, parse_signature

__all__ = ["ApiObject", "read_page"]

_TITLE = re.compile(r"(?:module|package)\s+([A-Za-z_][\w.]*)\s*$")
_GROUP = re.compile(r"(inherited from|defined here)")
_UNKNOWN = frozenset(
    {"(...)", "(*args, **kwargs)", "(*args)", "(**kwargs)", "(self, *args, **kwargs)"}
)


@dataclass(frozen=True, slots=True)
class ApiObject:
    """Something that documentation says something about.

    Attributes:
        name: Qualified, such as `textwrap.TextWrapper.fill`.
        module: The module's part of the name.
        kind: `module`, `class`, `function`, `method` or `property`.
        signature: None for modules and properties, and where it is unknown.
        doc: Its docstring, taken apart.
    """

    name: str
    module: str
    kind: str
    signature: Signature | None
    doc: Docstring

    @property
    def short_name(self) -> str:
        """The name within its module, such as `TextWrapper.fill`; a module's whole name."""
        return self.name.removeprefix(f"{self.module}.")

    @property
    def parent(self) -> str:
        """The name of the class or module that it is in; empty for a module."""
        return "" if self.kind == "module" else self.name.rpartition(".")[0]


def read_page(html: str) -> list[ApiObject]:
    """The public objects of a page; none when it is not a module's page."""
    tree = HTMLTree.parse(html)
    title = _TITLE.search(tree.title or "")
    if title is None or tree.body is None:
        return []
    module = title[1]
    if _is_private(module):  # `_operator` is the inside of `operator`
        return []
    found = [_build(module, module, "module", "", _module_doc(tree.body))]
    for table in tree.body.query_selector_all("table.section"):
        heading = table.query_selector("td.section-title")
        column = table.query_selector("td.singlecolumn")
        if heading is None or column is None:
            continue
        anchor = heading.query_selector("a[name]")
        if anchor is not None:
            found += _read_class(
                module, _text(anchor).removeprefix("class ").strip(), table, column
            )
        elif _text(heading).strip() == "Functions":
            found += [
                _build(module, f"{module}.{name}", "function", signature, doc)
                for name, signature, doc in _entries(column)
            ]
    return [item for item in found if not _is_private(item.short_name)]


def _module_doc(body: ElementNode) -> str:
    """The text between the heading and the first section."""
    table = body.query_selector("table.heading")
    below = table.next_element if table is not None else None
    inside = below.query_selector("span.code") if below is not None and below.tag == "p" else None
    return _text(inside)


def _read_class(
    module: str, heading: str, table: ElementNode, column: ElementNode
) -> Iterator[ApiObject]:
    """A class and what is defined in it."""
    # An alias is headed `Name = class Other`; its anchor is `Name`.
    name = f"{module}.{heading.split()[0]}" if heading else module
    span = table.query_selector("td[colspan] span.code")
    # The signature on its first line is escaped twice (pydoc.HTMLDoc.docclass).
    yield _build(module, name, "class", "", unescape(_text(span)))
    for member, signature, doc in _entries(column):
        kind = "method" if signature else "property"
        yield _build(module, f"{name}.{member}", kind, signature, doc)


def _entries(column: ElementNode) -> Iterator[tuple[str, str, str]]:
    """Name, printed signature and docstring of every entry that is not inherited."""
    inherited = False
    node = column.first_child  # `child_nodes` costs the square of their number
    while node is not None:
        if node.tag == "#text":
            group = _GROUP.search(_text(node))
            inherited = group[1] == "inherited from" if group else inherited
        elif isinstance(node, ElementNode) and node.tag == "dl" and not inherited:
            yield from _entry(node)
        node = node.next_sibling


def _entry(listed: ElementNode) -> Iterator[tuple[str, str, str]]:
    """What one `<dl>` says; nothing when it is no entry."""
    term = listed.query_selector("dt")
    label = term.query_selector("strong") if term is not None else None
    if term is None or label is None:
        return
    name = _text(label).strip()
    printed = _text(term).replace("\xa0", " ").strip().removeprefix("async ")
    printed = printed.removeprefix(name).strip()
    span = listed.query_selector("dd span.code")
    # `name = other(...)` is another name of an object that has its own entry.
    if not printed.startswith("="):
        yield name, printed, _text(span)


def _text(node: Node | None) -> str:
    """All text in a node; a line break is the newline that pydoc writes after each `<br>`."""
    return (node.text or "") if node is not None else ""


def _build(module: str, name: str, kind: str, printed: str, text: str) -> ApiObject:
    doc = read_docstring(text, name.rpartition(".")[2])
    parsed = parse_signature(printed) if printed else None
    signature = parsed[0] if parsed is not None else None
    # C functions print `(...)`, dispatchers `(*args, **kwargs)`: their docstrings know better.
    if kind != "property" and (signature is None or signature.text in _UNKNOWN):
        signature = doc.signature or signature
    if kind in {"module", "property"}:
        signature = None
    return ApiObject(name, module, kind, signature, doc)


def _is_private(name: str) -> bool:
    return any(part.startswith("_") for part in name.split("."))
