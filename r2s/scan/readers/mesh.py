"""Meshes (GLB, OBJ, STL, and PLY with faces) as captures: the surface, and points sampled evenly on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from r2s.artifacts.pictures import Texture
from r2s.core.errors import R2SError
from r2s.guard.child import run_limited
from r2s.guard.limits import LIMITS
from r2s.guard.preflight import shown
from r2s.scan.capture import Capture, Mesh, rows_of
from r2s.scan.clean import FARTHEST
from r2s.scan.readers.coat import Coat, Dress, dressed, pixels_of, srgb
from r2s.scan.readers.glb import check_glb

# Samples per square of 1/700 of the diagonal: nearly every voxel of that size gets a point.
SAMPLES_PER_CELL = 4
CELLS_PER_DIAGONAL = 700
MOST_SAMPLES = 750_000
LEAST_SAMPLES = 20_000
MOST_TEXTURED = 1_000_000  # faces; of more, points are as fine as texels would be
# Steps of the two-dimensional R2 sequence (Roberts 2018): 1/g and 1/g^2 with g^3 = g + 1.
_R2 = (0.7548776662466927, 0.5698402909980532)


def read_mesh(path: Path, kind: str) -> Capture:
    """Open a GLB, OBJ or STL file. It is parsed by trimesh in a child process with limits."""
    if kind == "glb":
        check_glb(path, path.stat().st_size)
    loaded = run_limited(
        "r2s.scan.readers.mesh:load", (path, kind), limits=LIMITS.parse,
        what=f"trimesh reading {shown(path)}",
    )  # fmt: skip
    where = shown(path)
    declared: dict[str, Any] = (
        {"declared_unit": "m", "declared_up": "+y", "declared_by": "glTF"} if kind == "glb" else {}
    )
    if "vertex_colors" not in loaded:
        return capture_of_sampled(kind, loaded, where, **declared)
    points, colors = loaded["vertices"], loaded["vertex_colors"]
    if len(points) == 0:
        raise _empty(where)
    return Capture(
        kind, len(points), rows_of(points, colors), has_colors=colors is not None, **declared
    )


def capture_of_mesh(kind: str, mesh: Mesh, colors: np.ndarray | None, *, where: str) -> Capture:
    """Return the capture of a mesh that is already in memory. colors: (v, 3) uint8 per vertex."""
    mesh = _checked(mesh, where)
    coat = Coat(len(mesh.faces), colors=None if colors is None else colors[mesh.faces])
    return capture_of_sampled(kind, sampled(mesh, [coat]), where)


def capture_of_sampled(kind: str, found: dict[str, Any], where: str, **declared: Any) -> Capture:
    """Return the capture of what `sampled` found, maybe in a child, where a texture is a plain tuple."""
    texture = found["texture"]
    mesh = Mesh(found["vertices"], found["faces"], texture and Texture(*texture))
    return Capture(
        kind, len(found["points"]), rows_of(found["points"], found["colors"], found["normals"]),
        has_colors=found["colors"] is not None, has_normals=True, mesh=_checked(mesh, where), **declared,
    )  # fmt: skip


def load(path: Path, kind: str) -> dict[str, Any]:
    """Parse a mesh file with trimesh and sample it. Runs in the child.

    Returns what `sampled` does; without faces: `vertices` (v, 3), `vertex_colors` (v, 3) or None.
    """
    import trimesh

    beside: Any = _Beside(path.parent)
    with path.open("rb") as stream:
        scene = trimesh.load_scene(stream, file_type=kind, process=False, resolver=beside)
    parts = [
        (scene.geometry[name], np.asarray(T, dtype=np.float64))
        for T, name in (scene.graph[node] for node in sorted(scene.graph.nodes_geometry))
    ]
    meshes = [(g, T) for g, T in parts if isinstance(g, trimesh.Trimesh) and len(g.faces)]
    if not meshes:
        return _points_only([(g, T) for g, T in parts if isinstance(g, trimesh.PointCloud)])
    vertices, faces, coats, at = [], [], [], 0
    for g, T in meshes:
        vertices.append(np.asarray(g.vertices, np.float64) @ T[:3, :3].T + T[:3, 3])
        mirrored = np.linalg.det(T[:3, :3]) < 0
        own = np.asarray(g.faces, np.int64)[:, :: -1 if mirrored else 1]
        faces.append(own + at)
        coats.append(_coat(g, own))
        at += len(g.vertices)
    return sampled(Mesh(np.concatenate(vertices), np.concatenate(faces)), coats)


def sampled(whole: Mesh, coats: Sequence[Coat]) -> dict[str, Any]:
    """Return a mesh, welded, with its texture, and even samples of it.

    Returns:
        `vertices` (v, 3), `faces` (f, 3), their `texture` or None; `points`, `normals` (n, 3) float64 and
        `colors` (n, 3) uint8 or None.

    Raises:
        ValueError: it is too large.
    """
    if len(whole.faces) > LIMITS.faces or len(whole.vertices) > LIMITS.vertices:
        raise ValueError(f"{len(whole.vertices):,} vertices and {len(whole.faces):,} faces")
    if not (np.abs(whole.vertices) < FARTHEST).all() or whole.faces.max() >= len(whole.vertices):
        nothing = np.empty((0, 3))
        return {**whole._asdict(), "points": nothing, "normals": nothing, "colors": None}
    face, weights = sample_faces(whole)
    dress = Dress(coats)
    welded, kept = weld(whole)
    if dress.is_colored and 0 < len(welded.faces) <= MOST_TEXTURED:
        of = np.flatnonzero(kept)
        welded = dressed(
            welded, dress.texel(whole), lambda face, weights: dress.colors(of[face], weights)
        )
    return {
        **welded._asdict(),
        "points": np.einsum("nk,nki->ni", weights, whole.vertices[whole.faces[face]]),
        "normals": face_normals(whole)[face],
        "colors": dress.colors(face, weights) if dress.is_colored else None,
    }


def sample_faces(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Return face indices (n,) and barycentric weights (n, 3), even by area and the same every time."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    areas = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    total = float(areas.sum())
    if not np.isfinite(total) or total <= 0:
        return np.zeros(0, np.int64), np.zeros((0, 3))
    used = mesh.vertices[np.unique(mesh.faces)]
    cell = float(np.linalg.norm(np.ptp(used, axis=0))) / CELLS_PER_DIAGONAL
    n = int(np.clip(SAMPLES_PER_CELL * total / cell**2, LEAST_SAMPLES, MOST_SAMPLES))
    index = np.arange(n)
    face = np.searchsorted(np.cumsum(areas), (index + 0.5) / n * total, side="right")
    face = np.minimum(face, len(areas) - 1)
    u, v = (0.5 + index * _R2[0]) % 1.0, (0.5 + index * _R2[1]) % 1.0
    fold = u + v > 1
    u, v = np.where(fold, 1 - u, u), np.where(fold, 1 - v, v)
    return face, np.stack([1 - u - v, u, v], axis=1)


def face_normals(mesh: Mesh) -> np.ndarray:
    """Return unit normals (f, 3) by the right-hand rule; zero for faces without area."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    normals = np.cross(b - a, c - a)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.divide(normals, length, out=np.zeros_like(normals), where=length > 0)


