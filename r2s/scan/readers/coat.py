"""The colours of a mesh's faces, whatever states them: pictures, corners, materials; one texture of them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from r2s.artifacts.pictures import Texture
from r2s.core.atlas import Painter, unwrap
from r2s.guard.limits import LIMITS
from r2s.scan.capture import Mesh

MOST_SIDE = 3072  # of a texture, in texels
_UNKNOWN = 178  # grey of faces without a colour among others with one
_LEAST_COVERED = 1e-3  # of a picture by a face [px^2], to tell how wide a pixel is


@dataclass(frozen=True)
class Coat:
    """Colours of some faces in a row; without both pixels and colors they have none.

    Attributes:
        count: f, of faces.
        pixels: (h, w, 3) uint8 sRGB, or None.
        uv: (f, 3, 2) of the corners on the picture, right and up from its lower left corner; repeats
            beyond 0..1. Where there are pixels.
        colors: (f, 3, 3) uint8 sRGB of the corners, or None.
    """

    count: int
    pixels: np.ndarray | None = None
    uv: np.ndarray | None = None
    colors: np.ndarray | None = None

    @property
    def is_colored(self) -> bool:
        return self.colors is not None or (self.pixels is not None and self.uv is not None)

    def at(self, face: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return sRGB bytes (n, 3) at barycentric `weights` (n, 3) of faces (n,)."""
        if self.pixels is not None and self.uv is not None:
            uv = np.einsum("nk,nki->ni", weights, np.nan_to_num(self.uv[face]))
            height, width = self.pixels.shape[:2]
            column = np.floor((uv[:, 0] % 1.0) * width).astype(int) % width
            row = np.floor((1 - uv[:, 1] % 1.0) * height).astype(int) % height
            return self.pixels[row, column]
        if self.colors is None:
            return np.full((len(face), 3), _UNKNOWN, np.uint8)
        mixed = np.einsum("nk,nki->ni", weights, self.colors[face].astype(np.float64))
        return np.rint(np.clip(mixed, 0, 255)).astype(np.uint8)

    def pixel_width(self, corners: np.ndarray) -> float | None:
        """Return how wide a pixel is on triangles (f, 3, 3); None where that cannot be told."""
        if self.pixels is None or self.uv is None:
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            on = self.uv * self.pixels.shape[1::-1]
            (x, y), (u, v) = (on[:, 1] - on[:, 0]).T, (on[:, 2] - on[:, 0]).T
            covered = np.abs(x * v - y * u)
        a, b, c = np.moveaxis(corners, 1, 0)
        area = np.linalg.norm(np.cross(b - a, c - b), axis=1)
        some = (covered > _LEAST_COVERED) & (covered < LIMITS.texture_pixels) & (area > 0)
        return float(np.sqrt(np.median(area[some] / covered[some]))) if some.any() else None


class Dress:
    """The coats of all faces of a mesh, in order."""

    def __init__(self, coats: Sequence[Coat]):
        self._coats = coats
        self._first = np.cumsum([0, *(coat.count for coat in coats)])
        self.is_colored = any(coat.is_colored for coat in coats)

    def colors(self, face: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return sRGB bytes (n, 3) at barycentric `weights` (n, 3) of faces (n,)."""
        colors = np.empty((len(face), 3), np.uint8)
        for coat, first in zip(self._coats, self._first[:-1], strict=True):
            mine = (face >= first) & (face < first + coat.count)
            colors[mine] = coat.at(face[mine] - first, weights[mine])
        return colors

    def texel(self, mesh: Mesh) -> float:
        """Return how wide a pixel of the finest picture is on the surface; else how long edges are."""
        corners = mesh.vertices[mesh.faces]
        edges = np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2)
        widths = []
        for coat, first in zip(self._coats, self._first[:-1], strict=True):
            mine = slice(first, first + coat.count)
            if coat.count:
                widths.append(coat.pixel_width(corners[mine]) or float(np.median(edges[mine])))
        return max(min(widths, default=0.0), 1e-9 * float(edges.max()))


def dressed(mesh: Mesh, texel: float, color: Painter) -> Mesh:
    """Return a mesh with a texture. texel: its width in file units; color: of places on the mesh."""
    atlas = unwrap(mesh.vertices[mesh.faces], texel, MOST_SIDE)
    return mesh._replace(texture=Texture(atlas.uv, atlas.painted(color)))


def srgb(linear: np.ndarray) -> np.ndarray:
    """Return sRGB bytes of linear light in 0..1 (IEC 61966-2-1)."""
    light = np.clip(np.nan_to_num(np.asarray(linear, np.float64)), 0, 1)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(encoded * 255).astype(np.uint8)


def picture(data: bytes) -> np.ndarray | None:
    """Return the pixels of an encoded picture, or None where it is damaged, too large or of another kind."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as image:
            return pixels_of(image)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def pixels_of(image: Any) -> np.ndarray | None:
    """Return the pixels (h, w, 3) of a PIL image, or None where they are too many."""
    width, height = image.size
    if not 0 < width * height <= LIMITS.texture_pixels:
        return None
    return np.asarray(image.convert("RGB"))
