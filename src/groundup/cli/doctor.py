"""`groundup doctor`: what this machine offers and what will be used of it."""

from pathlib import Path

import psutil

from groundup.core.machine import cores, describe_hardware, disk_free_bytes
from groundup.core.manifest import describe_environment

__all__ = ["findings"]

_DISK_NEEDED_BYTES = 2 << 30


def findings(runs: Path) -> list[tuple[str, str]]:
    """Name and value of each finding; warnings are in the value."""
    import torch

    from groundup.model import device

    hardware = describe_hardware()
    memory = psutil.virtual_memory()
    free = disk_free_bytes(runs.absolute())
    chosen = device.choose("auto")
    dtype = device.compute_dtype(chosen)
    limit = device.matmul_limit_flops(chosen, dtype)
    low = "  (less than the demo wants: 2 GiB)" if free < _DISK_NEEDED_BYTES else ""
    rows = [(name, version) for name, version in describe_environment().items()]
    rows += [
        ("processor", hardware["processor"]),
        ("cores", f"{cores()} usable"),
        ("memory", f"{memory.total / 2**30:.1f} GiB, {memory.available / 2**30:.1f} GiB free"),
        ("disk", f"{free / 2**30:.1f} GiB free for {runs.absolute()}{low}"),
        ("device", f"{chosen}{_accelerator(torch.cuda.is_available())}"),
        ("computes in", f"{str(dtype).removeprefix('torch.')}, weights in float32"),
        ("threads", str(torch.get_num_threads())),
        ("matrix multiply", f"{limit / 1e9:,.0f} GFLOP/s measured just now"),
    ]
    return rows


def _accelerator(available: bool) -> str:
    if not available:
        return " (no accelerator found)"
    import torch

    return f" ({torch.cuda.get_device_name()}, {torch.cuda.device_count()} of them)"
