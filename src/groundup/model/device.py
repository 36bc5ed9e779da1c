"""Device, number format and what the hardware can do: the only place that asks."""

import time
from functools import lru_cache

import psutil
import torch

from groundup.core.errors import DeviceError
from groundup.core.machine import cores
from groundup.model.allocator import tune_allocator
from groundup.model.peak import peak_flops

__all__ = [
    "choose",
    "compute_dtype",
    "known_peak_flops",
    "matmul_limit_flops",
    "set_threads",
    "synchronize",
    "tune_allocator",
]

_AMPERE = (8, 0)  # first CUDA capability with bfloat16 matrix units
_CPU_SIDE = 1024  # matrix side for the limit on a CPU: about 10 ms a product
_CUDA_SIDE = 8192


def choose(name: str) -> torch.device:
    """The device for `auto`, `cpu`, `cuda` or `cuda:N`; `auto` takes a usable GPU, else the CPU.

    Raises:
        DeviceError: It is not there, or the name is unknown.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(
            f"there is no device {name!r}", hint="use auto, cpu, cuda or cuda:0"
        ) from error
    if device.type not in ("cpu", "cuda"):
        raise DeviceError(f"device {name!r} is not supported", hint="use auto, cpu, cuda or cuda:0")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"device {name!r} is not there: PyTorch sees {torch.cuda.device_count()} GPUs",
            hint="use --device cpu, or install the CUDA build of PyTorch",
        )
    return device


@lru_cache
def compute_dtype(device: torch.device) -> torch.dtype:
    """Number format for matrix products: bfloat16 where the hardware multiplies it, else float32.

    On a CPU that means AVX512-BF16 or AMX; elsewhere bfloat16 is emulated and slow.
    """
    if device.type == "cuda":
        capable = torch.cuda.get_device_capability(device) >= _AMPERE
    else:
        capable = _cpu_multiplies_bf16()
    return torch.bfloat16 if capable else torch.float32


def _cpu_multiplies_bf16() -> bool:
    """Whether this CPU has bfloat16 instructions, as PyTorch reports it; no report counts as no."""
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    found = [getattr(torch.cpu, name, None) for name in probes]
    return any(probe is not None and probe() for probe in found)


def set_threads(threads: int | None = None) -> int:
    """Sets PyTorch's CPU threads; by default one for each physical core that we may use.

    Two threads on one physical core share its multipliers and only wait for each other.

    Returns:
        The number set.
    """
    if threads is None:
        physical = psutil.cpu_count(logical=False) or cores()
        threads = max(1, min(physical, cores()))
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    return threads


def synchronize(device: torch.device) -> None:
    """Waits until the device has done what it was given; before reading a clock."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def known_peak_flops(device: torch.device) -> float | None:
    """The data sheet's bfloat16 peak; None for a processor, and for a device not in the table."""
    if device.type != "cuda":
        return None
    return peak_flops(torch.cuda.get_device_name(device))


def matmul_limit_flops(device: torch.device, dtype: torch.dtype, *, repeats: int = 8) -> float:
    """Most floating-point operations per second that a large matrix product reaches here.

    Measured, best of `repeats` with the threads PyTorch has now: the honest 100% for utilisation.
    """
    side = _CUDA_SIDE if device.type == "cuda" else _CPU_SIDE
    left = torch.ones(side, side, device=device, dtype=dtype)
    right = torch.ones(side, side, device=device, dtype=dtype)
    best_s = float("inf")
    for _ in range(repeats + 1):  # the first also loads kernels
        synchronize(device)
        start = time.perf_counter()
        left @ right
        synchronize(device)
        best_s = min(best_s, time.perf_counter() - start)
    return 2.0 * side**3 / best_s
