"""PCD (Point Cloud Library): ascii, binary and binary_compressed, organised or not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from r2s.core.memory import release
from r2s.core.rigid import quat_to_matrix, transform
from r2s.guard.limits import LIMITS
from r2s.scan.capture import Capture, Rows, color_bytes
from r2s.scan.readers.asked import Told, unheard
from r2s.scan.readers.broken import large_text, malformed, truncated
from r2s.scan.readers.lzf import LzfError, decompress
from r2s.scan.readers.numbers import parse_table

_TYPES = {
    "F4": "<f4", "F8": "<f8", "U1": "u1", "U2": "<u2", "U4": "<u4", "U8": "<u8",
    "I1": "i1", "I2": "<i2", "I4": "<i4", "I8": "<i8",
}  # fmt: skip
_KEYS = (
    "VERSION", "FIELDS", "SIZE", "TYPE", "COUNT", "WIDTH", "HEIGHT", "VIEWPOINT", "POINTS", "DATA",
)  # fmt: skip
_malformed = partial(
    malformed, "the PCD header cannot be trusted", "pcl_convert_pcd_ascii_binary {file} fixed.pcd 1"
)
_truncated = partial(truncated, "the PCD file is truncated or its header lies")


@dataclass(frozen=True)
class Header:
    """A checked PCD header.

    Attributes:
        dtype: one record; repeated or padding (`_`) fields have unique names.
        points: number of records.
        shape: (height, width).
        viewpoint: (tx, ty, tz, qw, qx, qy, qz).
        data: `ascii`, `binary` or `binary_compressed`.
        offset: byte where the data begin.
    """

    dtype: np.dtype
    points: int
    shape: tuple[int, int]
    viewpoint: tuple[float, ...]
    data: str
    offset: int


def read_pcd(path: Path, size: int, told: Told = unheard) -> Capture:
    """Open a PCD file of `size` bytes. Binary data stay on disk until rows are asked for."""
    header = read_header(path, size)
    match header.data:
        case "ascii":
            records = _ascii(path, header, told)
        case "binary":
            records = np.memmap(path, header.dtype, "r", header.offset, (header.points,))
        case _:
            records = _compressed(path, header, size, told)
    return _capture(header, records)


def read_header(path: Path, size: int) -> Header:
    """Read and check the header against the file's size."""
    values: dict[str, list[str]] = {}
    offset = 0
    with path.open("rb") as stream:
        for _ in range(LIMITS.header_lines):
            line = stream.readline(LIMITS.header_bytes)
            offset += len(line)
            if not line or offset > LIMITS.header_bytes:
                break
            words = line.decode("ascii", "replace").split()
            if not words or words[0].startswith("#"):
                continue
            if words[0] not in _KEYS:
                raise _malformed(path, f"the header has the unknown entry {words[0][:20]!r}")
            values[words[0]] = words[1:]
            if words[0] == "DATA":
                return _check(path, size, values, offset)
    raise _malformed(path, "the header never comes to its DATA line")


def _check(path: Path, size: int, values: dict[str, list[str]], offset: int) -> Header:
    for key in ("FIELDS", "SIZE", "TYPE"):
        if not values.get(key):
            raise _malformed(path, f"the header has no {key}")
    names, sizes, types = values["FIELDS"], values["SIZE"], values["TYPE"]
    counts = values.get("COUNT") or ["1"] * len(names)
    if not len(names) == len(sizes) == len(types) == len(counts) <= LIMITS.fields:
        raise _malformed(
            path, f"{len(names)} FIELDS, {len(sizes)} SIZE, {len(types)} TYPE, {len(counts)} COUNT"
        )
    dtype = _record(path, names, sizes, types, counts)
    try:
        width = int(values.get("WIDTH", ["0"])[0])
        height = int(values.get("HEIGHT", ["1"])[0])
        points = int(values.get("POINTS", [str(width * height)])[0])
        viewpoint = tuple(float(v) for v in values.get("VIEWPOINT") or "0001000")
        data = values["DATA"][0]
    except (ValueError, IndexError) as exc:
        raise _malformed(path, f"a header entry is not a number: {exc}") from exc
    if data not in ("ascii", "binary", "binary_compressed"):
        raise _malformed(path, f"DATA is {data[:20]!r}, not ascii, binary or binary_compressed")
    if len(viewpoint) != 7 or not np.isfinite(viewpoint).all():
        raise _malformed(path, "VIEWPOINT must be seven finite numbers")
    if points <= 0 or width <= 0 or height <= 0 or points != width * height:
        raise _malformed(path, f"WIDTH {width} x HEIGHT {height} does not make POINTS {points}")
    _check_size(path, size, points, dtype, data, offset)
    return Header(dtype, points, (height, width), viewpoint, data, offset)


def _record(
    path: Path, names: list[str], sizes: list[str], types: list[str], counts: list[str]
) -> np.dtype:
    fields: list[tuple] = []
    for i, (name, size, kind, count) in enumerate(zip(names, sizes, types, counts, strict=True)):
        code = _TYPES.get(f"{kind}{size}")
        if code is None or not count.isdigit() or not 0 < int(count) <= LIMITS.field_bytes:
            raise _malformed(path, f"field {name[:20]!r} has TYPE {kind} SIZE {size} COUNT {count}")
        unique = name if name != "_" and name not in [f[0] for f in fields] else f"_{i}"
        fields.append((unique, code) if count == "1" else (unique, code, (int(count),)))
    dtype = np.dtype(fields)
    if missing := [axis for axis in "xyz" if axis not in (dtype.names or ())]:
        raise _malformed(
            path, f"there is no field {', '.join(missing)}; fields: {' '.join(names)[:200]}"
        )
    if any(dtype[axis].shape for axis in "xyz") or dtype.itemsize > LIMITS.field_bytes:
        raise _malformed(path, "x, y and z must be single numbers in a record of sensible size")
    return dtype


