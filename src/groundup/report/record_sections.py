"""Sections on the record: what each stage cost, what was made from what, on which machine."""

from collections.abc import Sequence

from groundup.core.artifact import Artifact
from groundup.core.console import duration
from groundup.report.blocks import Section, Table, Text, bytes_text
from groundup.report.lineage import brief_numbers, tree

__all__ = ["cost_section", "lineage_section", "machine_section"]


def cost_section(runs: Sequence[Artifact]) -> Section:
    """Time, memory and disk of every stage."""
    rows = [_cost_row(run) for run in runs]
    total_s = sum(run.manifest.seconds for run in runs)
    peak = max((run.manifest.peak_memory_bytes for run in runs), default=0)
    size = sum(output.size_bytes for run in runs for output in run.manifest.outputs)
    rows.append(("all", "", duration(total_s), bytes_text(peak), bytes_text(size)))
    columns = ("stage", "run", "time", "peak memory", "on disk")
    note = (
        "Time is wall-clock time of work, pauses left out. Peak memory is the largest sum over all "
        "processes of the stage, sampled twice a second."
    )
    table = Table("Cost of each stage", columns, rows, note, brief=True)
    numbers = Table(
        "What each stage says of itself", ("stage", "run", "numbers"), _number_rows(runs)
    )
    lead = "What it took to get from raw pages to this report, stage by stage, on one machine."
    return Section("cost", "Time and memory", lead, [table, numbers])


def _cost_row(run: Artifact) -> tuple[str, ...]:
    manifest = run.manifest
    size = sum(output.size_bytes for output in manifest.outputs)
    return (
        manifest.stage,
        f"{manifest.name}-{manifest.key}",
        duration(manifest.seconds),
        bytes_text(manifest.peak_memory_bytes),
        bytes_text(size),
    )


def _number_rows(runs: Sequence[Artifact]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for run in runs:
        numbers = brief_numbers(run.manifest.summary)
        said = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in numbers.items())
        rows.append((run.manifest.stage, f"{run.manifest.name}-{run.key}", said))
    return rows


def lineage_section(artifact: Artifact) -> Section:
    """The tree of runs, keys included."""
    lead = (
        "Every run names the runs it was made from. The twelve digits are a key: a digest of the "
        "settings and of the inputs' keys, so that equal keys mean equal requests. "
        "`groundup lineage` prints this tree, and `groundup verify` checks every file in it."
    )
    drawn = Text("\n".join(tree(artifact)), preformatted=True)
    return Section("lineage", "Lineage", lead, [drawn])


def machine_section(runs: Sequence[Artifact]) -> Section:
    """Hardware, versions and code; one column for each distinct value."""
    rows = []
    for kind in ("hardware", "environment", "code"):
        described = [getattr(run.manifest, kind) for run in runs]
        for name in dict.fromkeys(name for values in described for name in values):
            values = dict.fromkeys(values[name] for values in described if values.get(name))
            rows.append((name.replace("_", " "), "; ".join(_value(name, v) for v in values)))
    lead = "A time means nothing without the machine, nor a result without the versions."
    table = Table("Machine, versions and code", ("", "value"), [row for row in rows if row[1]])
    return Section("machine", "Machine and versions", lead, [table])


def _value(name: str, value: str) -> str:
    return bytes_text(int(value)) if name.endswith("_bytes") and value.isdigit() else value
