"""Artefacts: run directories with a key, a manifest, and nothing half-written.

```text
runs/pretrain/demo-3fa9c1d27b04/   name-key; the key is 12 hex digits of what was asked for
├── manifest.json     stage, version, key, status, inputs, outputs with digests, environment, cost
├── config.toml       fully resolved: this file alone repeats the run
├── metrics.jsonl     measurements, append only
├── shards.jsonl      data stages: one line per finished shard
├── run.log           what the console said
└── ...               the stage's own files
```

The key names the request: stage, stage version, semantic config, keys of inputs, digests of outside
files. The digests in the manifest name the result. The manifest turns `complete` last, and a reader
refuses anything else. Equal key and complete: reuse. Equal key, not complete: resume.
"""

import fcntl
import hashlib
import json
import logging
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from groundup.core.errors import (
    CorruptArtifact,
    IncompleteArtifact,
    MissingArtifact,
    ResourceError,
    WrongKindArtifact,
)
from groundup.core.machine import describe_hardware
from groundup.core.metrics import Metrics
from groundup.core.shards import Shards

__all__ = [
    "Artifact",
    "InputRef",
    "Manifest",
    "Output",
    "RunDir",
    "digest_file",
    "publish",
    "run_key",
]

log = logging.getLogger(__name__)

SCHEMA = 1
_MANIFEST = "manifest.json"
_UNHASHED = {_MANIFEST, "run.log", ".lock"}


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


