"""The reference of all settings, generated from the config classes themselves."""

import types
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from groundup.cli.pipeline import STAGES
from groundup.core.config import INPUT, VOLATILE

__all__ = ["settings_page"]

_HEAD = """\
# Settings

Every setting of every stage, as the recipes and the command line know it. Written by `make docs`
from the code; do not edit. *Input* names a recipe or a run directory. *Free* settings never change
a result, so they are not part of a run's key.
"""


def settings_page() -> str:
    """The whole page as Markdown."""
    parts = [_HEAD]
    for name, stage in STAGES.items():
        parts.append(f"## {name}\n\n{stage.says[0].upper()}{stage.says[1:]}.\n")
        parts.append("| setting | type | default | meaning |\n|---|---|---|---|")
        parts.append("\n".join(_rows(stage.config_class(), "")) + "\n")
    return "\n".join(parts)


def _rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        nested = _nested(field.annotation)
        marks = "*input* " * (INPUT in field.metadata) + "*free* " * (VOLATILE in field.metadata)
        meaning = (field.description or "").replace("\n", " ").replace("|", "\\|")
        yield (
            f"| `{prefix}{name}` | {_type(field.annotation)} | {_default(field)} "
            f"| {marks}{meaning} |"
        )
        for kind in nested:
            yield from _rows(kind, f"{prefix}{name}.")


def _nested(kind: Any) -> list[type[BaseModel]]:
    """The config models inside an annotation, also those in a union."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return [found for part in typing.get_args(kind) for found in _nested(part)]
    return []


def _type(kind: Any) -> str:
    origin = typing.get_origin(kind)
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" for value in typing.get_args(kind))
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type(part) for part in typing.get_args(kind))
    if origin is typing.Annotated:
        return _type(typing.get_args(kind)[0])
    if kind is type(None):
        return "off"
    if origin is not None:
        inner = [part for part in typing.get_args(kind) if part is not Ellipsis]
        return f"{origin.__name__} of {', '.join(_type(part) for part in inner)}"
    return "section" if _nested(kind) else str(getattr(kind, "__name__", kind))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, BaseModel):
        return ""
    if value is None:
        return "off"
    return f"`{value!r}`".replace("|", "\\|")
