"""One picture for the colours of a mesh: every triangle has its own patch of texels in it.

No chart is cut and no angle is kept, so any mesh can be unwrapped, broken ones too, always the same way, and
a texel knows where on the surface it is. Two triangles share a rectangle, as wide and as high as their
two shorter edges need; each has a border of its own, so that linear filtering stays inside. Rectangles
stand in rows, the highest first; equal ones are sorted by place, so that filtering at a distance mixes
what is near each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_BORDER = 3  # texels of a rectangle's side that are not between a triangle's corners
_LEAST, _MOST = 4, 512  # sides of rectangles, in texels ...
_STEPS = np.array(
    sorted({round(2**k * q) for k in range(2, 9) for q in (1, 1.25, 1.5, 1.75)} | {_MOST})
)
_COARSER = 1.1  # texels, until the picture is small enough
_FULL = 1.02  # picture over what is in it, when its width is chosen
_PLACE_BITS = 10
_CHUNK = 1_000_000  # texels painted at once
# Texels (k,) of faces (k,) at barycentric weights (k, 3) -> sRGB (k, 3) uint8.
Painter = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Atlas:
    """Where on a picture the triangles of a mesh are.

    Attributes:
        uv: (f, 3, 2) float32 of the corners: 0..1 rightwards and down from the picture's upper left corner.
        width, height: of the picture, in texels.
        texel_m: how wide a texel is on the surface, about.
    """

    uv: np.ndarray
    width: int
    height: int
    texel_m: float
    _size: np.ndarray  # (f, 2) width and height of the rectangle a face is in, in texels
    _corner: np.ndarray  # (f, 2) column and row of its upper left texel
    _second: np.ndarray  # (f,) bool: the lower right triangle of its rectangle
    _order: np.ndarray  # (f, 3) the face's corners: at the right angle, across, down

    def painted(self, color: Painter) -> np.ndarray:
        """Return (height, width, 3) uint8: the picture, coloured by `color`."""
        image = np.full((self.height, self.width, 3), 128, np.uint8)
        if not len(self._size):
            return image
        sizes, group = np.unique(self._size, axis=0, return_inverse=True)
        by_group = np.split(
            np.argsort(group, kind="stable"), np.cumsum(np.bincount(group.ravel()))[:-1]
        )
        for size, faces in zip(sizes, by_group, strict=True):
            at, weights = _texels(size)
            # Those of the border have the colours of others.
            weights, of = np.unique(weights, axis=0, return_inverse=True)
            step = max(1, _CHUNK // len(at))
            for start in range(0, len(faces), step):
                some = faces[start : start + step]
                mixed = np.empty((len(some), len(weights), 3))
                np.put_along_axis(
                    mixed, self._order[some][:, None, :], np.broadcast_to(weights, mixed.shape), 2
                )
                colors = color(np.repeat(some, len(weights)), mixed.reshape(-1, 3))
                place = np.where(self._second[some, None, None], size - 1 - at, at)
                x, y = np.moveaxis(place + self._corner[some, None], 2, 0)
                image[y, x] = colors.reshape(mixed.shape)[:, of.ravel()]
        return image


def unwrap(corners: np.ndarray, texel_m: float, most_side: int) -> Atlas:
    """Return an atlas of triangles (f, 3, 3).

    Args:
        texel_m: how wide a texel should be on the surface; made larger until the picture is small enough.
        most_side: of the picture, in texels; more if even the smallest patches are too many.
    """
    count = len(corners)
    opposite = np.stack(
        [np.linalg.norm(corners[:, i - 1] - corners[:, i - 2], axis=1) for i in range(3)], axis=1
    )
    # The two shorter edges meet opposite the longest one; the longer of them lies across.
    far = np.argsort(opposite, axis=1, kind="stable")
    order, legs = far[:, [2, 0, 1]], np.take_along_axis(opposite, far, 1)[:, [1, 0]]
    along = _along(corners.mean(axis=1))
    most_side = max(most_side, int(np.ceil(np.sqrt(_FULL * count / 2) * _LEAST)) + 4 * _LEAST)
    # No finer than half of what would fill the picture: fewer tries.
    texel_m = max(texel_m, 0.5 * float(np.sqrt(legs.prod(axis=1).sum() / 2)) / most_side, 1e-12)
    while True:
        size = _STEPS[np.searchsorted(_STEPS, np.minimum(np.ceil(legs / texel_m) + _BORDER, _MOST))]
        if _FULL * size.prod(axis=1).sum() / 2 > most_side**2:
            texel_m *= _COARSER
            continue
        row = np.lexsort((along, -size[:, 0], -size[:, 1]))
        size[row[1::2]] = size[row[: count // 2 * 2 : 2]]
        area = int(size[row[::2]].prod(axis=1).sum())
        width = min(max(int(np.sqrt(_FULL * area)), int(size[:, 0].max(initial=_LEAST))), most_side)
        place, height = _rows(size[row[::2]], width)
        if height <= most_side:
            break
        texel_m *= _COARSER
    corner, second = np.empty((count, 2), np.int64), np.zeros(count, bool)
    corner[row[::2]], corner[row[1::2]] = place, place[: count // 2]
    second[row[1::2]] = True
    uv = _corner_uv(size, corner, second, order) / (width, height)
    return Atlas(uv.astype(np.float32), width, height, texel_m, size, corner, second, order)


def sampled(image: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Return the colours (n, 3) float64 0..255 of an image (h, w, 3) at uv (n, 2), linearly filtered."""
    height, width = image.shape[:2]
    at = np.clip(uv * (width, height) - 0.5, 0, (width - 1, height - 1))
    column, row = np.floor(at).astype(np.int64).T
    right, below = np.minimum(column + 1, width - 1), np.minimum(row + 1, height - 1)
    x, y = (at - np.floor(at)).T[:, :, None]
    upper = (1 - x) * image[row, column] + x * image[row, right]
    lower = (1 - x) * image[below, column] + x * image[below, right]
    return (1 - y) * upper + y * lower


