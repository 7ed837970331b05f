"""Pictures in artifacts: colours of meshes, as PNG, which is what MuJoCo loads."""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np

TEXTURE_FILE = "texture.png"


class Texture(NamedTuple):
    """The colours of a mesh (`r2s.core.atlas`).

    Attributes:
        uv: (f, 3, 2) float32: where the corners of its faces are in the image, 0..1 rightwards and down
            from the upper left corner.
        image: (h, w, 3) uint8 sRGB.
    """

    uv: np.ndarray
    image: np.ndarray


NO_TEXTURE = Texture(np.empty((0, 3, 2), np.float32), np.empty((0, 0, 3), np.uint8))


def png_of(image: np.ndarray) -> bytes:
    """Return (h, w, 3) uint8 sRGB as PNG."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format="PNG", compress_level=4)
    return stream.getvalue()


def image_of(png: bytes) -> np.ndarray:
    """Return (h, w, 3) uint8 of `png_of`."""
    from PIL import Image

    with Image.open(io.BytesIO(png), formats=("PNG",)) as stored:
        return np.asarray(stored.convert("RGB"))
