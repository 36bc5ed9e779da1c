"""Dials on the command line: one number that stands for many values, as `--depth 6`.

In a recipe a dial needs nothing from here: `StageConfig.expand` fills in what it stands for. On the
command line it has to act before the other flags, so that these go on top of what it gives, and
`--help` shows it.
"""

import argparse
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from groundup.core.config import DIAL, StageConfig, marked, validate

__all__ = ["turn"]

log = logging.getLogger(__name__)


def turn(
    configs: Mapping[str, StageConfig],
    given: Mapping[str, Mapping[str, Any]],
    arguments: Sequence[str],
    *,
    target: str | None = None,
) -> dict[str, StageConfig]:
    """The configs as the dials among some flags set them; all other flags are left alone.

    A dial whose value is not a whole number is left to the parser of flags, which refuses it.

    Args:
        configs: Name of each recipe to its loaded config.
        given: What each recipe itself says; that stays.
        target: When given, only this config's dials count, and their flags have no prefix.

    Raises:
        ConfigError: The dial's value, or what follows from it, is not allowed.
    """
    turned = dict(configs)
    for name in configs if target is None else [target]:
        kind = type(configs[name])
        for dial in marked(kind, DIAL):
            flag = dial if target is not None else f"{name}.{dial}"
            value = _flag_value(arguments, flag)
            if value is None or not value.isdecimal():
                continue
            recipe, turn_to = given.get(name, {}), {dial: int(value)}
            turned[name] = validate(kind, {**recipe, **turn_to}, source=f"--{flag} {value}")
            kept = sorted(set(_leaves(kind.expand(turn_to))) & set(_leaves(recipe)) - {dial})
            if kept:
                log.warning("--%s %s: the recipe's own %s stay", flag, value, ", ".join(kept))
    return turned


def _flag_value(arguments: Sequence[str], name: str) -> str | None:
    """The last value given to a flag, written `--name value` or `--name=value`."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    spellings = dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}"))
    parser.add_argument(*spellings, dest="value", nargs="?")
    value = parser.parse_known_args(arguments)[0].value
    return None if value is None else str(value)


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted names of all values."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"
