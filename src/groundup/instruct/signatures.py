"""Signatures as pydoc prints them: found in text, parsed without being executed.

A printed signature is not always Python: a default may be `<object object at 0x7f00>`, a docstring
may write `name[, default]`. What `ast` cannot be made to read has no signature here.
"""

import ast
import re
import warnings
from dataclasses import dataclass

__all__ = ["Parameter", "Signature", "parse_signature"]

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_ANGLED = re.compile(r"<[^<>]*>")
_MODULE = re.compile(r"^\(\$module(, /)?,? ?")
_LINE_BREAK = re.compile(r"\s*\n\s*")  # 3.13 prints long signatures over several lines
_RECEIVERS = frozenset({"self", "cls", "mcs", "mcls", "metacls"})
_MAX_CLOSINGS = 200


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter.

    Attributes:
        name: As written, without asterisks.
        default: Source text of its default; None when it must be given.
        kind: `positional` (also what may be given by name), `keyword` (by name only),
            `var_positional` (`*args`) or `var_keyword` (`**kwargs`).
    """

    name: str
    default: str | None
    kind: str


@dataclass(frozen=True, slots=True)
class Signature:
    """A parsed signature.

    Attributes:
        text: From the opening to the closing bracket, on one line, without memory addresses.
        parameters: All of them in order, `self` and `*args` included.
    """

    text: str
    parameters: tuple[Parameter, ...]

    def named(self) -> tuple[Parameter, ...]:
        """Parameters one can be asked about: without `self` or `cls`, `*args` and `**kwargs`."""
        return tuple(
            parameter
            for index, parameter in enumerate(self.parameters)
            if not parameter.kind.startswith("var_")
            and not (index == 0 and parameter.name in _RECEIVERS)
        )

    def takes_any_name(self) -> bool:
        """Whether there is a `**kwargs`, or nothing but `*args`."""
        return any(parameter.kind == "var_keyword" for parameter in self.parameters)


def parse_signature(text: str) -> tuple[Signature, str] | None:
    """The signature that `text` begins with, and the text after it; None when there is none.

    `text` starts with the opening bracket. Anything may follow the closing one.
    """
    text = _MODULE.sub("(", _ADDRESS.sub("", text).replace("$self", "self"))
    if not text.startswith("("):
        return None
    for masked in dict.fromkeys((text, _mask(text))):
        closings = [index for index, letter in enumerate(masked) if letter == ")"]
        for end in closings[:_MAX_CLOSINGS]:
            head = masked[: end + 1]
            # An ASCII prefix, because `ast` counts columns in bytes and we count letters.
            if not head.isascii():
                break
            parameters = _parameters(head, text)
            if parameters is not None:
                inside = _LINE_BREAK.sub(" ", text[1:end]).strip()
                return Signature(f"({inside})", parameters), text[end + 1 :]
    return None


def _mask(text: str) -> str:
    """The same length, but `<object object>` is a name that Python can read."""
    while True:
        masked = _ANGLED.sub(lambda found: "_" * len(found.group()), text)
        if masked == text:
            return masked
        text = masked


def _parameters(head: str, original: str) -> tuple[Parameter, ...] | None:
    """Parameters of `head`, with defaults' texts taken from `original`; None if not Python."""
    before = "def f"
    # One line, so that a column is a place in the text.
    source = before + head.replace("\n", " ").replace("\r", " ") + ": pass"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in others' defaults
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    function = tree.body[0]
    if not isinstance(function, ast.FunctionDef):
        return None

    def text_of(node: ast.expr | None) -> str | None:
        if node is None or node.end_col_offset is None:
            return None
        return original[node.col_offset - len(before) : node.end_col_offset - len(before)]

    listed = function.args
    positional = [*listed.posonlyargs, *listed.args]
    missing: list[ast.expr | None] = [None] * (len(positional) - len(listed.defaults))
    defaults = [*missing, *listed.defaults]
    found = [
        Parameter(argument.arg, text_of(default), "positional")
        for argument, default in zip(positional, defaults, strict=True)
    ]
    if listed.vararg is not None:
        found.append(Parameter(listed.vararg.arg, None, "var_positional"))
    found += [
        Parameter(argument.arg, text_of(default), "keyword")
        for argument, default in zip(listed.kwonlyargs, listed.kw_defaults, strict=True)
    ]
    if listed.kwarg is not None:
        found.append(Parameter(listed.kwarg.arg, None, "var_keyword"))
    return tuple(found)
