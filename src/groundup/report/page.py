"""Sections to `report.html` and `report.md`.

The HTML is one file: styles and figures are inside, nothing is fetched. Text from the web goes
through the template's escaping; only figures drawn here are put in as they are.
"""

from collections.abc import Iterator, Mapping, Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from groundup.report.blocks import Section, Table, Text

__all__ = ["html_page", "markdown_page"]


def html_page(title: str, cards: Mapping[str, str], sections: Sequence[Section]) -> str:
    """The whole page; `cards` are the few numbers at its top."""
    environment = Environment(
        loader=PackageLoader("groundup.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("page.html.j2")
    return template.render(title=title, cards=cards, sections=sections)


def markdown_page(title: str, cards: Mapping[str, str], sections: Sequence[Section]) -> str:
    """The numbers for a terminal or a pull request: brief tables and preformatted text."""
    lines = [f"# {title}", "", *(f"- {name}: {value}" for name, value in cards.items())]
    for section in sections:
        body = list(_markdown_blocks(section))
        if body:
            lines += ["", f"## {section.title}", *body]
    return "\n".join(lines) + "\n"


def _markdown_blocks(section: Section) -> Iterator[str]:
    for block in section.blocks:
        if isinstance(block, Table) and block.brief:
            yield from ("", f"{block.caption}:", "", _markdown_row(block.columns))
            rules = ["---:" if block.is_number(n) else "---" for n in range(len(block.columns))]
            yield f"|{'|'.join(rules)}|"
            yield from (_markdown_row(row) for row in block.rows)
            if block.note:
                yield from ("", block.note)
        elif isinstance(block, Text) and block.preformatted:
            yield from ("", "```text", block.text, "```")


def _markdown_row(cells: Sequence[str]) -> str:
    safe = (" ".join(cell.split()).replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(safe)} |"
