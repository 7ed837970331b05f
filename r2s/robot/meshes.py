"""Mesh files through trimesh: any format in, clean triangles out, one part per colour."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from r2s.core.errors import R2SError
from r2s.robot.description import Mesh
from r2s.robot.names import legal_name

MAX_FACES = 200_000  # MuJoCo's limit for STL
MAX_VISUAL_FACES = 20_000  # a picture of a robot shows no more, and every scene carries them
Rgba = tuple[float, float, float, float]


@dataclass
class MeshPart:
    """Triangles of one colour; `rgba` is None if the file has no colour."""

    mesh: Mesh
    rgba: Rgba | None
    faces_in_file: int


def load_mesh(path: Path, scale: np.ndarray) -> list[MeshPart]:
    """Return the parts of a mesh file, in metres, its scene graph and `scale` (3,) baked in.

    Mirrored scales flip the winding, so that normals keep pointing outwards.

    Raises:
        R2SError: the file cannot be read or holds no triangle.
    """
    import trimesh

    try:
        kind = _file_type(path)
        scene = trimesh.load_scene(path, file_type=kind, process=False)
        loaded = scene.dump() if hasattr(scene, "dump") else []
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OSError, ImportError) as e:
        raise _unreadable(path, f"{type(e).__name__}: {e}") from e
    groups: dict[Rgba | None, list] = {}
    for geometry in loaded:
        if isinstance(geometry, trimesh.Trimesh) and len(geometry.faces):
            groups.setdefault(_colour(geometry), []).append(geometry)
    if not groups:
        raise _unreadable(path, "it holds no triangle")
    parts = [
        _part(path, index, rgba, found, scale) for index, (rgba, found) in enumerate(groups.items())
    ]
    return parts


def convex_hull(points: np.ndarray) -> Mesh:
    """Return the convex hull of (n, 3) points; a flat or thin set is thickened by 0.5 mm first."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        hull = ConvexHull(points)
        if hull.volume < 1e-12:
            raise QhullError("no volume")
    except (QhullError, ValueError):
        offsets = 5e-4 * np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
        points = (points[:, None, :] + offsets).reshape(-1, 3)
        hull = ConvexHull(points)
    used = hull.vertices
    index = np.full(len(points), -1)
    index[used] = np.arange(len(used))
    faces = index[hull.simplices]
    # Qhull leaves the winding open; turn every face outwards.
    corners = points[hull.simplices]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    inward = np.einsum("ij,ij->i", normal, hull.equations[:, :3]) < 0
    faces[inward] = faces[inward][:, ::-1]
    return Mesh("hull", points[used], faces)


def few_vertices(mesh: Mesh, count: int) -> Mesh:
    """Return a hull of at most `count` vertices inside a hull, by farthest support points."""
    vertices = mesh.vertices
    if len(vertices) <= count:
        return mesh
    from r2s.robot.shapes import sphere_points

    directions = sphere_points(count)
    spread = np.maximum(np.ptp(vertices, axis=0), 1e-4)
    chosen = np.unique(np.argmax((vertices / spread) @ directions.T, axis=0))
    return convex_hull(vertices[chosen])


def for_pictures(mesh: Mesh) -> Mesh:
    """Return a mesh of at most MAX_VISUAL_FACES triangles that looks the same."""
    if len(mesh.faces) <= MAX_VISUAL_FACES:
        return mesh
    vertices, faces = _decimated(mesh.vertices, mesh.faces, MAX_VISUAL_FACES)
    return Mesh(mesh.name, vertices, faces, mesh.folder)


def stl_bytes(mesh: Mesh) -> bytes:
    """Return binary STL; the same mesh gives the same bytes."""
    corners = mesh.vertices[mesh.faces].astype("<f4")
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = np.divide(normals, length, out=np.zeros_like(normals), where=length > 0)
    record = np.zeros(
        len(corners), dtype=[("n", "<f4", 3), ("v", "<f4", (3, 3)), ("attribute", "<u2")]
    )
    record["n"], record["v"] = normals, corners
    return b"r2s".ljust(80, b" ") + np.uint32(len(corners)).tobytes() + record.tobytes()


