"""What this machine is and what a run takes of it; no PyTorch here."""

import os
import platform
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

__all__ = [
    "MemoryMeter",
    "cores",
    "describe_hardware",
    "disk_free_bytes",
    "memory_free_bytes",
    "memory_meter",
]


def cores() -> int:
    """Cores that this process may use (affinity counts, as in a container)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def disk_free_bytes(path: Path) -> int:
    """Free bytes on the disk of `path`, or of its nearest existing parent."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def memory_free_bytes() -> int:
    """Memory that this process may still take: free on the machine, and within its cgroup's limit.

    Pages of files that can be dropped count as free on both sides.
    """
    groups = Path("/proc/self/cgroup")
    lines = groups.read_text(encoding="utf-8").splitlines() if groups.exists() else []
    limits = _cgroup_free_bytes(lines, Path("/sys/fs/cgroup"))
    return max(0, min([int(psutil.virtual_memory().available), *limits]))


# Version to file names: limit, use, and in `memory.stat` the file pages that can be dropped.
_CGROUP_FILES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: ("memory.max", "memory.current", "inactive_file"),
}


def _cgroup_free_bytes(lines: Iterable[str], root: Path) -> Iterator[int]:
    """What is left under every limit that holds for a process.

    Source: Linux kernel, admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.

    Args:
        lines: `/proc/self/cgroup`: `id:controllers:path`, no controllers in version 2.
        root: Where cgroups are mounted.
    """
    for line in lines:
        _, controllers, inside = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        mount, version = (root / "memory", 1) if controllers else (root, 2)
        folder = mount / inside.strip("/")
        while folder.is_relative_to(mount):  # the limit of every parent holds too
            free = _free_in(folder, *_CGROUP_FILES[version])
            if free is not None:
                yield free
            folder = folder.parent


def _free_in(folder: Path, limit_file: str, use_file: str, droppable: str) -> int | None:
    """Bytes left under one cgroup's limit; None when it has none or does not say."""
    try:
        limit = (folder / limit_file).read_text(encoding="utf-8").strip()
        used = int((folder / use_file).read_text(encoding="utf-8"))
        stat = (folder / "memory.stat").read_text(encoding="utf-8")
    except OSError:
        return None
    if limit == "max":
        return None
    facts = dict(line.split() for line in stat.splitlines() if line)
    return int(limit) - used + int(facts.get(droppable, 0))


def describe_hardware() -> dict[str, str]:
    """Processor, cores, memory: what a timing means nothing without."""
    return {
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": str(cores()),
        "memory_bytes": str(psutil.virtual_memory().total),
        "system": platform.system(),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


class MemoryMeter:
    """Samples the resident memory of this process and its children in a thread."""

    def __init__(self, every_s: float) -> None:
        self.peak_bytes = 0
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        root = psutil.Process()
        while True:
            self.peak_bytes = max(self.peak_bytes, tree_bytes(root))
            if self._stop.wait(self._every_s):
                return

    def start(self) -> None:
        """Begins sampling."""
        self._thread.start()

    def stop(self) -> None:
        """Ends sampling."""
        self._stop.set()
        self._thread.join()


def tree_bytes(root: psutil.Process) -> int:
    """Resident bytes of a process and its descendants; shared pages count once per process."""
    total = 0
    for process in [root, *root.children(recursive=True)]:
        try:
            total += process.memory_info().rss
        except psutil.Error:  # it ended between listing and asking
            continue
    return total


@contextmanager
def memory_meter(every_s: float = 0.5) -> Iterator[MemoryMeter]:
    """While inside, the meter's `peak_bytes` follows the process tree."""
    meter = MemoryMeter(every_s)
    meter.start()
    try:
        yield meter
    finally:
        meter.stop()
