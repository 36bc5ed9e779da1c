"""What this machine is and what a run takes of it; no PyTorch here."""

import os
import platform
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

__all__ = ["MemoryMeter", "cores", "describe_hardware", "disk_free_bytes", "memory_meter"]


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
