"""USD scenes (USDZ, USDC, USDA): the meshes as a capture, through usd-core, which is optional.

The package's directory is checked here; Pixar's library composes the scene in a child process.
"""

from __future__ import annotations

import importlib.util
import zipfile
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from r2s.core.errors import R2SError
from r2s.core.rigid import apply
from r2s.guard.child import run_limited
from r2s.guard.limits import LIMITS
from r2s.guard.preflight import shown
from r2s.scan.capture import Capture, Doubt, Mesh
from r2s.scan.readers.broken import malformed, truncated
from r2s.scan.readers.crs import unit_of_factor
from r2s.scan.readers.mesh import capture_of_sampled, sampled
from r2s.scan.readers.usd_colors import Fans, Pictures, coats_of

_MOST_FILES = 1000
_TOLD_PICTURES = 5
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
    unit = unit_of_factor(loaded["metres"])
    if not unit:
        raise _malformed(where, f"its metersPerUnit is {loaded['metres']:g}, no unit r2s knows")
    return capture_of_sampled(
        "usd", loaded, where, declared_unit=unit, declared_up=f"+{loaded['up'].lower()}",
        declared_by="USD", facts=tuple(Doubt(said) for said in loaded["doubts"]),
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
        What `sampled` does, and `metres` per unit, the `up` axis, `doubts` in words.
    """
    usd, geometry, tf = (import_module(f"pxr.{name}") for name in ("Usd", "UsdGeom", "Tf"))
    try:
        stage = usd.Stage.Open(str(path))
    except tf.ErrorException as exc:
        raise _truncated(where, str(exc)[:200]) from exc
    transforms = geometry.XformCache()
    pictures = Pictures(path)
    vertices, faces, coats = [], [], []
    at = 0
    for prim in stage.Traverse(usd.TraverseInstanceProxies()):
        shape = geometry.Mesh(prim) if prim.IsA(geometry.Mesh) else None
        points = None if shape is None else shape.GetPointsAttr().Get()
        if shape is None or not points:
            continue
        own = np.array(points, np.float64).reshape(-1, 3)
        fans = _fans(shape, len(own), where)
        T = np.array(transforms.GetLocalToWorldTransform(prim), np.float64).T  # rows are vectors
        if np.linalg.det(T[:3, :3]) < 0:
            fans = fans.turned_over()
        vertices.append(apply(T, own))
        for some, coat in coats_of(prim, fans, len(own), pictures):
            faces.append(fans.points[some] + at)
            coats.append(coat)
        at += len(own)
        if at > LIMITS.vertices or sum(map(len, faces)) > LIMITS.faces:
            raise _malformed(where, f"it has more than {LIMITS.vertices:,} vertices")
    if not faces or not any(map(len, faces)):
        raise _malformed(where, "it holds no mesh")
    doubts = [f"its picture {name} could not be read" for name in pictures.missing[:_TOLD_PICTURES]]
    return {
        **sampled(Mesh(np.concatenate(vertices), np.concatenate(faces)), coats),
        "metres": float(geometry.GetStageMetersPerUnit(stage)), "up": str(geometry.GetStageUpAxis(stage)),
        "doubts": doubts,
    }  # fmt: skip


def _fans(shape: Any, vertices: int, where: str) -> Fans:
    """Return the faces of a mesh as fans of triangles."""
    counts = np.array(shape.GetFaceVertexCountsAttr().Get() or [], np.int64)
    corners = np.array(shape.GetFaceVertexIndicesAttr().Get() or [], np.int64)
    if (counts < 0).any() or counts.sum() != len(corners):
        raise _malformed(
            where, f"faces of {counts.sum():,} corners, and {len(corners):,} are there"
        )
    if len(corners) and (corners.min() < 0 or corners.max() >= vertices):
        raise _malformed(where, f"a face names vertex {corners.max()}, and there are {vertices}")
    starts = np.cumsum(counts) - counts
    fans = np.maximum(counts - 2, 0)
    first = np.repeat(starts, fans)
    second = np.arange(fans.sum()) - np.repeat(np.cumsum(fans) - fans, fans) + 1
    corner = np.stack([first, first + second, first + second + 1], axis=1)
    found = Fans(corners[corner], corner, np.repeat(np.arange(len(counts)), fans))
    return found.turned_over() if str(shape.GetOrientationAttr().Get()) == "leftHanded" else found


def _no_library(where: str) -> R2SError:
    return R2SError(
        "R2S-SCAN-052", "USD scenes are read by the package usd-core, which is not installed", where=where,
        why="it is optional, since it is large",
        remedy="pip install usd-core    # or export the scan as GLB in the app that made it",
    )  # fmt: skip
