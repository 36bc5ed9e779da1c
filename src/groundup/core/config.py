"""Configuration: pydantic models define and check, TOML stores, flags override.

A recipe is one TOML file for one stage. Its first line names the stage (`stage = "pretrain"`), the
other lines are fields of that stage's config. Precedence: default < recipe < flag.

Fields carry marks in their annotation:

- `VOLATILE`: never changes a result (worker counts, names), so it is left out of the run's key.
- `INPUT`: a recipe path (relative to the recipe that names it) or a run directory.
- `DIAL`: one number that stands for many values (`core/dial.py`). The config's `expand` fills in
  those that the recipe does not give, so precedence is: default < dial < recipe < flag.
- `LATER`: came after results existed; left out of the key while it has its default, so that those
  results stay valid.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

import tomli_w
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from groundup.core.errors import ConfigError, DataError

__all__ = [
    "DIAL",
    "INPUT",
    "LATER",
    "VOLATILE",
    "Config",
    "StageConfig",
    "expand_paths",
    "inputs_of",
    "marked",
    "parse_flags",
    "read_recipe",
    "semantic",
    "to_toml",
    "validate",
]


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark in a field's annotation."""

    name: str


VOLATILE = Mark("volatile")
INPUT = Mark("input")
DIAL = Mark("dial")
LATER = Mark("later")