def run_key(
    stage: str,
    version: int,
    semantic: Mapping[str, Any],
    inputs: Mapping[str, str],
    outside: Mapping[str, str],
) -> str:
    """12 hex digits of sha256 over the canonical JSON of everything that decides the result."""
    request = [stage, version, semantic, dict(inputs), dict(outside)]
    text = json.dumps(request, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def digest_file(path: Path) -> str:
    """sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def publish(path: Path) -> Iterator[Path]:
    """Yields a partial path to write a file or folder at; renames it to `path` when whole.

    An exception inside removes the partial and leaves what was at `path` as it was.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    _remove(partial)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
        _sync(partial)
        if path.is_dir():
            _remove(path)
        partial.replace(path)
    except BaseException:
        _remove(partial)
        raise


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Makes the bytes of a file, or of every file in a folder, reach the disk."""
    for file in [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]:
        with file.open("rb") as handle:
            os.fsync(handle.fileno())


class Artifact:
    """A complete run directory, open for reading."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self._outputs = {output.path: output for output in manifest.outputs}

    @classmethod
    def open(cls, path: Path, *, stage: str | tuple[str, ...] | None = None) -> "Artifact":
        """Opens a finished run.

        Raises:
            MissingArtifact: No manifest there.
            IncompleteArtifact: Its run has not finished.
            WrongKindArtifact: Another stage than `stage`.
            CorruptArtifact: The manifest is unreadable.
        """
        manifest = read_manifest(path)
        if manifest is None:
            raise MissingArtifact(
                f"{path} is not a run directory",
                hint="`ls runs/*` shows the runs; give one of those folders",
            )
        if manifest.status != "complete":
            raise IncompleteArtifact(
                f"{path} is not finished (status {manifest.status})",
                hint="run the command that made it again; it resumes",
            )
        wanted = (stage,) if isinstance(stage, str) else stage
        if wanted is not None and manifest.stage not in wanted:
            raise WrongKindArtifact(
                f"{path} was made by stage {manifest.stage!r}, not {' or '.join(wanted)}",
                hint=f"choose a folder in {' or '.join(f'runs/{name}' for name in wanted)}",
            )
        return cls(path, manifest)

    @property
    def key(self) -> str:
        """The key of its request."""
        return self.manifest.key

    @property
    def digest(self) -> str:
        """sha256 over its outputs' names and digests."""
        text = json.dumps([[o.path, o.sha256] for o in self.manifest.outputs])
        return hashlib.sha256(text.encode()).hexdigest()

    def has(self, name: str) -> bool:
        """Whether the run wrote a file of this name."""
        return name in self._outputs

    def file(self, name: str, *, check: bool = False) -> Path:
        """Path of one of its files, checked for size, and with `check` for every byte.

        Raises:
            MissingArtifact: The run has no such file.
            CorruptArtifact: Size or digest differ from the manifest.
        """
        output = self._outputs.get(name)
        path = self.path / name
        if output is None or not path.is_file():
            raise MissingArtifact(
                f"{self.path} has no file {name}",
                hint=f"`groundup verify {self.path}` lists what is damaged",
            )
        if path.stat().st_size != output.size_bytes or (
            check and digest_file(path) != output.sha256
        ):
            raise CorruptArtifact(
                f"{path} differs from what was written: its sha256 is not the one in the manifest",
                hint=f"delete {self.path} and run its recipe again",
            )
        return path

    def files(self, pattern: str) -> list[Path]:
        """Its files that match a glob pattern such as `pages/*.parquet`, in order of name."""
        return [self.file(name) for name in sorted(self._outputs) if Path(name).match(pattern)]

    def damaged(self) -> list[str]:
        """Names of files that are gone or differ from the manifest; rehashes all of them."""
        bad = []
        for name in self._outputs:
            try:
                self.file(name, check=True)
            except (MissingArtifact, CorruptArtifact):
                bad.append(name)
        return bad

    def input(self, role: str) -> "Artifact":
        """Opens one of the runs that it was made from."""
        return Artifact.open((self.path / self.manifest.inputs[role].path).resolve())

    def reference(self, base: Path) -> InputRef:
        """How a run in folder `base` names this one."""
        relative = os.path.relpath(self.path.resolve(), base.resolve())
        return InputRef(stage=self.manifest.stage, key=self.key, path=relative, digest=self.digest)


def read_manifest(path: Path) -> Manifest | None:
    """The manifest of a run directory, finished or not; None when there is none.

    Raises:
        CorruptArtifact: It is there but unreadable or of an unknown schema.
    """
    file = path / _MANIFEST
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


class RunDir:
    """A run directory under construction; one process at a time holds its lock.

    Attributes:
        path: The directory.
        key: The run's key.
        metrics: Appends to `metrics.jsonl`.
        shards: Which numbered files are finished.
        summary: The few numbers a person wants to know; goes into the manifest.
    """

    def __init__(self, path: Path, manifest: Manifest, config_toml: str) -> None:
        self.path = path
        self.key = manifest.key
        self.summary: dict[str, Any] = {}
        self._create(path)
        self._lock = self._acquire()
        before = read_manifest(path)
        self._seconds_before = before.seconds if before else 0.0
        self._peak_before = before.peak_memory_bytes if before else 0
        self._start = time.monotonic()
        self._manifest = manifest.model_copy(
            update={
                "started_utc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "seconds": self._seconds_before,
                "peak_memory_bytes": self._peak_before,
                "environment": describe_environment(),
                "hardware": describe_hardware(),
                "code": describe_code(),
            }
        )
        self._clean()
        with publish(path / "config.toml") as partial:
            partial.write_text(config_toml, encoding="utf-8")
        self._write_manifest(self._manifest)
        self.metrics = Metrics(path / "metrics.jsonl")
        self.shards = Shards(path)

    @staticmethod
    def _create(path: Path) -> None:
        try:
            path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise ResourceError(
                f"{path} cannot be made: a file is in the way", hint="choose another --runs folder"
            ) from error

    def _acquire(self) -> int:
        handle = os.open(self.path / ".lock", os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(handle)
            raise ResourceError(
                f"another process is working on {self.path}",
                hint="wait for it, or stop it and run this again",
            ) from error
        return handle

    def _clean(self) -> None:
        """Removes what a killed process left half-written."""
        for leftover in self.path.rglob("*.partial"):
            _remove(leftover)

    def file(self, name: str) -> Path:
        """Path for one of the run's files; its folder is made."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    @contextmanager
    def publish(self, name: str) -> Iterator[Path]:
        """`publish` for a file or folder of this run."""
        with publish(self.file(name)) as partial:
            yield partial

    def write_json(self, name: str, value: object) -> None:
        """Publishes a JSON file."""
        with self.publish(name) as partial:
            partial.write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")

    def complete(self, *, peak_memory_bytes: int = 0, keep: tuple[str, ...] = ("*",)) -> Artifact:
        """Hashes every file and turns the manifest `complete`; releases the lock."""
        outputs = [
            Output(path=name, size_bytes=file.stat().st_size, sha256=digest_file(file))
            for name, file in sorted(self._outputs(keep))
        ]
        manifest = self._manifest.model_copy(
            update={
                "status": "complete",
                "outputs": outputs,
                "summary": self.summary,
                **self._cost(peak_memory_bytes),
            }
        )
        self._write_manifest(manifest)
        os.close(self._lock)
        return Artifact(self.path, manifest)

    def abandon(self, *, peak_memory_bytes: int = 0) -> None:
        """Records the time spent so far and releases the lock; the run can be resumed."""
        self._write_manifest(self._manifest.model_copy(update=self._cost(peak_memory_bytes)))
        os.close(self._lock)

    def _cost(self, peak_memory_bytes: int) -> dict[str, Any]:
        return {
            "seconds": round(self._seconds_before + time.monotonic() - self._start, 3),
            "peak_memory_bytes": max(self._peak_before, peak_memory_bytes),
        }

    def _outputs(self, keep: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
        for file in self.path.rglob("*"):
            name = file.relative_to(self.path).as_posix()
            partial = any(part.endswith(".partial") for part in file.parts)
            wanted = any(Path(name).match(pattern) for pattern in keep)
            if file.is_file() and name not in _UNHASHED and not partial and wanted:
                yield name, file

    def _write_manifest(self, manifest: Manifest) -> None:
        with publish(self.path / _MANIFEST) as partial:
            partial.write_text(manifest.model_dump_json(indent=1), encoding="utf-8")


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
    if not (root / ".git").exists():
        return {}

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    commit, changes = git("rev-parse", "HEAD"), git("diff", "HEAD")
    dirty = hashlib.sha256(changes.encode()).hexdigest()[:12] if changes else ""
    return {"commit": commit, "dirty": dirty}
