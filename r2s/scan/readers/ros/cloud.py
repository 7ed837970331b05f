"""A `sensor_msgs/PointCloud2` message into points: its own field table, byte order, padding and colours."""

from __future__ import annotations

from typing import Any

import numpy as np

from r2s.scan.capture import color_bytes

# sensor_msgs/PointField datatypes.
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
MOST_FIELDS = 256
MOST_STEP = 1 << 16
MOST_POINTS = 100_000_000
_PACKED = ("rgb", "rgba")


class CloudError(ValueError):
    """The message contradicts itself."""


def shape_of(message: Any) -> tuple[int, int]:
    """Return (height, width) of a message, checked against its own data."""
    height, width = int(message.height), int(message.width)
    step, row = int(message.point_step), int(message.row_step)
    if height < 0 or width < 0 or height * width > MOST_POINTS:
        raise CloudError(f"a cloud of {width} x {height} points")
    if height * width == 0:
        return 0, 0
    if not 0 < step <= MOST_STEP or len(message.fields) > MOST_FIELDS:
        raise CloudError(f"records of {step} bytes with {len(message.fields)} fields")
    row = row or width * step
    if row < width * step:
        raise CloudError(f"rows of {row} bytes for {width} points of {step} bytes")
    if len(message.data) < row * (height - 1) + width * step:
        raise CloudError(
            f"{width} x {height} points of {step} bytes promised, {len(message.data):,} bytes there"
        )
    return height, width


def columns(message: Any) -> dict[str, str]:
    """Return field name to numpy code of the fields that are single numbers and lie in the record.

    Raises:
        CloudError: x, y or z is missing.
    """
    order = ">" if message.is_bigendian else "<"
    found: dict[str, str] = {}
    for field in message.fields:
        code = _TYPES.get(int(field.datatype))
        inside = code and 0 <= int(field.offset) <= int(message.point_step) - int(code[1])
        # Some drivers write a count of 0 for single numbers.
        if code and inside and int(field.count) in (0, 1) and field.name not in found:
            found[str(field.name)] = order + code
    if missing := [axis for axis in "xyz" if axis not in found]:
        raise CloudError(
            f"no field {', '.join(missing)} in it: fields {', '.join(found) or 'none'}"
        )
    return found


def has_color(message: Any) -> bool:
    """Whether the message holds a colour per point."""
    found = columns(message)
    packed = any(name in found and found[name][1:] in ("f4", "u4", "i4") for name in _PACKED)
    return packed or {"r", "g", "b"} <= set(found)


def points_of(message: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Return points (n, 3) float64 in the message's frame, row by row, and colours (n, 3) uint8 or None.

    Raises:
        CloudError: the message contradicts itself.
    """
    height, width = shape_of(message)
    if not height:
        return np.empty((0, 3)), np.empty((0, 3), np.uint8)
    codes = columns(message)
    offsets = {str(f.name): int(f.offset) for f in reversed(message.fields)}
    step = int(message.point_step)
    row = int(message.row_step) or width * step
    data = np.frombuffer(bytes(message.data), np.uint8)

    def column(name: str, code: str) -> np.ndarray:
        view = np.ndarray((height, width), code, data.data, offsets[name], (row, step))
        return view.reshape(-1)

    with np.errstate(invalid="ignore"):  # a signalling NaN is a hole like any other
        points = np.stack([column(a, codes[a]).astype(np.float64) for a in "xyz"], axis=-1)
    packed = next((n for n in _PACKED if codes.get(n, "")[1:] in ("f4", "u4", "i4")), "")
    if packed:
        bits = column(packed, codes[packed][0] + "u4")
        colors = np.stack([(bits >> s) & 255 for s in (16, 8, 0)], axis=-1).astype(np.uint8)
        return points, colors
    if {"r", "g", "b"} <= set(codes):
        return points, color_bytes(np.stack([column(n, codes[n]) for n in "rgb"], axis=-1))
    return points, None
