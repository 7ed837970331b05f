"""Captures made on the spot, with known truth: what the tests of `scan` read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from r2s.core.context import StageContext
from r2s.core.rigid import rpy_to_matrix
from r2s.scan import stage


def pcd_bytes(
    columns: dict[str, np.ndarray], encoding: str, *, height: int = 1,
    viewpoint: str = "0 0 0 1 0 0 0",
) -> bytes:  # fmt: skip
    """Return a PCD file of named columns; compressed ones hold literals only."""
    count = len(next(iter(columns.values())))
    kinds = {k: (v.dtype.kind.upper(), v.dtype.itemsize) for k, v in columns.items()}
    header = (
        "# .PCD v0.7 - Point Cloud Data file format\nVERSION 0.7\n"
        f"FIELDS {' '.join(columns)}\nSIZE {' '.join(str(s) for _, s in kinds.values())}\n"
        f"TYPE {' '.join(t for t, _ in kinds.values())}\nCOUNT {' '.join('1' for _ in columns)}\n"
        f"WIDTH {count // height}\nHEIGHT {height}\nVIEWPOINT {viewpoint}\nPOINTS {count}\nDATA {encoding}\n"
    ).encode()
    if encoding == "ascii":
        rows = zip(*(v.tolist() for v in columns.values()), strict=True)
        return header + "".join(" ".join(f"{x!r}" for x in row) + "\n" for row in rows).encode()
    if encoding == "binary":
        table = np.empty(count, [(k, v.dtype) for k, v in columns.items()])
        for name, values in columns.items():
            table[name] = values
        return header + table.tobytes()
    plain = b"".join(v.tobytes() for v in columns.values())
    packed = b"".join(
        bytes([len(plain[i : i + 32]) - 1]) + plain[i : i + 32] for i in range(0, len(plain), 32)
    )
    return header + np.array([len(packed), len(plain)], "<u4").tobytes() + packed


def ply_bytes(
    points: np.ndarray, *, encoding: str = "binary_little_endian", faces: np.ndarray | None = None,
    colors: np.ndarray | None = None, normals: np.ndarray | None = None, extra: bool = False,
) -> bytes:  # fmt: skip
    """Return a PLY file; `extra` adds properties and an element a reader must step over."""
    order = ">" if "big" in encoding else "<"
    fields = [(axis, order + "f8") for axis in "xyz"]
    fields += [("label", order + "i2")] if extra else []
    fields += [(n, "u1") for n in ("red", "green", "blue")] if colors is not None else []
    fields += [(n, order + "f4") for n in ("nx", "ny", "nz")] if normals is not None else []
    table = np.zeros(len(points), fields)
    for i, axis in enumerate("xyz"):
        table[axis] = points[:, i]
        if colors is not None:
            table[("red", "green", "blue")[i]] = colors[:, i]
        if normals is not None:
            table["n" + axis] = normals[:, i]
    names = {"f8": "double", "f4": "float", "i2": "short", "u1": "uchar"}
    header = f"ply\nformat {encoding} 1.0\ncomment a test\n"
    body = b""
    if extra:
        header += "element camera 1\nproperty float view\nproperty list uchar int flags\n"
        body += b"0.5 2 7 8\n" if encoding == "ascii" else (
            np.array([0.5], order + "f4").tobytes() + b"\x02" + np.array([7, 8], order + "i4").tobytes()
        )  # fmt: skip
    header += f"element vertex {len(points)}\n"
    header += "".join(f"property {names[code[-2:]]} {name}\n" for name, code in fields)
    rows = table.tolist()
    body += (
        "".join(" ".join(repr(v) for v in row) + "\n" for row in rows).encode()
        if encoding == "ascii"
        else table.tobytes()
    )
    if faces is not None:
        header += f"element face {len(faces)}\nproperty list uchar int vertex_indices\n"
        for face in faces:
            body += (
                (" ".join(map(str, [len(face), *face])) + "\n").encode()
                if encoding == "ascii"
                else bytes([len(face)]) + np.asarray(face, order + "i4").tobytes()
            )
    return header.encode() + b"end_header\n" + body


def depth_image(
    *, pitch: float, roll: float = 0.0, height_m: float = 1.4, noise_m: float = 0.002,
    size: tuple[int, int] = (120, 160), seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return a depth camera's points (h * w, 3) in its optical frame, and the true up in that frame.

    The place: floor z = 0, a wall at x = 3, another at y = 1.6, a box 0.4 m high on the floor at x = 1.6.
    The camera looks along +x, pitched down by `pitch` and rolled by `roll` [rad].
    """
    height, width = size
    rows, columns = np.mgrid[0:height, 0:width]
    focal = 0.9 * width
    rays = np.stack(
        [(columns - width / 2) / focal, (rows - height / 2) / focal, np.ones(size)], axis=-1
    ).reshape(-1, 3)
    level = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    R_world_camera = rpy_to_matrix([0, pitch, 0]) @ level @ rpy_to_matrix([0, 0, roll])
    d, eye = rays @ R_world_camera.T, np.array([0.0, 0.0, height_m])
    reach = np.full(len(d), np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        for axis, at in ((2, 0.0), (0, 3.0), (1, 1.6)):
            t = (at - eye[axis]) / d[:, axis]
            reach = np.where((t > 0) & (t < reach), t, reach)
        low, high = np.array([1.4, -0.4, 0.0]), np.array([1.8, 0.1, 0.4])
        a, b = (low - eye) / d, (high - eye) / d
        enter, leave = np.minimum(a, b).max(axis=1), np.maximum(a, b).min(axis=1)
        reach = np.where((enter < leave) & (enter > 0) & (enter < reach), enter, reach)
    rng = np.random.default_rng(seed)
    points = rays * reach[:, None] * (1 + rng.normal(0, noise_m / 2, len(rays)))[:, None]
    points[~np.isfinite(reach) | (reach > 8)] = np.nan
    return points, R_world_camera.T @ [0, 0, 1]


def room_points(*, count: int = 60_000, noise_m: float = 0.005, seed: int = 0) -> np.ndarray:
    """Return points (count, 3) on the walls, floor and ceiling of a 5 x 4 x 2.6 m room seen from (0, 0, 0).

    The floor is at z = -1.1; a LiDAR with its origin inside.
    """
    rng = np.random.default_rng(seed)
    rays = rng.normal(size=(count, 3))
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    low, high = np.array([-2.2, -1.9, -1.1]), np.array([2.8, 2.1, 1.5])
    with np.errstate(divide="ignore"):
        reach = np.where(rays > 0, high / rays, low / rays).min(axis=1)
    return rays * (reach + rng.normal(0, noise_m, count))[:, None]


def scan(path: Path, scratch: Path | None = None, **config):
    """Return the `Scan` of a file."""
    context = StageContext(scratch or path.parent, {"capture": path})
    return stage.run({}, stage.Config(**config), context)


def columns_of(points: np.ndarray, dtype: str = "<f4") -> dict[str, np.ndarray]:
    """Return x, y, z columns."""
    return {axis: points[:, i].astype(dtype) for i, axis in enumerate("xyz")}