def _check_size(
    path: Path, size: int, points: int, dtype: np.dtype, data: str, offset: int
) -> None:
    columns = sum(int(np.prod(dtype[name].shape, dtype=int)) for name in dtype.names or ())
    # In ascii a value takes at least one digit and one separator.
    least = {"ascii": 2 * columns * points - 1, "binary": dtype.itemsize * points}.get(data, 9)
    if points > LIMITS.points:
        raise _truncated(path, f"it promises {points:,} points, the limit is {LIMITS.points:,}")
    if size - offset < least:
        raise _truncated(
            path,
            f"it promises {points:,} points, at least {least:,} bytes, and holds {size - offset:,}",
        )


def _ascii(path: Path, header: Header, told: Told) -> np.ndarray:
    names = header.dtype.names or ()
    columns = sum(int(np.prod(header.dtype[name].shape, dtype=int)) for name in names)
    if (size := path.stat().st_size) > LIMITS.text_bytes:
        raise large_text(path, size, "pcl_convert_pcd_ascii_binary {file} binary.pcd 1")
    with path.open("rb") as stream:
        stream.seek(header.offset)
        text = stream.read()
    try:
        table = parse_table(text, told, header.points)
    except (ValueError, UnicodeDecodeError) as exc:
        raise _malformed(path, f"a line of numbers cannot be read: {str(exc)[:120]}") from exc
    if table.shape != (header.points, columns):
        raise _truncated(
            path,
            f"it promises {header.points:,} rows of {columns}, and holds {table.shape[0]:,} rows "
            f"of {table.shape[1]}",
        )
    records = np.zeros(header.points, header.dtype)
    column = 0
    for name in names:
        kind = header.dtype[name]
        width = int(np.prod(kind.shape, dtype=int))
        part = table[:, column : column + width].reshape(-1, *kind.shape)
        with np.errstate(invalid="ignore", over="ignore"):
            records[name] = part.astype(kind.base)
        column += width
    return records


def _compressed(path: Path, header: Header, size: int, told: Told) -> dict[str, np.ndarray]:
    total = header.dtype.itemsize * header.points
    with path.open("rb") as stream:
        stream.seek(header.offset)
        packed, unpacked = (int(v) for v in np.frombuffer(stream.read(8), "<u4"))
        if unpacked != total:
            raise _truncated(path, f"its blocks promise {unpacked:,} bytes, its header {total:,}")
        if packed > size - header.offset - 8:
            raise _truncated(
                path,
                f"its compressed block promises {packed:,} bytes, and "
                f"{size - header.offset - 8:,} are there",
            )
        block = stream.read(packed)
    try:
        data = decompress(block, unpacked, told)
    except LzfError as exc:
        raise _truncated(path, f"its compressed block is damaged: {exc}") from exc
    columns: dict[str, np.ndarray] = {}
    at = 0
    for name in (
        header.dtype.names or ()
    ):  # one field after the other, not one record after the other
        kind = header.dtype[name]
        length = kind.itemsize * header.points
        columns[name] = np.frombuffer(data[at : at + length], kind.base).reshape(-1, *kind.shape)
        at += length
    return columns


def _capture(header: Header, records: np.ndarray | dict[str, np.ndarray]) -> Capture:
    names = header.dtype.names or ()
    packed_names = [n for n in ("rgb", "rgba") if n in names]
    color = next((n for n in packed_names if header.dtype[n] in ("<f4", "<u4", "<i4")), "")
    channels = ("r", "g", "b") if {"r", "g", "b"} <= set(names) else ()
    normals = ("normal_x", "normal_y", "normal_z")
    has_normals = set(normals) <= set(names)

    def columns(part: slice, wanted: tuple[str, ...], dtype: type) -> np.ndarray:
        with np.errstate(invalid="ignore"):  # a signalling NaN is a hole like any other
            return np.stack([records[name][part].astype(dtype) for name in wanted], axis=-1)

    def rows(part: slice) -> Rows:
        colors = None
        if color:
            packed = np.ascontiguousarray(records[color][part]).view("<u4")
            colors = np.stack([(packed >> s) & 255 for s in (16, 8, 0)], axis=-1).astype(np.uint8)
        elif channels:
            colors = color_bytes(np.stack([records[n][part] for n in channels], axis=-1))
        points = columns(part, ("x", "y", "z"), np.float64)
        found = Rows(points, colors, columns(part, normals, np.float64) if has_normals else None)
        release(records)
        return found

    position = np.array(header.viewpoint[:3])
    height, width = header.shape
    return Capture(
        format="pcd",
        count=header.points,
        rows=rows,
        has_colors=bool(color or channels),
        has_normals=has_normals,
        organized=(height, width) if height > 1 else None,
        viewpoint=position,
        pose=_pose(header.viewpoint),
        viewpoint_is_default=not position.any(),
    )


def _pose(viewpoint: tuple[float, ...]) -> np.ndarray | None:
    """Return the pose (4, 4) of a VIEWPOINT `tx ty tz qw qx qy qz`; None where it is the default or none."""
    if viewpoint == (0, 0, 0, 1, 0, 0, 0) or not any(viewpoint[3:]):
        return None
    return transform(quat_to_matrix(viewpoint[3:]), viewpoint[:3])
