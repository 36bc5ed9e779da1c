"""Sections on data: the crawl, the funnel from pages to documents, the tokenizer."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from groundup.core.artifact import Artifact
from groundup.report.blocks import (
    Block,
    Pieces,
    Samples,
    Section,
    Table,
    bytes_text,
    clipped,
    count_text,
    percent_text,
)
from groundup.report.figures import Studio, remaining
from groundup.tokens.tokenizer import Tokenizer

__all__ = ["corpus_section", "crawl_section", "read_json", "tokens_section"]

MAX_FUNNEL_ROWS = 25
MAX_SAMPLES_PER_RULE = 3
N_LONGEST = 40
SENTENCE = (
    "A tokenizer cuts text into pieces that it has often seen: common words stay whole, "
    "rare ones like floccinaucinihilipilification fall apart, and so do 3.14159 and naïve café."
)


def read_json(artifact: Artifact, name: str) -> Any:
    """A JSON file of a run, or None when the run did not write it."""
    if not artifact.has(name):
        return None
    return json.loads(artifact.file(name).read_text(encoding="utf-8"))


def crawl_section(artifact: Artifact, studio: Studio) -> Section:
    """What was captured, and why records were left out at once."""
    counts = read_json(artifact, "counts.json") or {}
    dropped: Mapping[str, int] = counts.get("dropped", {})
    read = counts.get("read", 0)
    rows = [
        ("records read", count_text(read), ""),
        *(
            (f"dropped: {reason}", count_text(n), percent_text(n / max(read, 1)))
            for reason, n in sorted(dropped.items(), key=lambda item: -item[1])
        ),
        ("pages kept", count_text(counts.get("pages", 0)), percent_text(_kept(counts))),
    ]
    blocks: list[Block] = [Table("Records of the crawl", ("", "number", "share"), rows)]
    damage = [(name, count_text(n)) for name, n in (counts.get("damage") or {}).items() if n]
    if damage:
        note = "Damaged records are counted and skipped; the rest of their archive is used."
        blocks.append(Table("Damage met on the way", ("kind", "records"), damage, note))
    lead = (
        "A crawl is a set of web pages, each kept byte for byte as the server sent it. Redirects, "
        "errors, images and the like are left out here."
    )
    return Section(f"crawl-{artifact.key}", "Crawl", lead, blocks)


def _kept(counts: Mapping[str, Any]) -> float:
    return float(counts.get("pages", 0)) / max(float(counts.get("read", 0)), 1.0)


def corpus_section(artifact: Artifact, studio: Studio) -> Section:
    """The funnel: which rule dropped how many pages, and some of them to read."""
    funnel = read_json(artifact, "funnel.json") or {"read": 0, "rows": [], "kept": 0}
    read, rows = funnel["read"], funnel["rows"]
    table = [
        (row["rule"], row.get("stage", ""), count_text(row["dropped"]), _share(row, read))
        for row in rows
    ]
    table.append(
        ("kept", "", count_text(funnel["kept"]), percent_text(funnel["kept"] / max(read, 1)))
    )
    blocks: list[Block] = []
    shown = _with_left(read, rows)
    if shown:
        blocks.append(_funnel_figure(artifact, studio, shown, funnel))
    columns = ("rule", "step", "dropped", "share of all")
    blocks.append(Table("What each rule dropped", columns, table))
    blocks += [block for row in rows if (block := _dropped_samples(row)) is not None]
    lead = (
        "Most of a crawl is not worth learning from: menus, lists, copies, other languages. Each "
        "rule below removes one kind of it. Samples show what was removed, so that you can judge "
        "the rules yourself."
    )
    return Section(f"corpus-{artifact.key}", "From pages to documents", lead, blocks)


def _share(row: Mapping[str, Any], read: int) -> str:
    return percent_text(row["dropped"] / max(read, 1))


def _with_left(read: int, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rules that dropped something, with what was left after each; the largest when too many."""
    left, shown = read, []
    for row in rows:
        left -= row["dropped"]
        if row["dropped"]:
            shown.append({"rule": row["rule"], "left": left, "dropped": row["dropped"]})
    limit = sorted((row["dropped"] for row in shown), reverse=True)[:MAX_FUNNEL_ROWS]
    return [row for row in shown if row["dropped"] >= limit[-1]][:MAX_FUNNEL_ROWS]


