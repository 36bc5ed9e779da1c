"""Whole or not at all: files and folders appear under their name only when they are complete."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["digest_file", "finish", "publish", "remove", "reveal"]

_READ = 0o444


def digest_file(path: Path) -> str:
    """sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def publish(path: Path) -> Iterator[Path]:
    """Yields a partial path to write a file or folder at; renames it to `path` when whole.

    An exception inside removes the partial and leaves what was at `path` as it was. Who may read
    the folder may read what is published in it, whatever library wrote it (safetensors makes files
    that only their owner can read).
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    remove(partial)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
        finish(partial)
        reveal(partial, path)
    except BaseException:
        remove(partial)
        raise


def reveal(partial: Path, path: Path) -> None:
    """Gives a partial file or folder, already finished, its name."""
    if path.is_dir():
        remove(path)
    partial.replace(path)
    _sync_folder(path.parent)


def remove(path: Path) -> None:
    """Deletes a file or folder; fine when it is not there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def finish(path: Path) -> None:
    """Makes the bytes of a file, or of every file in a folder, readable and reach the disk."""
    for file in [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]:
        file.chmod(file.stat().st_mode | file.parent.stat().st_mode & _READ)
        with file.open("rb") as handle:
            os.fsync(handle.fileno())


def _sync_folder(path: Path) -> None:
    """Makes a rename in a folder reach the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
