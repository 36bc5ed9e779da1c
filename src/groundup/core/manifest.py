"""The manifest: what a run directory says of itself."""

import hashlib
import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from groundup.core.errors import CorruptArtifact

__all__ = [
    "MANIFEST",
    "InputRef",
    "Manifest",
    "Output",
    "describe_code",
    "describe_environment",
    "read_manifest",
]

SCHEMA = 1
MANIFEST = "manifest.json"


class InputRef(BaseModel):
    """An input as it was when the run was made."""

    model_config = ConfigDict(frozen=True)

    stage: str
    key: str
    path: str
    """Run directory, relative to this one."""
    digest: str
    """sha256 over the input's own list of outputs: names its result, not only its request."""


class Output(BaseModel):
    """A file of a complete run."""

    model_config = ConfigDict(frozen=True)

    path: str
    size_bytes: int
    sha256: str


class Manifest(BaseModel):
    """What a run directory says of itself."""

    model_config = ConfigDict(frozen=True)

    schema_version: int = SCHEMA
    stage: str
    stage_version: int
    name: str
    key: str
    status: str = "running"
    started_utc: str = ""
    seconds: float = 0.0
    """Seconds of work, over all the processes that reached a clean end."""
    peak_memory_bytes: int = 0
    """Largest sum of resident memory over the process tree, sampled every half second."""
    inputs: dict[str, InputRef] = {}
    outputs: list[Output] = []
    summary: dict[str, Any] = {}
    """The few numbers a person wants to know."""
    environment: dict[str, str] = {}
    hardware: dict[str, str] = {}
    code: dict[str, str] = {}


def read_manifest(path: Path) -> Manifest | None:
    """The manifest of a run directory, finished or not; None when there is none.

    Raises:
        CorruptArtifact: It is there but unreadable or of an unknown schema.
    """
    file = path / MANIFEST
    if not file.is_file():
        return None
    try:
        manifest = Manifest.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise CorruptArtifact(
            f"{file} is damaged", hint=f"delete {path} and run its recipe again"
        ) from error
    if manifest.schema_version != SCHEMA:
        raise CorruptArtifact(
            f"{file} has schema {manifest.schema_version}; this program reads {SCHEMA}",
            hint="use the version of groundup that wrote it, or build it again",
        )
    return manifest


def describe_environment() -> dict[str, str]:
    """Versions that can change a result."""
    names = ("groundup", "torch", "daft", "numpy", "resiliparse", "rustbpe", "tiktoken")
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def describe_code() -> dict[str, str]:
    """Commit and a digest of uncommitted changes, when the program runs from a checkout."""
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists() or shutil.which("git") is None:
        return {}

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    commit, changes = git("rev-parse", "HEAD"), git("diff", "HEAD")
    dirty = hashlib.sha256(changes.encode()).hexdigest()[:12] if changes else ""
    return {"commit": commit, "dirty": dirty}