def weld(mesh: Mesh) -> tuple[Mesh, np.ndarray]:
    """Return the mesh with equal vertices merged, and which faces (f,) are left: none that collapsed."""
    vertices, back = np.unique(mesh.vertices, axis=0, return_inverse=True)
    faces = back.reshape(-1)[mesh.faces]
    whole = (
        (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    )
    faces = faces[whole]
    used, packed = np.unique(faces, return_inverse=True)
    return Mesh(vertices[used], packed.reshape(-1, 3)), whole


def obj_companions(path: Path) -> list[Path]:
    """Return the material and texture files an OBJ file names, those that exist inside its folder."""
    found: list[Path] = []
    for library in _named(path, ("mtllib",)):
        if (file := inside(path.parent, library)) is not None:
            found.append(file)
            for picture in _named(
                file, ("map_Kd", "map_Ka", "map_Bump", "map_bump", "bump", "map_d")
            ):
                if (texture := inside(path.parent, picture)) is not None:
                    found.append(texture)
    return sorted(set(found))


def _named(path: Path, keys: tuple[str, ...]) -> list[str]:
    names = []
    with path.open("rb") as stream:
        for line in stream:
            words = line.split(None, 1)
            if len(words) == 2 and words[0].decode("ascii", "replace") in keys:
                names.append(words[1].decode("utf-8", "replace").strip())
    return names


def inside(folder: Path, name: str) -> Path | None:
    """Return folder/name where that is a file inside the folder, links followed."""
    try:
        file = (folder / name).resolve()
        return file if file.is_relative_to(folder.resolve()) and file.is_file() else None
    except (OSError, ValueError):
        return None


class _Beside:
    """Gives trimesh the files beside a mesh, and none outside its folder."""

    def __init__(self, folder: Path):
        self._folder = folder

    def get(self, name: str) -> bytes:
        file = inside(self._folder, name.strip())
        if file is None or file.stat().st_size > LIMITS.file_bytes:
            raise FileNotFoundError(name)
        return file.read_bytes()

    def __getitem__(self, name: str) -> bytes:
        return self.get(name)

    def namespaced(self, namespace: str) -> _Beside:
        return _Beside(self._folder)


def _points_only(clouds: list[tuple[Any, np.ndarray]]) -> dict[str, Any]:
    points = [np.asarray(g.vertices, np.float64) @ T[:3, :3].T + T[:3, 3] for g, T in clouds]
    colors = [np.asarray(g.colors)[:, :3].astype(np.uint8) for g, _ in clouds if len(g.colors)]
    complete = len(colors) == len(clouds) > 0
    return {
        "vertices": np.concatenate([np.empty((0, 3)), *points]),
        "faces": np.empty((0, 3), np.int64),
        "vertex_colors": np.concatenate(colors) if complete else None,
    }


def _coat(mesh: Any, faces: np.ndarray) -> Coat:
    """Return the colours of trimesh's mesh. faces: (f, 3) its own, maybe turned over."""
    visual, count = mesh.visual, len(faces)
    if visual.kind == "vertex":
        return Coat(count, colors=np.asarray(visual.vertex_colors)[:, :3].astype(np.uint8)[faces])
    if visual.kind == "face":
        colors = np.asarray(visual.face_colors)[:, None, :3].astype(np.uint8)
        return Coat(count, colors=np.broadcast_to(colors, (count, 3, 3)))
    if visual.kind != "texture" or getattr(visual, "uv", None) is None:
        return Coat(count)
    image = getattr(visual.material, "baseColorTexture", None) or getattr(
        visual.material, "image", None
    )
    pixels = None if image is None else pixels_of(image)
    if pixels is not None:
        return Coat(count, pixels, np.asarray(visual.uv)[faces])
    plain = _plain_color(visual.material)
    return Coat(count, colors=None if plain is None else np.broadcast_to(plain, (count, 3, 3)))


def _plain_color(material: Any) -> np.ndarray | None:
    """Return the one colour (3,) uint8 sRGB that a material states, or None."""
    if hasattr(material, "baseColorFactor"):  # glTF: linear light
        factor = material.baseColorFactor
        return None if factor is None else srgb(np.asarray(factor)[:3] / 255)
    main = getattr(material, "main_color", None)
    return None if main is None else np.asarray(main)[:3].astype(np.uint8)


def _checked(mesh: Mesh, where: str) -> Mesh:
    """Raise unless the mesh is finite, in range and has area."""
    if len(mesh.faces) == 0 or len(mesh.vertices) == 0:
        raise _empty(where)
    if mesh.faces.min() < 0 or mesh.faces.max() >= len(mesh.vertices):
        raise _broken(where, f"a face names vertex {mesh.faces.max()} of {len(mesh.vertices)}")
    with np.errstate(invalid="ignore"):
        bad = int((~(np.abs(mesh.vertices) < FARTHEST)).any(axis=1).sum())
    if bad:
        raise _broken(
            where, f"{bad:,} of {len(mesh.vertices):,} vertices are not numbers of sane size"
        )
    if not len(sample_faces(mesh)[0]):
        raise _broken(where, f"its {len(mesh.faces):,} faces have no area")
    return mesh


def _empty(where: str) -> R2SError:
    return R2SError(
        "R2S-SCAN-005", "the file holds no surface and no points", where=where,
        why="a capture needs triangles or points", remedy="export the scan again, with its geometry",
    )  # fmt: skip


def _broken(where: str, why: str) -> R2SError:
    return R2SError(
        "R2S-SCAN-009", "the mesh is broken", where=where, why=why,
        remedy="repair it (MeshLab: Filters > Cleaning and Repairing) and export it again",
    )  # fmt: skip
