"""Which objects are asked about, which of them belong together, and which are held out.

The same text stands on many pages: a class is listed by every module that imports it, a method
repeats the docstring of the one it overrides. An object whose docstring begins like an earlier
one's is dropped. Objects that still share a summary, or a name and a signature, form one group; a
group is held out, or tuned on, as a whole, so that no held-out answer of `read` or `recall` and no
held-out signature occurs in tuning.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from groundup.core.seeds import fraction
from groundup.instruct.pydoc_pages import ApiObject

__all__ = ["SPLITS", "Entry", "build_catalogue", "distinct", "split_of"]

SPLITS = ("train", "validation", "heldout")

_SAME_DOC_CHARS = 400
_SHORTEST_DOC_CHARS = 12


@dataclass(frozen=True, slots=True)
class Entry:
    """An object with the group and the split it belongs to.

    Attributes:
        group: Name of the first object of its group.
        parent_summary: What is said of the class or module it is in; empty when unknown, or when
            that is held out and this is not.
    """

    object: ApiObject
    group: str
    split: str
    parent_summary: str


def distinct(objects: Iterable[ApiObject]) -> list[ApiObject]:
    """Objects that say something no earlier one says, in order of name.

    Built-in types come first, as many modules show them as their own, then shorter module names:
    `json.JSONDecoder`, not `json.decoder.JSONDecoder`.
    """
    kept: list[ApiObject] = []
    seen: set[str] = set()

    def rank(item: ApiObject) -> tuple[bool, int, int, str]:
        module = item.module
        return module != "builtins", module.count("."), len(module), item.name

    for item in sorted(objects, key=rank):
        doc = item.doc.text[:_SAME_DOC_CHARS]
        documented = len(doc) >= _SHORTEST_DOC_CHARS
        key = doc if documented else f"{item.name.rpartition('.')[2]}{_signature_text(item)}"
        if key in seen or item.name in seen or not (documented or item.signature):
            continue
        seen |= {key, item.name}
        kept.append(item)
    return sorted(kept, key=lambda o: o.name)


def build_catalogue(
    objects: Iterable[ApiObject],
    *,
    seed: int,
    heldout_fraction: float,
    validation_fraction: float,
) -> list[Entry]:
    """The distinct objects with group and split; `validation_fraction` is of those not held out."""
    kept = distinct(objects)
    splits = {
        item.name: (group, split_of(group, seed, heldout_fraction, validation_fraction))
        for item, group in zip(kept, _groups(kept), strict=True)
    }
    summaries = {item.name: item.doc.summary for item in kept}

    def parent_summary(item: ApiObject) -> str:
        # What is held out is not shown in tuning, not even beside something else.
        hidden = splits.get(item.parent, ("", ""))[1] == "heldout"
        visible = not hidden or splits[item.name][1] == "heldout"
        return summaries.get(item.parent, "") if visible else ""

    return [Entry(item, *splits[item.name], parent_summary(item)) for item in kept]


def split_of(group: str, seed: int, heldout_fraction: float, validation_fraction: float) -> str:
    """`heldout`, `validation` or `train`, by nothing but the group's name and the seed."""
    if fraction(seed, f"instruct/heldout/{group}") < heldout_fraction:
        return "heldout"
    if fraction(seed, f"instruct/validation/{group}") < validation_fraction:
        return "validation"
    return "train"


def _signature_text(item: ApiObject) -> str:
    return item.signature.text if item.signature is not None else ""


def _groups(objects: Sequence[ApiObject]) -> list[str]:
    """Name of each object's group: the connected parts of the graph of shared texts."""
    leader: dict[str, str] = {}

    def find(node: str) -> str:
        while leader.setdefault(node, node) != node:
            leader[node] = leader[leader[node]]
            node = leader[node]
        return node

    for item in objects:
        for text in _shared_texts(item):
            first, second = sorted((find(text), find(f"object:{item.name}")))
            # "object:" sorts before "signature:" and "summary:", so that an object leads.
            leader[second] = first
    return [find(f"object:{item.name}").removeprefix("object:") for item in objects]


def _shared_texts(item: ApiObject) -> list[str]:
    texts = []
    if item.doc.summary:
        texts.append(f"summary:{' '.join(item.doc.summary.lower().split()).rstrip('.')}")
    if item.signature is not None and item.signature.named():
        last_name = item.name.rpartition(".")[2]
        texts.append(f"signature:{last_name}{item.signature.text}")
    return texts
