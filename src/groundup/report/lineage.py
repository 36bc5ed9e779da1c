"""What was made from what: from any run back to the crawl."""

from collections.abc import Iterator, Mapping

from groundup.core.artifact import Artifact
from groundup.core.console import duration
from groundup.core.errors import ArtifactError
from groundup.core.manifest import InputRef

__all__ = ["ancestors", "brief_numbers", "tree"]

MAX_NUMBERS = 4


def ancestors(artifact: Artifact) -> list[Artifact]:
    """A run and all that it was made from, each once, inputs before what was made from them.

    Runs that are gone from the disk are left out, with all that only they lead to.
    """
    found: dict[str, Artifact] = {}

    def visit(current: Artifact) -> None:
        for role in current.manifest.inputs:
            parent = _open(current, role)
            if parent is not None and str(parent.path) not in found:
                visit(parent)
        found[str(current.path.resolve())] = current

    visit(artifact)
    return list(found.values())


def _open(artifact: Artifact, role: str) -> Artifact | None:
    try:
        return artifact.input(role)
    except ArtifactError:
        return None


def tree(artifact: Artifact) -> list[str]:
    """The lineage as lines of text, the run itself first.

    A run that occurs twice is drawn with its inputs the first time only.
    """
    return list(_draw(artifact, "", "", "", set()))


def _draw(artifact: Artifact, first: str, rest: str, role: str, drawn: set[str]) -> Iterator[str]:
    inputs = artifact.manifest.inputs
    again = artifact.key in drawn and bool(inputs)
    drawn.add(artifact.key)
    yield f"{first}{role}{_line(artifact)}{'  (inputs as above)' if again else ''}"
    if again:
        return
    for number, (name, reference) in enumerate(inputs.items(), start=1):
        last = number == len(inputs)
        branch, stem = (f"{rest}└─ ", f"{rest}   ") if last else (f"{rest}├─ ", f"{rest}│  ")
        parent = _open(artifact, name)
        if parent is None:
            yield f"{branch}{name}: {_gone(reference)}"
        else:
            yield from _draw(parent, branch, stem, f"{name}: ", drawn)


def _gone(reference: InputRef) -> str:
    return f"{reference.stage} {reference.key}  (no longer at {reference.path})"


def _line(artifact: Artifact) -> str:
    manifest = artifact.manifest
    numbers = brief_numbers(manifest.summary)
    facts = [duration(manifest.seconds), *(f"{name} {value}" for name, value in numbers.items())]
    return f"{manifest.stage} {manifest.name}-{manifest.key}  {', '.join(facts)}"


def brief_numbers(summary: Mapping[str, object]) -> dict[str, str]:
    """The first few plain values of a manifest's summary, written for people."""
    brief: dict[str, str] = {}
    for name, value in summary.items():
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            continue
        brief[name] = _number(value)
        if len(brief) == MAX_NUMBERS:
            break
    return brief


def _number(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
