"""Named random streams: one root seed, one independent stream for each purpose.

`derive(7, "corpus/split")` is the same number on every machine and never depends on how many
other streams were drawn before it.
"""

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

__all__ = ["derive", "fraction", "generator"]


def derive(root: int, name: str) -> int:
    """A 63-bit seed for the stream `name`; equal inputs give equal seeds."""
    digest = hashlib.sha256(f"{root}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(root: int, name: str) -> "np.random.Generator":
    """A NumPy generator for the stream `name`."""
    import numpy as np

    return np.random.Generator(np.random.PCG64(derive(root, name)))


def fraction(root: int, name: str) -> float:
    """A number in [0, 1) that depends on nothing but its arguments; used for splits by hash."""
    return derive(root, name) / 2**63
