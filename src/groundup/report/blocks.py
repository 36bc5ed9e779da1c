"""What a section of the report is made of, and how numbers are written."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

__all__ = [
    "Answers",
    "Block",
    "Figure",
    "Pieces",
    "Samples",
    "Section",
    "Table",
    "Text",
    "bytes_text",
    "clipped",
    "count_text",
    "percent_text",
    "score_text",
]


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart: what it shows and how to read it are said to people new to the subject."""

    name: str
    title: str
    svg: Markup
    shows: str
    reading: str
    kind: str = "figure"


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first column heads its row. `brief` ones are in `report.md`, too."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    brief: bool = False
    kind: str = "table"

    def is_number(self, column: int) -> bool:
        """Whether a column is one of numbers, which line up at the right."""
        cells = [row[column] for row in self.rows if row[column]]
        return column > 0 and bool(cells) and all(cell[0] in "0123456789+-–−" for cell in cells)


@dataclass(frozen=True, slots=True)
class Samples:
    """Texts to open and read: each a heading, a line about it, the text."""

    summary: str
    items: Sequence[tuple[str, str, str]]
    kind: str = "samples"


@dataclass(frozen=True, slots=True)
class Pieces:
    """A text cut into tokens."""

    caption: str
    pieces: Sequence[str]
    kind: str = "pieces"


@dataclass(frozen=True, slots=True)
class Answers:
    """One question, its reference, and what each model said: name, answer, mark."""

    task: str
    prompt: str
    reference: str
    answers: Sequence[tuple[str, str, str]]
    kind: str = "answers"


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph, or lines as they are when `preformatted`."""

    text: str
    preformatted: bool = False
    kind: str = "text"


Block = Figure | Table | Samples | Pieces | Answers | Text


@dataclass(frozen=True, slots=True)
class Section:
    """One heading with what belongs below it; `id` is its anchor."""

    id: str
    title: str
    lead: str
    blocks: Sequence[Block] = field(default_factory=tuple)


def count_text(value: float) -> str:
    """A count with separators: `12,345`."""
    return f"{value:,.0f}"


def percent_text(fraction: float) -> str:
    """A fraction as per cent: `12.3%`."""
    return f"{100 * fraction:.1f}%"


def bytes_text(size_bytes: float) -> str:
    """A size in decimal units: `3.4 MB`."""
    size, unit = float(size_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def score_text(mean: float | None, low: float | None = None, high: float | None = None) -> str:
    """A score with its interval: `0.812 [0.770, 0.850]`."""
    if mean is None:
        return "–"
    return f"{mean:.3f}" if low is None or high is None else f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def clipped(text: str, limit: int = 600) -> str:
    """A text for showing: cut after `limit` characters, and saying so."""
    text = text.strip()
    return text if len(text) <= limit else f"{text[:limit]} …"
