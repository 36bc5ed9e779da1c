"""One object to one question: the wording of every task, and the form of its answer.

| task   | shown         | answer                                             | marked by |
|--------|---------------|----------------------------------------------------|-----------|
| read   | documentation | the sentence that says what X does                 | f1        |
| recall | nothing       | the same sentence                                  | f1        |
| args   | signature     | names of the arguments: `a`, `a and b`, `a, b and c`, `none` | exact |
| json   | signature     | the same as `["a", "b"]`                           | exact     |
| dflt   | signature     | source text of one default                         | exact     |
| has    | signature     | `yes` or `no`                                      | exact     |
| must   | signature     | names of the arguments without a default, as `args` | exact    |

`self` and `cls`, the marks `*` and `/`, and the catch-alls `*args` and `**kwargs` are not counted
as arguments in any task. `must` has one wording, unlike those of `args`: it is the rule that tuning
does not teach.
"""

import json
from collections.abc import Sequence

from groundup.core.records import Example, Message
from groundup.core.seeds import fraction
from groundup.instruct.catalogue import Entry
from groundup.instruct.pydoc_pages import ApiObject
from groundup.instruct.signatures import Parameter

__all__ = ["ask_args", "ask_default", "ask_has", "ask_json", "ask_must", "ask_recall", "join_names"]

_ARGS = (
    "List the arguments of {shown}.",
    "Which arguments does {shown} take?",
    "What are the arguments of {shown}?",
)
_JSON = (
    "List the arguments of {shown} as JSON.",
    "Give the arguments of {shown} as a JSON list.",
)
_DEFAULT = (
    "What is the default of {name} in {shown}?",
    "Which default value does {name} have in {shown}?",
)
_HAS = (
    "Does {shown} have an argument named {name}?",
    "Is {name} an argument of {shown}?",
)
_MUST = ("Which arguments must be given to {shown}?",)
_RECALL = {
    "module": ("What is the module {name} for?", "What is {name} about?"),
    "class": ("What is {name}?", "What is a {name} for?"),
    "property": ("What is {name}?", "What does {name} hold?"),
}
_RECALL_CALLABLE = ("What does {name} do?", "What is {name} for?")


def ask_args(entry: Entry, seed: int) -> Example:
    """Which arguments does it take?"""
    names = [parameter.name for parameter in _named(entry)]
    return _example(entry, seed, "args", _ARGS, join_names(names))


def ask_json(entry: Entry, seed: int) -> Example:
    """Which arguments does it take, as JSON?"""
    names = [parameter.name for parameter in _named(entry)]
    return _example(entry, seed, "json", _JSON, json.dumps(names))


def ask_must(entry: Entry, seed: int) -> Example:
    """Which arguments have no default?"""
    names = [parameter.name for parameter in _named(entry) if parameter.default is None]
    return _example(entry, seed, "must", _MUST, join_names(names))


def ask_default(entry: Entry, parameter: Parameter, seed: int) -> Example:
    """Which default does this parameter have?"""
    default = parameter.default or ""
    return _example(entry, seed, "dflt", _DEFAULT, default, name=parameter.name)


def ask_has(entry: Entry, name: str, seed: int) -> Example:
    """Is there an argument of this name?"""
    present = name in {parameter.name for parameter in _named(entry)}
    return _example(entry, seed, "has", _HAS, "yes" if present else "no", name=name)


def ask_recall(entry: Entry, seed: int) -> Example:
    """What does it do? Nothing is shown."""
    wordings = _RECALL.get(entry.object.kind, _RECALL_CALLABLE)
    answer = entry.object.doc.summary
    return _example(entry, seed, "recall", wordings, answer, grader="f1", name=entry.object.name)


def join_names(names: Sequence[str]) -> str:
    """`none`, `a`, `a and b`, or `a, b and c`."""
    if not names:
        return "none"
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _named(entry: Entry) -> tuple[Parameter, ...]:
    signature = entry.object.signature
    return signature.named() if signature is not None else ()


def _shown(item: ApiObject) -> str:
    return item.short_name + (item.signature.text if item.signature is not None else "")


def _example(
    entry: Entry,
    seed: int,
    task: str,
    wordings: Sequence[str],
    answer: str,
    *,
    grader: str = "exact",
    name: str = "",
) -> Example:
    """Words the question; which wording depends on object and task alone."""
    item = entry.object
    about = f"{task}/{item.name}" if name in {"", item.name} else f"{task}/{item.name}/{name}"
    wording = wordings[int(fraction(seed, f"instruct/wording/{about}") * len(wordings))]
    prompt = wording.format(shown=_shown(item), name=name)
    return Example(about, task, (Message("user", prompt),), answer, grader, entry.group)
