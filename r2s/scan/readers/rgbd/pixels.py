"""A depth picture into points. Headers are checked here; pixels are decoded by Pillow in a child process."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np

from r2s.core.errors import R2SError
from r2s.guard.archive import archive_of, content
from r2s.guard.limits import MIB
from r2s.guard.preflight import regular_file, shown
from r2s.scan.readers.rgbd import packed
from r2s.scan.readers.rgbd.frames import broken

# No depth camera has more pixels.
MOST_PIXELS = 4096 * 4096
COLOR_PIXELS = 16384 * 16384
COLOR_BYTES = 256 * MIB
# A pixel goes where the surface towards a neighbour would be seen at less than this angle: there a lens
# mixes the depths of foreground and background into points in mid-air.
GRAZING_DEG = 5.0


def depth_shape(path: Path) -> tuple[int, int]:
    """Return (height, width) of a 16-bit PNG or PGM from its header.

    Raises:
        R2SError: it is no such picture, or larger than any depth picture.
    """
    regular_file(path)
    with path.open("rb") as stream:
        head = stream.read(512)
    if head.startswith(b"\x89PNG\r\n\x1a\n") and head[12:16] == b"IHDR" and len(head) >= 33:
        width, height, bits, kind = struct.unpack(">IIBB", head[16:26])
        if bits != 16 or kind != 0:
            raise _no_depth(path, f"it is a PNG with {bits} bits and colour type {kind}")
    elif head.startswith(b"P5"):
        width, height, most, _ = pgm_header(path, head)
        if most < 256:
            raise _no_depth(path, "it is a PGM with 8 bits")
    else:
        raise _no_depth(path, "it is neither a PNG nor a PGM")
    if not 0 < width * height <= MOST_PIXELS:
        raise _no_depth(path, f"its header says {width} x {height} pixels")
    return height, width


def pgm_header(path: Path, head: bytes) -> tuple[int, int, int, int]:
    """Return (width, height, maximum, offset of the data) of a binary PGM."""
    values: list[int] = []
    at = 2
    while len(values) < 3:
        while at < len(head) and head[at : at + 1].isspace():
            at += 1
        if head[at : at + 1] == b"#":
            at = head.find(b"\n", at) + 1 or len(head)
            continue
        end = at
        while end < len(head) and head[end : end + 1].isdigit():
            end += 1
        if end == at or end - at > 6:
            raise _no_depth(path, "its PGM header is damaged")
        values.append(int(head[at:end]))
        at = end
    return values[0], values[1], values[2], at + 1


def load(
    depth: Path, color: Path | None, confidence: Path | None, camera: tuple[float, ...],
    T_world_camera: np.ndarray, per_m: float, far_m: float, holes: tuple[int, ...],
    packed_shape: tuple[int, int] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return the world points of one frame. Runs in the child.

    Args:
        camera: fx, fy, cx, cy at the depth picture's size.
        per_m: stored depth of one metre; far_m: cut-off along the optical axis [m].
        packed_shape: (h, w) of depth and confidence that are packed, see `packed`.

    Returns:
        `points` (h * w, 3) float64 metres, row by row, NaN where there is no depth, and `colors`
        (h * w, 3) uint8 or None, `far` the share of the stored depths that lies beyond the cut-off.
    """
    stored = _depth(depth) if packed_shape is None else packed.depth_of(depth, packed_shape)
    z = stored.astype(np.float64) / per_m
    good = stored > 0
    for hole in holes:
        good &= stored != hole
    far = float((z[good] > far_m).mean()) if good.any() else 0.0
    good &= z <= far_m
    if confidence is not None and packed_shape is not None:
        good &= packed.trusted(confidence, packed_shape)
    elif confidence is not None:
        good &= _resized(confidence, stored.shape, "L") > 0
    z[~good] = np.nan
    fx, fy, cx, cy = camera
    z[grazing(z, (fx + fy) / 2)] = np.nan
    x = (np.arange(z.shape[1]) - cx) / fx * z
    y = ((np.arange(z.shape[0]) - cy) / fy)[:, None] * z
    points = np.empty((*z.shape, 3))
    for axis, (a, b, c, d) in enumerate(T_world_camera[:3]):
        points[..., axis] = a * x + b * y + c * z + d
    colors = None if color is None else _resized(color, stored.shape, "RGB").reshape(-1, 3)
    return {"points": points.reshape(-1, 3), "colors": colors, "far": far}


def grazing(z: np.ndarray, focal: float) -> np.ndarray:
    """Return a mask (h, w) of pixels at a jump of depth too steep for a surface.

    z: (h, w) depth, NaN for holes. Between neighbours a pixel apart, a surface seen at the angle a has
    a depth step of z / focal / tan(a).
    """
    steep = 1 / (focal * np.tan(np.radians(GRAZING_DEG)))
    found = np.zeros(z.shape, dtype=bool)
    with np.errstate(invalid="ignore"):
        for axis in (0, 1):
            a, b = (np.s_[:-1], np.s_[1:]) if axis == 0 else (np.s_[:, :-1], np.s_[:, 1:])
            jump = np.abs(z[a] - z[b]) > steep * np.fmin(z[a], z[b])
            found[a] |= jump
            found[b] |= jump
    return found


def _depth(path: Path) -> np.ndarray:
    """Return stored depths, (h, w) uint16."""
    shape = depth_shape(path)
    with path.open("rb") as stream:
        head = stream.read(512)
    if head.startswith(b"P5"):  # Pillow stretches a PGM's values to its maximum
        width, height, _, offset = pgm_header(path, head)
        with path.open("rb") as stream:
            stream.seek(offset)
            data = stream.read(2 * width * height)
        if len(data) < 2 * width * height:
            raise broken(path, f"it holds {len(data) // 2:,} of {width * height:,} pixels")
        return np.frombuffer(data, ">u2").reshape(height, width).astype(np.uint16)
    found = _opened(path, None, MOST_PIXELS)
    if found.shape != shape:
        raise broken(path, f"it decodes to {found.shape}, and its header says {shape}")
    return found.astype(np.uint16)


def _resized(path: Path, shape: tuple[int, ...], mode: str) -> np.ndarray:
    """Return a picture in `mode` at `shape` (h, w), each pixel the nearest of the picture."""
    found = _opened(path, mode, COLOR_PIXELS)
    if found.shape[:2] == shape:
        return found
    rows, columns = (
        ((np.arange(n) + 0.5) * m / n).astype(int)
        for n, m in zip(shape, found.shape[:2], strict=True)
    )
    return found[rows[:, None], columns]


def _opened(path: Path, mode: str | None, most: int) -> np.ndarray:
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # the limit is checked here
    try:
        with Image.open(_source(path), formats=("PNG", "JPEG", "PPM")) as image:
            if image.width * image.height > most:
                raise broken(path, f"its header says {image.width} x {image.height} pixels")
            return np.asarray(image if mode is None else image.convert(mode))
    except (OSError, SyntaxError, ValueError) as exc:
        raise broken(path, str(exc)[:120]) from exc


def _source(path: Path) -> Path | io.BytesIO:
    return path if archive_of(path) is None else io.BytesIO(content(path, COLOR_BYTES))


def _no_depth(path: Path, why: str) -> R2SError:
    return R2SError(
        "R2S-SCAN-023", f"{path.name} is no depth picture", where=shown(path),
        why=f"depth is a grey picture of 16 bits (PNG or PGM); {why}",
        remedy="export the depth as 16-bit PNG, in millimetres",
    )  # fmt: skip
