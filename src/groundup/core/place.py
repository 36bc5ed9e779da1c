"""Where this process stands among those that train together, as `torchrun` and Slurm say it.

No PyTorch here: every command asks, also those that never train.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from groundup.core.errors import ConfigError

__all__ = ["Place", "find_place"]

_NEEDED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
_HINT = (
    "start with `torchrun --nproc-per-node N -m groundup ...`, which sets them all, or unset {}"
    " to train in one process"
)


@dataclass(frozen=True, slots=True)
class Place:
    """One process of several.

    Attributes:
        rank: Its number, from 0.
        world_size: How many there are.
        local_rank: Its number on this host.
        local_world_size: How many there are on this host.
        address: Host and port where all of them meet; empty for a process alone.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    local_world_size: int = 1
    address: tuple[str, int] | None = None


def find_place(environment: Mapping[str, str] = os.environ) -> Place:
    """Reads the environment; a process without `WORLD_SIZE` and `RANK` is alone.

    Raises:
        ConfigError: Some variables are there and others are not, or a value makes no sense.
    """
    given = [name for name in _NEEDED if environment.get(name)]
    if not {"RANK", "WORLD_SIZE"} & set(given):
        return Place()
    missing = [name for name in _NEEDED if name not in given]
    if missing:
        raise ConfigError(
            f"{' and '.join(given)} are set but {' and '.join(missing)} are not:"
            " a process of several needs all of them",
            hint=_HINT.format(" ".join(given)),
        )
    numbers = {name: _number(name, environment[name]) for name in _NEEDED if name != "MASTER_ADDR"}
    rank, world_size = numbers["RANK"], numbers["WORLD_SIZE"]
    local_rank = numbers["LOCAL_RANK"]
    local_world_size = _number(
        "LOCAL_WORLD_SIZE", environment.get("LOCAL_WORLD_SIZE") or str(world_size)
    )
    if not (rank < world_size and local_rank < local_world_size <= world_size):
        raise ConfigError(
            f"RANK={rank} of WORLD_SIZE={world_size} and LOCAL_RANK={local_rank} of"
            f" LOCAL_WORLD_SIZE={local_world_size} do not fit together",
            hint=_HINT.format(" ".join(given)),
        )
    address = (environment["MASTER_ADDR"], numbers["MASTER_PORT"])
    return Place(rank, world_size, local_rank, local_world_size, address)


def _number(name: str, text: str) -> int:
    if not text.isdecimal():
        raise ConfigError(f"{name}={text!r} is not a number", hint=_HINT.format(name))
    return int(text)