class Config(BaseModel):
    """Parent of every config: frozen, and an unknown field is an error."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )


class StageConfig(Config, frozen=True):
    """Parent of every stage's config."""

    name: Annotated[str, VOLATILE] = ""
    """Readable part of the run directory; the folder of the recipe when empty."""

    @classmethod
    def expand(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """A recipe's values with those that its dial stands for; called before they are checked.

        Values that are there stay, and one of a wrong kind is left for the check to refuse.
        """
        return dict(values)


C = TypeVar("C", bound=Config)


def read_recipe(path: Path) -> tuple[str, dict[str, Any]]:
    """Reads a recipe file: the stage's name and the other values, not yet validated.

    Raises:
        ConfigError: No such file, not TOML (with line), or no `stage` in it.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"there is no recipe {path}", hint="`ls recipes` shows the recipes that come along"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}", hint="correct that line") from error
    stage = values.pop("stage", None)
    if not isinstance(stage, str):
        raise ConfigError(
            f"{path} does not say which stage it is for",
            hint='put a first line such as stage = "pretrain"',
        )
    return stage, values


def validate(model: type[C], values: Mapping[str, Any], *, source: str) -> C:
    """Checks values strictly against a config model, after a stage's dial has filled in its own.

    Raises:
        ConfigError: Names the first wrong field, its value, what is allowed, and a near name.
    """
    if issubclass(model, StageConfig):
        values = model.expand(values)
    try:
        return model.model_validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        raise _config_error(model, error, source) from error


def _config_error(model: type[BaseModel], error: ValidationError, source: str) -> ConfigError:
    # A misspelt name is both unknown and missing; only the unknown one says what to correct.
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return ConfigError(f"{source}: {field} is missing", hint=f"add a line `{field} = ...`")
    if first["type"] == "extra_forbidden":
        parent = _model_at(model, first["loc"][:-1])
        known = sorted(parent.model_fields) if parent is not None else []
        return ConfigError(
            f"{source}: there is no setting {field!r}",
            hint=_suggest(str(first["loc"][-1]), known),
        )
    reason = first["msg"].removeprefix("Value error, ")
    return ConfigError(
        f"{source}: {field} = {first.get('input')!r} is not allowed: {reason}"
        if field
        else f"{source}: {reason}",
        hint=f"correct {field} in the recipe or on the command line" if field else "",
    )


def _model_at(model: type[BaseModel], loc: Sequence[int | str]) -> type[BaseModel] | None:
    """The config model at a field path, following nested models."""
    current: type[BaseModel] | None = model
    for part in loc:
        field = current.model_fields.get(str(part)) if current else None
        kind = field.annotation if field else None
        current = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
    return current


def _suggest(wrong: str, known: Sequence[str]) -> str:
    import difflib

    near = difflib.get_close_matches(wrong, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known settings: {', '.join(known)}"


def marked(model: type[BaseModel], mark: Mark) -> Iterator[str]:
    """Names of the fields that carry a mark."""
    for name, field in model.model_fields.items():
        if mark in field.metadata:
            yield name


def inputs_of(config: Config) -> dict[str, str]:
    """Role to recipe path or run directory; a dictionary field `models` gives `models.sft` etc."""
    found: dict[str, str] = {}
    for name in marked(type(config), INPUT):
        value = getattr(config, name)
        if isinstance(value, Mapping):
            found.update({f"{name}.{role}": str(path) for role, path in value.items()})
        elif value:
            found[name] = str(value)
    return found


def semantic(config: BaseModel) -> dict[str, Any]:
    """The values that decide the result: everything but `VOLATILE` fields and inputs' paths."""
    values: dict[str, Any] = {}
    unset = {
        name
        for name in marked(type(config), LATER)
        if getattr(config, name) == type(config).model_fields[name].default
    }
    hidden = {*marked(type(config), VOLATILE), *marked(type(config), INPUT), *unset}
    for name in type(config).model_fields:
        if name in hidden:
            continue
        value = getattr(config, name)
        nested = isinstance(value, BaseModel)
        values[name] = semantic(value) if nested else json.loads(json.dumps(value, default=_plain))
    return values


def _plain(value: object) -> object:
    """JSON for values inside lists and dictionaries."""
    return semantic(value) if isinstance(value, BaseModel) else str(value)


def to_toml(stage: str, config: Config) -> str:
    """The resolved recipe: with this file alone the run can be repeated."""
    values = {"stage": stage, **config.model_dump(mode="json", exclude_none=True)}
    return tomli_w.dumps(values)


def parse_flags(
    configs: Mapping[str, C],
    arguments: Sequence[str],
    *,
    program: str,
    description: str,
    target: str | None = None,
) -> dict[str, C]:
    """Overrides configs from command-line flags.

    Args:
        configs: Name of each recipe in the graph (`tokens`, `pretrain`) to its loaded config.
        target: When given, this config's flags need no prefix; the others' are not offered.
        program: Shown in `--help`, as is `description`.

    Returns:
        The configs with the flags applied.

    Raises:
        SystemExit: 0 after `--help`, 2 after a wrong flag or value; the reason has been printed.
    """
    import tyro

    nested = target is None
    loaded: Any = configs[target] if target is not None else _group(configs)
    kind: Any = type(loaded)
    parsed = tyro.cli(
        kind,
        args=list(arguments),
        default=loaded,
        prog=program,
        description=description,
        config=(tyro.conf.AvoidSubcommands, tyro.conf.FlagConversionOff),
    )
    if nested:
        return {name: getattr(parsed, name) for name in configs}
    return {**configs, str(target): parsed}


def _group(configs: Mapping[str, Config]) -> Config:
    """One config that holds several, a field for each."""
    fields: dict[str, Any] = {name: (type(config), config) for name, config in configs.items()}
    grouped: Any = create_model("Recipe", __base__=Config, **fields)
    return cast(Config, grouped(**configs))


def expand_paths(patterns: Sequence[str]) -> list[Path]:
    """Files named by paths and glob patterns, sorted within a pattern, without repeats.

    Raises:
        DataError: A pattern matches nothing.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        matches = [Path(pattern)] if Path(pattern).exists() else None
        if matches is None:
            matches = sorted(_glob(pattern))
        if not matches:
            raise DataError(
                f"no file matches {pattern}",
                hint=f"paths start at the current folder, {Path.cwd()}",
                source=pattern,
            )
        found.update(dict.fromkeys(matches))
    return list(found)


def _glob(pattern: str) -> Iterator[Path]:
    path = Path(pattern)
    root = Path(path.anchor)
    return root.glob(str(path.relative_to(root)))