def _funnel_figure(
    artifact: Artifact,
    studio: Studio,
    shown: Sequence[Mapping[str, Any]],
    funnel: Mapping[str, Any],
) -> Block:
    worst = max(shown, key=lambda row: row["dropped"])
    return studio.draw(
        f"funnel-{artifact.key}",
        remaining(shown),
        title="What is left after each rule",
        alt_text=(
            f"Of {funnel['read']:,} pages {funnel['kept']:,} are kept. "
            f"The rule {worst['rule']} drops most: {worst['dropped']:,}."
        ),
        shows="For each rule, in the order of work, the pages left after it and those it dropped.",
        reading=(
            "Read downwards: the first colour shrinks from rule to rule. A long piece of the "
            "second is a rule that removes much; look at its samples to see whether it should."
        ),
    )


def _dropped_samples(row: Mapping[str, Any]) -> Block | None:
    samples = row.get("samples") or []
    if not samples:
        return None
    items = [
        (
            str(sample.get("url") or sample.get("id")),
            _why(sample),
            clipped(str(sample.get("text", ""))),
        )
        for sample in samples[:MAX_SAMPLES_PER_RULE]
    ]
    return Samples(
        f"{row['rule']}: {len(items)} of {count_text(row['dropped'])} dropped pages", items
    )


def _why(sample: Mapping[str, Any]) -> str:
    value, limit = sample.get("value"), sample.get("limit")
    if value is None:
        return ""
    return f"measured {_short(value)}" + ("" if limit is None else f", limit {_short(limit)}")


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def tokens_section(artifact: Artifact, studio: Studio) -> Section:
    """How text becomes numbers: sizes, a sentence in tokens, the longest tokens."""
    about = read_json(artifact, "tokens.json") or {}
    rows = [("different tokens (vocabulary)", count_text(about.get("vocab_size", 0)))]
    for split in ("train", "validation"):
        tokens, size = about.get(f"{split}_tokens"), about.get(f"{split}_bytes")
        if tokens:
            rows.append((f"{split}: tokens", count_text(tokens)))
        if tokens and size:
            rows.append((f"{split}: text", bytes_text(size)))
            rows.append((f"{split}: bytes per token", f"{size / tokens:.2f}"))
    for name, counts in about.get("sources", {}).items():
        rows.append((f"source {name}: training tokens", count_text(counts["train_tokens"])))
    if removed := read_json(artifact, "opt_out.json"):
        rows.append(("documents left out on request", count_text(removed["documents"])))
    blocks: list[Block] = [Table("Tokens", ("", "number"), rows, brief=True)]
    if artifact.has("tokenizer.json"):
        blocks += _token_samples(Tokenizer.load(artifact.file("tokenizer.json")))
    lead = (
        "A model reads numbers, not letters. The tokenizer gives every frequent piece of text a "
        "number of its own; it learned the pieces from this corpus by joining frequent neighbours "
        "over and over (byte pair encoding). More bytes in a token mean fewer steps for a text."
    )
    return Section(f"tokens-{artifact.key}", "From text to tokens", lead, blocks)


def _token_samples(tokenizer: Tokenizer) -> list[Block]:
    special = set(tokenizer.special.values())
    ordinary = [
        tokenizer.token_bytes(id) for id in range(tokenizer.vocab_size) if id not in special
    ]
    longest = sorted(ordinary, key=lambda piece: (-len(piece), piece))[:N_LONGEST]
    sentence = [_readable(tokenizer.token_bytes(id)) for id in tokenizer.encode(SENTENCE)]
    return [
        Pieces(f"A sentence in {len(sentence)} tokens", sentence),
        Pieces(f"The {len(longest)} longest tokens", [_readable(piece) for piece in longest]),
    ]


def _readable(piece: bytes) -> str:
    """A token for people: what has no glyph in hexadecimal, line end and tab as signs."""
    try:
        text = piece.decode("utf-8")
    except UnicodeDecodeError:
        return "".join(f"‹{byte:02x}›" for byte in piece)
    return "".join(_SIGNS.get(c, c if c.isprintable() else f"‹{ord(c):02x}›") for c in text)


_SIGNS = {"\n": "⏎", "\t": "⇥"}