def _rows(sizes: np.ndarray, width: int) -> tuple[np.ndarray, int]:
    """Return columns and rows (n, 2) of rectangles (n, 2), the highest first, and how high all are."""
    places, x, y, high = [], 0, 0, 0
    for w, h in sizes.tolist():
        if x + w > width:
            x, y = 0, y + high
        if x == 0:
            high = h
        places.append((x, y))
        x += w
    return np.array(places, np.int64).reshape(-1, 2), max(y + high, 1)


def _along(places: np.ndarray) -> np.ndarray:
    """Return (n,) numbers that are near for places (n, 3) near each other: the Z curve through a lattice."""
    if not len(places):
        return np.zeros(0, np.int64)
    low, span = places.min(axis=0), float(np.ptp(places, axis=0).max()) or 1.0
    lattice = ((places - low) / span * ((1 << _PLACE_BITS) - 1)).astype(np.int64)
    key = np.zeros(len(places), np.int64)
    for bit in range(_PLACE_BITS):
        for axis in range(3):
            key |= (lattice[:, axis] >> bit & 1) << (3 * bit + axis)
    return key


def _corner_uv(size, place, second, order) -> np.ndarray:
    """Return (f, 3, 2) in texels: the middles of the texels that corners are at."""
    local = np.zeros((len(size), 3, 2))
    local[:, 1, 0], local[:, 2, 1] = (size - _BORDER).T
    local = np.where(second[:, None, None], (size - 1)[:, None] - local, local)
    uv = np.empty_like(local)
    np.put_along_axis(uv, order[:, :, None], local + place[:, None] + 0.5, 1)
    return uv


def _texels(size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return columns and rows (k, 2) and weights (k, 3) of the upper left triangle of a rectangle.

    Texels of the border have the colour of a place on the triangle near them.
    """
    width, height = (int(side) for side in size)
    down, across = (each.ravel() for each in np.mgrid[:height, :width])
    # As far as filtering anywhere on the triangle reaches in each row; what neither needs is halved.
    rows = np.maximum(np.arange(height) - 1, 0) / (height - _BORDER)
    reach = np.maximum(np.ceil((width - _BORDER) * (1 - rows)), -1)
    mine = 2 * across <= (reach + width - 1 - reach[::-1])[down]
    at = np.stack([across[mine], down[mine]], axis=1)
    # Rectangles are wider than high: a step down is the shorter way back onto the triangle.
    b, c = (at / (size - _BORDER)).T
    b = np.minimum(b, 1)
    c = np.minimum(c, 1 - b)
    return at, np.stack([1 - b - c, b, c], axis=1)
