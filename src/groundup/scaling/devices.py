"""What accelerators can do and cost, with sources; the machine at hand is measured instead.

Peaks are dense bf16 without sparsity, from the makers' data sheets. Prices are round figures of
what one device cost an hour on demand in 2025, an assumption to be replaced by `--price`. A share
of the peak (MFU, model operations only) of .40 with fused attention is what well-tuned training of
dense models reaches on data-centre cards, .30 on consumer cards.
"""

import re
from dataclasses import dataclass, replace

from groundup.core.errors import ConfigError

__all__ = ["DEVICES", "Device", "Machine", "machine_named"]

_DATA_CENTRE_MFU = 0.40
_CONSUMER_MFU = 0.30
_POWER_SHARE = 0.7  # of the rated power, drawn on average in training
_COOLING = 1.2  # power of the building over power of the machines (PUE)


@dataclass(frozen=True, slots=True)
class Device:
    """One accelerator.

    Attributes:
        name: As `--device` names it.
        peak_flops: Operations a second, dense bf16.
        memory_bytes: Memory.
        bandwidth_bytes_s: Bytes a second from it.
        watts: Rated power; None where it is not known.
        dollars_per_hour: Assumed price; None where there is none.
        mfu: Share of the peak that training reaches.
        source: Where the numbers are from.
        activation_bytes: Bytes of one stored activation.
    """

    name: str
    peak_flops: float
    memory_bytes: float
    bandwidth_bytes_s: float | None
    watts: float | None
    dollars_per_hour: float | None
    mfu: float
    source: str
    activation_bytes: int = 2


@dataclass(frozen=True, slots=True)
class Machine:
    """Devices of one kind working together."""

    device: Device
    count: int

    @property
    def flops_per_s(self) -> float:
        """Useful operations a second of all devices."""
        return self.count * self.device.peak_flops * self.device.mfu

    def dollars(self, hours: float) -> float | None:
        """What the hours cost; None without a price."""
        price = self.device.dollars_per_hour
        return None if price is None else self.count * hours * price

    def kwh(self, hours: float) -> float | None:
        """Electrical energy with cooling; None where the power is not known."""
        watts = self.device.watts
        return None if watts is None else self.count * hours * watts * _POWER_SHARE * _COOLING / 1e3


def _card(
    name: str,
    peak: float,
    memory_gb: float,
    bandwidth_gb_s: float,
    watts: float,
    price: float,
    sheet: str,
    mfu: float = _DATA_CENTRE_MFU,
) -> Device:
    return Device(name, peak, memory_gb * 1e9, bandwidth_gb_s * 1e9, watts, price, mfu, sheet)


_NVIDIA = "NVIDIA data sheet"
DEVICES = {
    device.name: device
    for device in (
        _card("a100", 312e12, 80, 2039, 400, 1.8, f"{_NVIDIA}, A100 80 GB SXM"),
        _card("h100", 989e12, 80, 3350, 700, 2.5, f"{_NVIDIA}, H100 SXM"),
        _card("h100-pcie", 756e12, 80, 2000, 350, 2.2, f"{_NVIDIA}, H100 PCIe"),
        _card("h200", 989e12, 141, 4800, 700, 3.5, f"{_NVIDIA}, H200 SXM"),
        _card("b200", 2250e12, 180, 8000, 1000, 5.0, f"{_NVIDIA}, HGX B200"),
        _card("l40s", 362e12, 48, 864, 350, 1.0, f"{_NVIDIA}, L40S"),
        _card("l4", 121e12, 24, 300, 72, 0.6, f"{_NVIDIA}, L4"),
        _card("mi300x", 1307e12, 192, 5300, 750, 2.5, "AMD data sheet, MI300X"),
        _card("rtx3090", 71e12, 24, 936, 350, 0.25, "NVIDIA GA102 white paper", _CONSUMER_MFU),
        _card("rtx4090", 165.2e12, 24, 1008, 450, 0.4, "NVIDIA Ada white paper", _CONSUMER_MFU),
        _card("rtx5090", 209.5e12, 32, 1792, 575, 0.7, "NVIDIA RTX Blackwell paper", _CONSUMER_MFU),
    )
}
_COUNTED = re.compile(r"(?P<name>.+?)(?:x(?P<count>[1-9]\d*))?", re.ASCII)


def machine_named(
    text: str, *, here: Device | None = None, mfu: float | None = None, price: float | None = None
) -> Machine:
    """The machine that `--device` names: `h200`, `h200x8`, or `here`.

    Args:
        text: Name and count.
        here: The measured profile of the machine at hand.
        mfu: Share of the peak, over the default.
        price: Dollars an hour of one device, over the default.

    Raises:
        ConfigError: The name is unknown.
    """
    known = {**DEVICES, **({"here": here} if here is not None else {})}
    if text in known:
        device, count = known[text], 1
    else:
        match = _COUNTED.fullmatch(text)
        if match is None or match["name"] not in known:
            raise ConfigError(
                f"there is no device {text!r}",
                hint=f"one of {', '.join(DEVICES)} or here, and x8 for eight of them",
            )
        device, count = known[match["name"]], int(match["count"] or 1)
    if mfu is not None:
        device = replace(device, mfu=mfu)
    if price is not None:
        device = replace(device, dollars_per_hour=price)
    return Machine(device, count)
