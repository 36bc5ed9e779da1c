"""Tells glibc to keep the memory of freed tensors. No PyTorch here: call it before importing that.

A training step frees and allocates the same large tensors again and again. By default glibc gives
each one back to the kernel, which then clears every page anew: up to 40% of a small model's step.
"""

import ctypes
import platform
import sys

__all__ = ["tune_allocator"]

# <malloc.h>
_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_MAX = -4

_KEEP_BYTES = 2**31 - 1  # largest that mallopt takes: never trim the top of the heap
_GROW_BYTES = 256 << 20  # grow the heap in steps of this


def tune_allocator() -> bool:
    """Keeps freed memory in the process; returns whether this system's allocator took it.

    Acts on glibc only (Linux, not musl), once for the process; other systems are left as they are.
    """
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    mallopt.argtypes = (ctypes.c_int, ctypes.c_int)
    mallopt.restype = ctypes.c_int
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _KEEP_BYTES), (_M_TOP_PAD, _GROW_BYTES))
    return all(mallopt(name, value) == 1 for name, value in settings)
