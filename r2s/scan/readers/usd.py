"""USD scenes (USDZ, USDC, USDA): the meshes as a capture, through usd-core, which is optional.

The package's directory is checked here; Pixar's library composes the scene in a child process.
"""

from __future__ import annotations

import importlib.util
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from r2s.core.errors import R2SError
from r2s.core.rigid import apply
from r2s.guard.child import run_limited
from r2s.guard.limits import LIMITS
from r2s.guard.preflight import shown
from r2s.scan.capture import Capture, Mesh
from r2s.scan.readers.broken import malformed, truncated
from r2s.scan.readers.crs import unit_of_factor
from r2s.scan.readers.mesh import capture_of_mesh

_MOST_FILES = 1000
_malformed = partial(malformed, "the USD file is malformed", "export the scan again, as GLB or PLY")
_truncated = partial(truncated, "the USD file is damaged or cut")


def read_usd(path: Path, kind: str) -> Capture:
    """Open a USD scene. kind: `usdz` or `usd`.

    Raises:
        R2SError: the library is missing; damaged; no mesh; a unit that r2s does not know.
    """
    where = shown(path)
    if kind == "usdz":
        _check_package(path)
    if importlib.util.find_spec("pxr") is None:
        raise _no_library(where)
    loaded = run_limited(
        "r2s.scan.readers.usd:load", (path, where), limits=LIMITS.parse, what=f"usd-core reading {where}"
    )  # fmt: skip
    mesh = Mesh(loaded["vertices"], loaded["faces"])
    unit = unit_of_factor(loaded["metres"])
    if not unit:
        raise _malformed(where, f"its metersPerUnit is {loaded['metres']:g}, no unit r2s knows")
    capture = capture_of_mesh("usd", mesh, loaded["colors"], where=where)
    facts = ("its textures are not read; colours are those of its vertices, if any",)
    return replace(
        capture, declared_unit=unit, declared_up=f"+{loaded['up'].lower()}", declared_by="USD", facts=facts
    )  # fmt: skip


def _check_package(path: Path) -> None:
    """Check the directory of a USDZ: files stored as they are, the first one a scene (USDZ 1.3)."""
    try:
        with zipfile.ZipFile(path) as package:
            entries = package.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as exc:
        raise _truncated(path, f"its zip directory cannot be read: {str(exc)[:120]}") from exc
    if not entries or len(entries) > _MOST_FILES:
        raise _malformed(path, f"it holds {len(entries):,} files")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise _malformed(path, "its files are compressed, which USDZ forbids")
    if Path(entries[0].filename).suffix.lower() not in (".usd", ".usda", ".usdc"):
        raise _malformed(path, f"its first file is {entries[0].filename[:60]!r}, not a scene")
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise _truncated(path, "its files are larger than it is")


def load(path: Path, where: str) -> dict[str, Any]:
    """Return the meshes of a scene as one, in its own unit and axes. Runs in the child.

    Returns:
        `vertices` (v, 3), `faces` (f, 3), `colors` (v, 3) uint8 or None, `metres` per unit, `up` axis.
    """
    from pxr import Tf, Usd, UsdGeom  # pyright: ignore[reportMissingImports] - optional

    try:
        stage = Usd.Stage.Open(str(path))
    except Tf.ErrorException as exc:
        raise _truncated(where, str(exc)[:200]) from exc
    transforms = UsdGeom.XformCache()
    vertices, faces, colors = [], [], []
    at = 0
    for prim in stage.Traverse(Usd.TraverseInstanceProxies()):
        shape = UsdGeom.Mesh(prim) if prim.IsA(UsdGeom.Mesh) else None
        points = None if shape is None else shape.GetPointsAttr().Get()
        if shape is None or not points:
            continue
        own = np.array(points, np.float64).reshape(-1, 3)
        triangles = _triangles(shape, len(own), where)
        T = np.array(transforms.GetLocalToWorldTransform(prim), np.float64).T  # rows are vectors
        if np.linalg.det(T[:3, :3]) < 0:
            triangles = triangles[:, ::-1]
        vertices.append(apply(T, own))
        faces.append(triangles + at)
        colors.append(_vertex_colors(shape, len(own)))
        at += len(own)
        if at > LIMITS.vertices or sum(map(len, faces)) > LIMITS.faces:
            raise _malformed(where, f"it has more than {LIMITS.vertices:,} vertices")
    if not faces or not any(map(len, faces)):
        raise _malformed(where, "it holds no mesh")
    colored = all(each is not None for each in colors)
    return {
        "vertices": np.concatenate(vertices), "faces": np.concatenate(faces),
        "colors": np.concatenate(colors) if colored else None,
        "metres": float(UsdGeom.GetStageMetersPerUnit(stage)), "up": str(UsdGeom.GetStageUpAxis(stage)),
    }  # fmt: skip


def _triangles(shape: Any, vertices: int, where: str) -> np.ndarray:
    """Return the faces of a mesh as fans of triangles (f, 3)."""
    counts = np.array(shape.GetFaceVertexCountsAttr().Get() or [], np.int64)
    corners = np.array(shape.GetFaceVertexIndicesAttr().Get() or [], np.int64)
    if (counts < 0).any() or counts.sum() != len(corners):
        raise _malformed(
            where, f"faces of {counts.sum():,} corners, and {len(corners):,} are there"
        )
    if len(corners) and (corners.min() < 0 or corners.max() >= vertices):
        raise _malformed(where, f"a face names vertex {corners.max()}, and there are {vertices}")
    if str(shape.GetOrientationAttr().Get()) == "leftHanded":
        starts = np.repeat(np.cumsum(counts) - counts, counts)
        ends = np.repeat(np.cumsum(counts), counts)
        corners = corners[starts + ends - 1 - np.arange(len(corners))]
    starts = np.cumsum(counts) - counts
    fans = np.maximum(counts - 2, 0)
    first = np.repeat(starts, fans)
    second = np.arange(fans.sum()) - np.repeat(np.cumsum(fans) - fans, fans) + 1
    return np.stack([corners[first], corners[first + second], corners[first + second + 1]], axis=1)


def _vertex_colors(shape: Any, vertices: int) -> np.ndarray | None:
    """Return the display colours (v, 3) uint8 where there is one per vertex. USD stores linear light."""
    stored = shape.GetDisplayColorAttr().Get()
    if stored is None or len(stored) != vertices:
        return None
    linear = np.clip(np.nan_to_num(np.array(stored, np.float64).reshape(-1, 3)), 0, 1)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(srgb * 255).astype(np.uint8)


def _no_library(where: str) -> R2SError:
    return R2SError(
        "R2S-SCAN-052", "USD scenes are read by the package usd-core, which is not installed", where=where,
        why="it is optional, since it is large",
        remedy="pip install usd-core    # or export the scan as GLB in the app that made it",
    )  # fmt: skip
