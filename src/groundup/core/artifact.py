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
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from groundup.core.errors import (
    CorruptArtifact,
    IncompleteArtifact,
    MissingArtifact,
    ResourceError,
    WrongKindArtifact,
)
from groundup.core.machine import describe_hardware
from groundup.core.manifest import (
    MANIFEST,
    InputRef,
    Manifest,
    Output,
    describe_code,
    describe_environment,
    read_manifest,
)
from groundup.core.metrics import Metrics
from groundup.core.publish import digest_file, publish, remove
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

_UNHASHED = {MANIFEST, "run.log", ".lock"}


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
        for leftover in list(self.path.rglob("*.partial")):
            remove(leftover)

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
        with publish(self.path / MANIFEST) as partial:
            partial.write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
