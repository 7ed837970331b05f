"""Real objects on a table, scanned all around: r2s's colliders beside the sets their sources ship.

Both sets are compared with the mesh: the volume of their union, and both directed Hausdorff distances between
its surface and the mesh's (99th percentile: scanned meshes have inner crumbs).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

SAMPLES = 20_000
sys.path.insert(0, str(Path(__file__).parents[1] / "reconstruct"))


class Model(NamedTuple):
    """A mesh in metres and the source's convex parts, (v, 3) each; none where it ships none."""

    vertices: np.ndarray
    faces: np.ndarray
    reference: list[np.ndarray]


# folder: (mesh, reference set); a power drill is in MuJoCo's binary format.
FILES = {
    "chen_blue_cup": ("textured.obj", "collision.obj"),
    "chen_glue_1": ("textured.obj", "collision.obj"),
    "chen_medium_clamp": ("textured.obj", "collision.obj"),
    "chen_plate_holder": ("textured.obj", "collision.obj"),
    "chen_stapler_1": ("textured.obj", "collision.obj"),
    "gso_chefmate_8_frypan": ("chefmate_8_frypan.obj", "chefmate_8_frypan_col.obj"),
    "gso_glazed_rim_porcelain_ramekin": (
        "glazed_rim_porcelain_ramekin.obj", "glazed_rim_porcelain_ramekin_col.obj"),
    "gso_plate": ("model.obj", "plate_col.obj"),
    "jsk_tennis_ball_container": ("mesh.obj", ""),
    "ycb_mustard_bottle": ("006_mustard_bottle_textured.obj", ""),
    "ycb_power_drill": ("035_power_drill.msh", ""),
    "ycb_sugar_box": ("sugar_box_visual.obj", ""),
}  # fmt: skip


def load(folder: Path) -> Model:
    import trimesh

    mesh_file, reference_file = FILES[folder.name]
    if mesh_file.endswith(".msh"):
        import mujoco

        spec = mujoco.MjSpec()
        spec.add_mesh(
            name="m",
            file=str(folder / mesh_file),
            inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL,
        )
        spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname="m")
        model = spec.compile()
        return Model(model.mesh_vert.astype(float), model.mesh_face.copy(), [])
    mesh = trimesh.load(folder / mesh_file, force="mesh", process=False)
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    parts: list[np.ndarray] = []
    if reference_file:
        for part in _groups(folder / reference_file):
            parts.append(part)
    return Model(np.asarray(mesh.vertices), np.asarray(mesh.faces), parts)


def _groups(path: Path) -> list[np.ndarray]:
    """Return the vertices of each object of an OBJ, in file order."""
    parts: list[list[list[float]]] = []
    fresh = True
    for line in path.read_text().splitlines():
        if line.startswith(("o ", "g ")):
            fresh = True
        elif line.startswith("v "):
            if fresh:
                parts.append([])
                fresh = False
            parts[-1].append([float(x) for x in line.split()[1:4]])
    return [np.array(part) for part in parts]


def placed(model: Model) -> Model:
    """Return the model standing on z = 0 around the origin, its shortest side up where that is not z
    already."""
    low, high = model.vertices.min(0), model.vertices.max(0)
    shift = -np.array([*(low + high)[:2] / 2, low[2]])
    return Model(model.vertices + shift, model.faces, [part + shift for part in model.reference])


def scanned(model: Model, *, sigma: float = 0.0005, voxel: float = 0.003):
    """Return the scan of a model on a table, seen from two rings of places around it and from above."""
    from synthetic_places import looks, scan_of

    from r2s.core.native import open3d

    o3d = open3d()
    half = 0.5 * float(np.ptp(model.vertices, axis=0).max()) + 0.15
    corners = np.array([[-half, -half, 0], [half, -half, 0], [half, half, 0], [-half, half, 0]])
    scene = _scene(
        o3d, [(model.vertices, model.faces), (corners, np.array([[0, 1, 2], [0, 2, 3]]))]
    )
    turns = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    eyes = [(0.55 * np.cos(t), 0.55 * np.sin(t), z) for z in (0.12, 0.45) for t in turns]
    eyes = np.array([*eyes, (0.05, 0.0, 0.65)])
    rng = np.random.default_rng(0)
    points, normals, of = [], [], []
    for number, eye in enumerate(eyes):
        d = looks(eye, (0, 0, 0.03), 0.45, 60_000)
        rays = np.column_stack([np.broadcast_to(eye, d.shape), d]).astype(np.float32)
        hit = scene.cast_rays(o3d.core.Tensor(rays))
        t, n = hit["t_hit"].numpy().astype(float), hit["primitive_normals"].numpy().astype(float)
        ok = np.isfinite(t)
        t, n, d = t[ok] + rng.normal(0, sigma, ok.sum()), n[ok], d[ok]
        points.append(eye + t[:, None] * d)
        normals.append(np.where(((n * d).sum(1) > 0)[:, None], -n, n))
        of.append(np.full(len(t), number))
    return scan_of(
        np.concatenate(points),
        np.concatenate(normals),
        np.concatenate(of),
        eyes.astype(np.float32),
        voxel=voxel,
        sigma=sigma,
    )


