"""What a tracker must be able to do, and the two that there are; each is imported when it is used.

Sources: tensorboard's `event.proto` (a session log of status START with a step makes readers drop
all that was written for that step and later); Weights & Biases, "Log data with an explicit step"
(steps may not decrease).
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from groundup.core.errors import ConfigError

__all__ = ["SINKS", "Sink", "TensorBoardSink", "WandbSink", "open_sink"]


class Sink(Protocol):
    """A tracker that is open for one run."""

    def write(self, step: int, wall_time_s: float, values: Mapping[str, float]) -> None:
        """Takes measurements by name; steps do not decrease but after `rewind`."""

    def rewind(self, step: int) -> None:
        """Forgets what was written for `step` and later."""

    def flush(self) -> None:
        """Returns when everything is where it stays."""

    def close(self) -> None:
        """Ends the session."""


class TensorBoardSink:
    """Event files in a folder.

    Args:
        folder: Of this run; its parents are what `tensorboard --logdir` is given.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        try:
            from tensorboard.compat.proto import event_pb2, summary_pb2
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError as error:
            raise _not_installed("tensorboard") from error
        self._event, self._summary = event_pb2, summary_pb2
        self._writer = EventFileWriter(str(folder))

    def write(self, step: int, wall_time_s: float, values: Mapping[str, float]) -> None:
        """As `Sink.write`."""
        made = [
            self._summary.Summary.Value(tag=name, simple_value=value)
            for name, value in values.items()
        ]
        summary = self._summary.Summary(value=made)
        self._writer.add_event(self._event.Event(wall_time=wall_time_s, step=step, summary=summary))

    def rewind(self, step: int) -> None:
        """As `Sink.rewind`."""
        start = self._event.SessionLog(status=self._event.SessionLog.START)
        self._writer.add_event(self._event.Event(step=step, session_log=start))

    def flush(self) -> None:
        """As `Sink.flush`."""
        self._writer.flush()

    def close(self) -> None:
        """As `Sink.close`."""
        self._writer.close()


class WandbSink:
    """A run of the project `groundup`; `wandb` itself decides where it goes (`WANDB_MODE`).

    It cannot forget: after a rewind, steps that it has are left out until there are later ones.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        try:
            import wandb
        except ImportError as error:
            raise _not_installed("wandb") from error
        folder.mkdir(parents=True, exist_ok=True)
        self._highest = -1
        self._run = wandb.init(
            project="groundup",
            dir=str(folder),
            id=about["key"],
            name=f"{about['name']}-{about['key']}",
            group=about["stage"],
            config=dict(about["config"]),
            resume="allow",
            settings=wandb.Settings(console="off"),  # else it takes over standard output
        )

    def write(self, step: int, wall_time_s: float, values: Mapping[str, float]) -> None:
        """As `Sink.write`."""
        if step >= self._highest:
            self._highest = step
            self._run.log(dict(values), step=step)

    def rewind(self, step: int) -> None:
        """As `Sink.rewind`, as far as it goes."""

    def flush(self) -> None:
        """Does nothing: `wandb` sends in a process of its own."""

    def close(self) -> None:
        """As `Sink.close`."""
        self._run.finish()


SINKS: dict[str, Callable[[Path, Mapping[str, Any]], Sink]] = {
    "tensorboard": TensorBoardSink,
    "wandb": WandbSink,
}
"""Trackers by name."""


def open_sink(name: str, folder: Path, about: Mapping[str, Any]) -> Sink:
    """Opens a tracker for one run.

    Args:
        name: One of `SINKS`.
        folder: Where it may keep files.
        about: `key`, `name`, `stage` and `config` of the run.

    Raises:
        ConfigError: Its package is not installed.
    """
    return SINKS[name](folder, about)


def _not_installed(name: str) -> ConfigError:
    return ConfigError(f"{name} is not installed", hint="pip install 'groundup[track]'")
