"""Every error a user may meet, each with a hint that says what to type next.

```text
GroundupError
├── ConfigError       a recipe or flag is wrong                     exit 2
├── ArtifactError     a run directory cannot be used                exit 2
│   ├── MissingArtifact      it is not there
│   ├── IncompleteArtifact   it is not finished
│   ├── CorruptArtifact      its bytes differ from its manifest
│   └── WrongKindArtifact    it is another stage's
├── DataError         the input data cannot be used                 exit 2
├── ResourceError     disk, memory or port: the machine says no     exit 2
├── NetworkError      a server did not give what was asked          exit 2
├── DeviceError       the accelerator cannot be used                exit 2
├── ShapeError        tensors do not fit                            exit 1
├── NumericalError    a loss or weight is not finite                exit 1
└── Cancelled         the user or the system asked to stop          exit 130
```
"""

import errno
from pathlib import Path

__all__ = [
    "ArtifactError",
    "Cancelled",
    "ConfigError",
    "CorruptArtifact",
    "DataError",
    "DeviceError",
    "GroundupError",
    "IncompleteArtifact",
    "MissingArtifact",
    "NetworkError",
    "NumericalError",
    "ResourceError",
    "ShapeError",
    "WrongKindArtifact",
    "from_os_error",
]


class GroundupError(Exception):
    """One sentence that says what, where and the offending value; a hint that says what to do.

    Attributes:
        message: The sentence, without a final full stop.
        hint: What to type or change next; empty when nothing can be suggested.
        exit_code: What the process ends with: 2 for the user's mistakes, 1 for ours, 130 when
            cancelled.
    """

    exit_code = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.__dict__.copy()))


def _rebuild(kind: type[GroundupError], state: dict[str, object]) -> GroundupError:
    """Makes an error again in another process."""
    error = kind.__new__(kind)
    error.__dict__.update(state)
    error.args = (state["message"],)
    return error


class ConfigError(GroundupError, ValueError):
    """A recipe, a flag or a value in them is wrong."""


class ArtifactError(GroundupError):
    """A run directory cannot be used."""


class MissingArtifact(ArtifactError):
    """There is no such run directory or file in it."""


class IncompleteArtifact(ArtifactError):
    """The run has not finished: its manifest does not say `complete`."""


class CorruptArtifact(ArtifactError):
    """The bytes on disk differ from those that the manifest recorded."""


class WrongKindArtifact(ArtifactError):
    """The run is another stage's than the one asked for."""


class DataError(GroundupError):
    """Input data that cannot be used.

    Attributes:
        source: File or URL.
        offset: Byte offset or line number in it, when known.
    """

    def __init__(
        self, message: str, *, hint: str = "", source: str = "", offset: int | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.source = source
        self.offset = offset


class ResourceError(GroundupError):
    """The machine refuses: disk full, port in use, memory exhausted, no permission."""


class NetworkError(GroundupError):
    """A server did not give what was asked.

    Attributes:
        url: What was asked for.
        status: HTTP status, or None when there was no answer.
    """

    def __init__(
        self, message: str, *, hint: str = "", url: str = "", status: int | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.url = url
        self.status = status


class DeviceError(GroundupError):
    """The accelerator cannot be used as asked."""


class ShapeError(GroundupError, ValueError):
    """Tensors do not fit together: a mistake of ours or of a caller of the library."""

    exit_code = 1


class NumericalError(GroundupError):
    """A quantity is not finite.

    Attributes:
        step: Optimizer step at which it happened.
        quantity: Its name, such as `loss_nats`.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", step: int, quantity: str) -> None:
        super().__init__(message, hint=hint)
        self.step = step
        self.quantity = quantity


class Cancelled(GroundupError):
    """Ctrl-C or SIGTERM: what was finished is saved, the same command goes on from there."""

    exit_code = 130


_OS_ERRORS = {
    errno.ENOSPC: ("no space left on the disk", "free some space, then run the same command again"),
    errno.EFBIG: ("the system allows no larger file", "raise the limit (ulimit -f), or free space"),
    errno.EDQUOT: ("the disk quota is used up", "free some space, then run the same command again"),
    errno.EACCES: ("permission denied", "check who owns the path"),
    errno.EROFS: ("the file system is read-only", "choose another folder with --runs"),
}


def from_os_error(error: OSError) -> GroundupError | None:
    """The user's version of an operating-system error, or None when we have nothing to add."""
    known = _OS_ERRORS.get(error.errno or 0)
    if known is None:
        return None
    message, hint = known
    where = f" while writing {Path(str(error.filename))}" if error.filename else ""
    return ResourceError(f"{message}{where}", hint=f"{hint}; nothing half-written is kept")
