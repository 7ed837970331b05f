"""Seeds derived by name, so that adding one random draw never shifts another."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def derive_seed(seed: int, *names: str | int) -> int:
    """Return a 63-bit seed for the stream called `names` under the root `seed`."""
    text = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Return a numpy generator (PCG64) for the stream called `names` under the root `seed`."""
    import numpy as np

    return np.random.Generator(np.random.PCG64(derive_seed(seed, *names)))
