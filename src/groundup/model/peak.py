"""Peak speeds of accelerators, for utilisation as others report it (MFU)."""

import re

__all__ = ["PEAK_BF16_FLOPS", "peak_flops"]

PEAK_BF16_FLOPS = {
    r"A100": 312e12,
    r"H100 PCIe": 756e12,
    r"H100 80GB HBM3|H100 SXM": 989e12,
    r"H200": 989e12,
    r"B200": 2.25e15,
    r"L40S": 362e12,
    r"L4": 121e12,
    r"RTX 3090": 71e12,
    r"RTX 4090": 165.2e12,
    r"RTX 5090": 209.5e12,
    r"MI300X": 1.307e15,
}
"""Dense bfloat16 operations per second by what the device's name contains.

Sources: NVIDIA's and AMD's data sheets, without sparsity. Names that are parts of others (an H100
NVL, an RTX 3090 Ti) are other devices and do not count.
"""

_OTHER_DEVICE = re.compile(r"NVL|Ti\b|Laptop|MIG|Mobile|RTX A")


def peak_flops(device_name: str) -> float | None:
    """The peak of a device by the name that its driver gives it; None when it is not known."""
    if _OTHER_DEVICE.search(device_name):
        return None
    for pattern, flops in PEAK_BF16_FLOPS.items():
        if re.search(rf"(?<![0-9A-Za-z])(?:{pattern})(?![0-9A-Za-z])", device_name):
            return flops
    return None