def fitted(model: Model, scratch: Path) -> tuple[list, list, float]:
    """Return the colliders of the thing on the table as (vertices, faces), its bodies, and seconds."""
    from r2s.core.context import StageContext
    from r2s.reconstruct import stage
    from r2s.reconstruct.solids import triangles

    scan = scanned(model)
    clock = time.perf_counter()
    twin = stage.run({"scan": scan}, stage.Config(), StageContext(scratch))
    seconds = time.perf_counter() - clock
    bodies = [b for b in twin.info.bodies if b.role in ("object", "clutter")]
    geoms = [g for b in bodies for g in b.geoms]
    return [triangles(g, twin.hulls) for g in geoms], bodies, seconds


def quality(model: Model, hulls: list) -> dict[str, Any]:
    """Return parts, relative volume error and Hausdorff distances [mm] of convex hulls (vertices, faces)."""
    from r2s.core.native import open3d
    from r2s.reconstruct.solids import hull_planes

    o3d = open3d()
    solid = _scene(o3d, [(model.vertices, model.faces)])
    rng = np.random.default_rng(0)
    low, high = model.vertices.min(0) - 0.005, model.vertices.max(0) + 0.005
    probes = rng.uniform(low, high, (SAMPLES * 3, 3))
    inside = (
        solid.compute_occupancy(o3d.core.Tensor(probes.astype(np.float32)), nsamples=3).numpy()
        > 0.5
    )
    covered = _depth(hulls, probes, hull_planes) < 0
    surface = _samples(model.vertices, model.faces, rng)
    to_hulls = np.abs(_depth(hulls, surface, hull_planes))
    skin = np.concatenate([_samples(*hull, rng, SAMPLES // len(hulls) + 50) for hull in hulls])
    skin = skin[_depth(hulls, skin, hull_planes) > -1e-5]
    to_mesh = solid.compute_distance(o3d.core.Tensor(skin.astype(np.float32))).numpy()
    return {
        "parts": len(hulls), "vertices": max(len(v) for v, _ in hulls),
        "volume_error": float(covered.sum() / max(inside.sum(), 1) - 1),
        "mesh_to_parts_mm": 1e3 * float(np.quantile(to_hulls, 0.99)),
        "parts_to_mesh_mm": 1e3 * float(np.quantile(to_mesh, 0.99)),
    }  # fmt: skip


def _scene(o3d, meshes):
    scene = o3d.t.geometry.RaycastingScene()
    for vertices, faces in meshes:
        scene.add_triangles(
            o3d.core.Tensor(vertices.astype(np.float32)), o3d.core.Tensor(faces.astype(np.uint32))
        )
    return scene


def _depth(hulls, points: np.ndarray, hull_planes) -> np.ndarray:
    """Return (n,) signed distance to the union of hulls, negative inside."""
    best = np.full(len(points), np.inf)
    for hull in hulls:
        normals, offsets = hull_planes(hull)
        best = np.minimum(best, (points @ normals.T - offsets).max(axis=1))
    return best


def _samples(vertices, faces, rng, count: int = SAMPLES) -> np.ndarray:
    a, b, c = (np.asarray(vertices, float)[np.asarray(faces)[:, i]] for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    pick = rng.choice(len(area), count, p=area / area.sum())
    u, v = rng.random((2, count, 1))
    flip = u + v > 1
    u, v = np.where(flip, 1 - u, u), np.where(flip, 1 - v, v)
    return a[pick] + u * (b - a)[pick] + v * (c - a)[pick]


def rows(folder: Path, scratch: Path, names=tuple(FILES)) -> list[dict[str, Any]]:
    """Return one row per object: r2s's measures, and the reference's under `reference`."""
    from r2s.reconstruct.hulls import convex_hull

    found = []
    for name in names:
        model = placed(load(folder / name))
        hulls, bodies, seconds = fitted(model, scratch)
        row = {"object": name, "fit": "+".join(b.fit for b in bodies), "seconds": seconds,
               "most_parts": max(len(b.geoms) for b in bodies), **quality(model, hulls)}  # fmt: skip
        if model.reference:
            theirs = [h for part in model.reference if (h := convex_hull(part, 10_000)) is not None]
            row["reference"] = quality(model, theirs)
        found.append(row)
    return found


def table(found: list[dict[str, Any]]) -> str:
    lines = [
        f"{'object':34} {'parts':>11} {'volume error':>15} {'mesh to parts':>15} {'parts to mesh':>15} "
        f"{'s':>6}"
    ]
    for row in found:
        theirs = row.get("reference")
        cells = [
            f"{row[key] * factor:.{digits}f} / " + (f"{theirs[key] * factor:.{digits}f}" if theirs else "-")
            for key, factor, digits in (
                ("parts", 1, 0), ("volume_error", 100, 0), ("mesh_to_parts_mm", 1, 1),
                ("parts_to_mesh_mm", 1, 1))
        ]  # fmt: skip
        lines.append(
            f"{row['object']:34} {cells[0]:>11} {cells[1]:>13} % {cells[2]:>12} mm {cells[3]:>12} mm "
            f"{row['seconds']:6.1f}"
        )
    return "\n".join(lines) + "\n(r2s / the source's reference set)"
