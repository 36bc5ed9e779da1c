"""Numbers as people write them on the command line: 124M, 2.5B, 1e21."""

import argparse
import math
import re

__all__ = ["count", "fraction", "short", "size", "whole"]

_FACTORS = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}
_NUMBER = re.compile(r"(?P<value>[0-9.]+(?:e[+-]?\d+)?)(?P<unit>[KMBGT]?)", re.IGNORECASE)


def count(text: str) -> float:
    """A positive number, with K, M, B or T for thousands to trillions."""
    match = _NUMBER.fullmatch(text.replace("_", "").replace(",", ""))
    try:
        value = float(match["value"]) * _FACTORS[match["unit"].upper()] if match else -1.0
    except ValueError:
        value = -1.0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number; write 124M or 2.5e9")
    return value


def fraction(text: str) -> float:
    """A share above 0 and at most 1."""
    value = count(text)
    if value > 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share; write .4 for 40%")
    return value


def whole(text: str) -> int:
    """A whole number, 0 or more."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)


def size(text: str) -> str | float:
    """A number of parameters, or the name of a preset."""
    return count(text) if text[:1].isdigit() else text


def short(value: float) -> str:
    """Three digits and a letter: 124M, 2.5B; powers of ten from a quadrillion on."""
    if value >= 1e15:
        return f"{value:.3g}"
    for letter, factor in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("K", 1e3)):
        if value >= factor:
            return f"{value / factor:.3g}{letter}"
    return f"{value:.3g}"