def short_digest(data: bytes) -> str:
    """Return eight hexadecimal digits that tell assets of one name apart."""
    return hashlib.sha256(data).hexdigest()[:8]


def _part(path: Path, index: int, rgba: Rgba | None, found: list, scale: np.ndarray) -> MeshPart:
    import trimesh

    whole: Any = trimesh.util.concatenate(found) if len(found) > 1 else found[0]
    vertices = np.asarray(whole.vertices, dtype=np.float64) * scale
    faces = np.asarray(whole.faces)
    if np.prod(scale) < 0:
        faces = faces[:, ::-1]
    if not np.isfinite(vertices).all():
        raise _unreadable(path, "it has NaN or infinite coordinates")
    faces_in_file = len(faces)
    if faces_in_file > MAX_FACES:
        vertices, faces = _decimated(vertices, faces, MAX_FACES)
    vertices, faces = _merged(vertices, faces)
    if not len(faces):
        raise _unreadable(path, "all of its triangles have zero area")
    suffix = f"_{index}" if index else ""
    folder = "/".join(path.parent.parts[-2:])
    mesh = Mesh(legal_name(path.stem) + suffix, vertices, faces, folder)
    return MeshPart(mesh, rgba, faces_in_file)


def _merged(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Merge equal vertices and drop triangles that collapse."""
    rounded = vertices.astype(np.float32)
    first, group = _equal_rows(rounded)
    faces = group[faces]
    a, b, c = faces.T
    return rounded[first].astype(np.float64), faces[(a != b) & (b != c) & (a != c)]


def _equal_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the index of one row of each value, and each row's value number.

    Three stable sorts, a tenth of the time of `np.unique(axis=0)`.
    """
    order = np.lexsort(rows.T)
    in_order = rows[order]
    new = np.r_[True, (in_order[1:] != in_order[:-1]).any(axis=1)]
    group = np.empty(len(rows), dtype=np.int64)
    group[order] = np.cumsum(new) - 1
    return order[new], group


def _decimated(
    vertices: np.ndarray, faces: np.ndarray, limit: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return fewer than `limit` triangles by clustering vertices in a growing grid."""
    cell = np.ptp(vertices, axis=0).max() / 400
    while len(faces) >= limit:
        keys = np.round(vertices / cell).astype(np.int64)
        first, group = _equal_rows(keys)
        vertices, faces = vertices[first], group[faces]
        a, b, c = faces.T
        faces = np.unique(faces[(a != b) & (b != c) & (a != c)], axis=0)
        cell *= 1.25
    return vertices, faces


def _colour(geometry) -> Rgba | None:
    """Return the main colour of a geometry's material, or None."""
    visual = geometry.visual
    if visual.kind is None:
        return None
    material = getattr(visual, "material", None)
    if visual.kind == "texture" and material is not None:
        colour = getattr(material, "main_color", None)
    elif visual.kind in ("face", "vertex"):
        colour = visual.main_color
    else:
        colour = None
    if colour is None or len(colour) < 3:
        return None
    values = [round(float(c) / 255, 3) for c in np.asarray(colour).ravel()[:4]]
    return (values[0], values[1], values[2], values[3] if len(values) > 3 else 1.0)


def _file_type(path: Path) -> str:
    """Return the format by suffix; `.stl` may be ASCII or binary, trimesh tells them apart."""
    suffix = path.suffix.lower().removeprefix(".")
    return "stl" if suffix in ("stla", "stlb") else suffix


def _unreadable(path: Path, why: str) -> R2SError:
    return R2SError(
        "R2S-ROBOT-011",
        "a mesh of the robot cannot be read",
        where=str(path),
        why=why,
        remedy="export it again as binary STL or OBJ; r2s reads STL, OBJ, DAE, GLB, GLTF, PLY, OFF",
    )
