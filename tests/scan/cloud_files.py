"""Survey clouds made on the spot: LAS bytes by hand, E57 by libe57, hills and rooms with known truth."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

UTM = np.array([515368.0, 4918340.0, 2300.0])


def vlr(number: int, data: bytes, user: bytes = b"LASF_Projection") -> bytes:
    """Return a LAS header record."""
    return struct.pack("<H16sHH32s", 0, user, number, len(data), b"") + data


def geokeys(**keys: int) -> bytes:
    """Return a GeoKeyDirectory of short keys: `geokeys(k1024=1, k3072=32611)`."""
    rows = [(int(name[1:]), 0, 1, value) for name, value in keys.items()]
    return np.array([(1, 1, 0, len(rows)), *rows], "<u2").tobytes()


def las_bytes(
    points: np.ndarray, *, scale: float = 0.001, records: bytes = b"", record_count: int = 0,
    colors: np.ndarray | None = None, wkt: bool = False, count: int | None = None,
) -> bytes:  # fmt: skip
    """Return a LAS 1.2 file of point format 0, or 2 where there are colours (n, 3) uint16."""
    size = 20 if colors is None else 26
    offset = 227 + len(records)
    origin = np.floor(points.mean(axis=0))
    head = struct.pack(
        "<4sHH16sBB32s32sHHHIIBHI5I", b"LASF", 0, 0x10 * wkt, b"", 1, 2, b"test", b"test", 1, 2000,
        227, offset, record_count, 0 if colors is None else 2, size,
        len(points) if count is None else count, *[0] * 5,
    )  # fmt: skip
    low, high = points.min(axis=0), points.max(axis=0)
    bounds = [v for pair in zip(high, low, strict=True) for v in pair]
    head += struct.pack("<12d", *[scale] * 3, *origin, *bounds)
    table = np.zeros((len(points), size), np.uint8)
    integers = np.rint((points - origin) / scale).astype("<i4")
    table[:, :12] = np.ascontiguousarray(integers).view(np.uint8)
    if colors is not None:
        table[:, 20:26] = np.ascontiguousarray(colors.astype("<u2")).view(np.uint8)
    return head + records + table.tobytes()


def write_laz(path: Path, points: np.ndarray, *, scale: float = 0.001) -> None:
    """Write a LAZ file with laspy."""
    import laspy

    header = laspy.LasHeader(point_format=6, version="1.4")
    header.scales, header.offsets = np.full(3, scale), np.floor(points.mean(axis=0))
    las = laspy.LasData(header)
    las.x, las.y, las.z = points.T
    las.write(path)


def write_e57(path: Path, scans: list[dict]) -> None:
    """Write scans: `points` (n, 3) in their own frame, `rotation` wxyz, `translation`, `invalid` (n,)."""
    import pye57

    with pye57.E57(str(path), mode="w") as out:
        for scan in scans:
            points = scan["points"]
            data = {f"cartesian{axis}": points[:, i].copy() for i, axis in enumerate("XYZ")}
            if "invalid" in scan:
                data["cartesianInvalidState"] = scan["invalid"].astype(np.int8)
            out.write_scan_raw(
                data, rotation=np.asarray(scan.get("rotation", [1.0, 0, 0, 0])),
                translation=np.asarray(scan.get("translation", [0.0, 0, 0])),
            )  # fmt: skip


def ptx_text(
    points: np.ndarray, *, rows: int, T: np.ndarray | None = None, rgb: np.ndarray | None = None,
    intensity: bool = True,
) -> str:  # fmt: skip
    """Return one scan of a PTX file: points (n, 3) of a scanner with pose `T`, n a multiple of `rows`."""
    T = np.eye(4) if T is None else T
    columns, odd = divmod(len(points), rows)
    assert not odd
    registered = [T[:3, 3], *T[:3, :3].T]
    parts = [points, np.full((len(points), int(intensity)), 0.5)] + [rgb] * (rgb is not None)
    lines = [*registered, *T.T, *np.concatenate(parts, axis=1)]
    body = "".join(" ".join(repr(_plain(v)) for v in line.tolist()) + "\n" for line in lines)
    return f"{columns}\n{rows}\n{body}"


def _plain(number: float) -> float | int:
    return int(number) if number == int(number) else float(number)


def hills(count: int = 40_000, *, width: float = 300.0, seed: int = 0) -> np.ndarray:
    """Return points (count, 3) on ground that is nowhere level for long."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, width, (2, count))
    z = 25 * np.sin(x / 40) * np.cos(y / 33) + 12 * np.sin((x + y) / 21)
    return np.stack([x, y, z + rng.normal(0, 0.03, count)], axis=1)
