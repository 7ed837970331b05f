"""Named numpy arrays in one file: safetensors, so no pickle, and equal arrays give equal bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from safetensors.numpy import load, save


def pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return the safetensors bytes of named arrays (any shape, numeric or bool dtype)."""
    # Not ascontiguousarray: it turns a scalar into an array of one.
    return save({name: np.asarray(arrays[name], order="C") for name in sorted(arrays)})


def unpack(data: bytes) -> dict[str, np.ndarray]:
    """Return the arrays of `pack`, read-only."""
    arrays = load(data)
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def pack_ragged(
    name: str, parts: Sequence[np.ndarray], width: int, dtype: str
) -> dict[str, np.ndarray]:
    """Return `name` (sum of rows, width) and `name_offsets` (len + 1,) for arrays of unequal length."""
    rows = [np.asarray(part, dtype=dtype).reshape(-1, width) for part in parts]
    offsets = np.cumsum([0, *(len(row) for row in rows)], dtype=np.int64)
    return {name: np.concatenate([np.empty((0, width), dtype), *rows]), f"{name}_offsets": offsets}


def unpack_ragged(name: str, arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Return the parts of `pack_ragged`."""
    offsets = arrays[f"{name}_offsets"]
    return [arrays[name][a:b] for a, b in pairwise(offsets)]
