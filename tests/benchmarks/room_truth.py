"""What a generated room truly is, and how far a twin of it is from that. Everything in the truth's frame.

Free space is the room's air boxes minus its solids (glass is solid). Seen surface is where the sensor's
rays met
the truth, without noise, one point per `SURFACE_M`. See docs/twin-metrics.md for blocked and missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import mujoco
import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial import KDTree

from r2s.artifacts.geometry import Geom
from r2s.artifacts.reconstruction import Body, Reconstruction
from r2s.core.rigid import quat_to_matrix
from r2s.reconstruct.solids import Hull, bounds, make_geom, nearest_distance, triangles

SURFACE_M = 0.015
AIR_SAMPLES = 150_000
SHELL = ("floor", "wall", "ceiling")
MATCH_M = 0.06  # centres of an object and its twin are no farther apart
SEEN_POINTS = 25  # a thing with fewer surface points was not seen
_SHAPES = {
    mujoco.mjtGeom.mjGEOM_BOX: "box",
    mujoco.mjtGeom.mjGEOM_CYLINDER: "cylinder",
    mujoco.mjtGeom.mjGEOM_SPHERE: "sphere",
}


class Place(NamedTuple):
    """An oriented box: centre (3,), rotation (3, 3) and half extents (3,)."""

    position: np.ndarray
    rotation: np.ndarray
    half: np.ndarray

    def local(self, points: np.ndarray) -> np.ndarray:
        return (points - self.position) @ self.rotation

    def world(self, local: np.ndarray) -> np.ndarray:
        return local @ self.rotation.T + self.position


@dataclass(frozen=True)
class Truth:
    """Attributes:
    geoms, owner: all solids and the name of the body or wall each belongs to.
    faces, doors, air: by site name. movable: names of things that may be moved.
    """

    geoms: list[Geom]
    owner: list[str]
    faces: dict[str, Place]
    doors: dict[str, Place]
    air: dict[str, Place]
    movable: tuple[str, ...]


def truth_of(model: mujoco.MjModel, data: mujoco.MjData) -> Truth:
    geoms, owner = [], []
    for k in range(model.ngeom):
        shape = _SHAPES[mujoco.mjtGeom(model.geom_type[k])]
        size = (
            model.geom_size[k] if shape == "box" else model.geom_size[k][: 2 - (shape == "sphere")]
        )
        geoms.append(
            make_geom(shape, tuple(size), data.geom_xpos[k], data.geom_xmat[k].reshape(3, 3))
        )
        body = model.body(model.geom_bodyid[k]).name
        owner.append(model.geom(k).name if body == "world" else body)
    sites: dict[str, Place] = {
        model.site(k).name: Place(
            data.site_xpos[k].copy(),
            data.site_xmat[k].reshape(3, 3).copy(),
            model.site_size[k].copy(),
        )
        for k in range(model.nsite)
    }
    # The room's only text is the list of things that may be moved.
    words = bytes(model.text_data[: model.text_size[0]]).decode().strip("\0").split()

    def named(prefix: str) -> dict[str, Place]:
        return {name: site for name, site in sites.items() if name.startswith(prefix)}

    return Truth(
        geoms,
        owner,
        named("face_"),
        named("door_"),
        named("air_"),
        tuple(w for w in words if w != "none"),
    )


@dataclass(frozen=True)
class Twin:
    """A reconstruction moved into the truth's frame. `bodies` (name, role, mobility) own geoms by `owner`."""

    geoms: list[Geom]
    hulls: tuple[Hull, ...]
    owner: list[Body]


def moved(reconstruction: Reconstruction, T: np.ndarray) -> Twin:
    """Return the twin moved by T_truth_world (4, 4)."""
    geoms, owner = [], []
    for body in reconstruction.info.bodies:
        for geom in body.geoms:
            rotation = T[:3, :3] @ quat_to_matrix(geom.quaternion)
            position = T[:3, :3] @ np.asarray(geom.position) + T[:3, 3]
            size = geom.size if geom.shape not in ("plane", "hull") else ()
            geoms.append(make_geom(geom.shape, size, position, rotation, geom.hull))
            owner.append(body)
    return Twin(geoms, reconstruction.hulls, owner)


def seen_surface(met: np.ndarray, truth: Truth) -> np.ndarray:
    """Return one seen point (n, 3) per cell of the room's inside, walls included."""
    inside = np.zeros(len(met), bool)
    for box in truth.air.values():
        inside |= (np.abs(box.local(met)) <= box.half + 0.01).all(axis=1)
    points = met[inside].astype(float)
    cells = np.floor(points / SURFACE_M).astype(np.int64)
    _, first = np.unique(cells, axis=0, return_index=True)
    return points[first]


def occupancy(
    truth: Truth, geoms: list[Geom], hulls, surface: np.ndarray, seed: int
) -> dict[str, float]:
    """Return blocked shares of true free space, by clearance, and the missed share of seen surface."""
    rng = np.random.default_rng(seed)
    boxes = list(truth.air.values())
    volume = np.array([np.prod(box.half) for box in boxes])
    samples = []
    for index, box in enumerate(boxes):
        local = rng.uniform(-1, 1, (int(AIR_SAMPLES * volume[index] / volume.sum()), 3)) * box.half
        points = box.world(local)
        for other in boxes[:index]:  # the boxes of an L overlap
            points = points[(np.abs(other.local(points)) > other.half).any(axis=1)]
        samples.append(points)
    air = np.concatenate(samples)
    clearance, _ = nearest_distance(truth.geoms, (), air, 0.06)
    depth, which = nearest_distance(geoms, hulls, air, 1e-9)
    inside = (which >= 0) & (depth < 0)
    found = {
        f"blocked_{name}": float((inside & (clearance > least)).sum() / (clearance > least).sum())
        for name, least in (("all", 0.0), ("2cm", 0.02), ("5cm", 0.05))
    }
    away, _ = nearest_distance(geoms, hulls, surface, 0.021)
    found["missed_2cm"] = float((away > 0.02).mean())
    return found


def blame(truth: Truth, twin: Twin, surface: np.ndarray, seed: int) -> tuple[dict, dict]:
    """Return share of blocked (5 cm) air per twin body, and of missed surface per thing of the truth."""
    rng = np.random.default_rng(seed)
    blocked: dict[str, float] = {}
    air = np.concatenate(
        [b.world(rng.uniform(-1, 1, (AIR_SAMPLES, 3)) * b.half) for b in truth.air.values()]
    )
    clearance, _ = nearest_distance(truth.geoms, (), air, 0.06)
    air = air[clearance > 0.05]
    depth, which = nearest_distance(twin.geoms, twin.hulls, air, 1e-9)
    for k in which[(which >= 0) & (depth < 0)]:
        name = f"{twin.owner[k].name}:{twin.owner[k].fit}"
        blocked[name] = blocked.get(name, 0) + 1 / len(air)
    away, _ = nearest_distance(twin.geoms, twin.hulls, surface, 0.021)
    lost = surface[away > 0.02]
    missed: dict[str, float] = {}
    _, which = nearest_distance(truth.geoms, (), lost, 0.05)
    for k in which[which >= 0]:
        missed[truth.owner[k]] = missed.get(truth.owner[k], 0) + 1 / len(surface)
    order = lambda d: dict(sorted(d.items(), key=lambda i: -i[1])[:8])  # noqa: E731
    return order(blocked), order(missed)


def surface_quality(
    truth: Truth, points: np.ndarray, normals: np.ndarray, surface: np.ndarray
) -> dict:
    """Return accuracy and completeness [mm] and F-scores of points with normals against the true surface.

    A point stands for the disc of its voxel: completeness is measured to the disc's plane.
    """
    near = np.zeros(len(points), bool)
    for box in truth.air.values():
        near |= (np.abs(box.local(points)) <= box.half + 0.1).all(axis=1)
    points, normals = points[near], normals[near]
    off, _ = nearest_distance(truth.geoms, (), points, 0.1)
    off = np.abs(off)
    tree = KDTree(points)
    distance, index = tree.query(surface)
    offset = surface - points[index]
    along = np.abs(np.einsum("ij,ij->i", offset, normals[index]))
    aside = np.sqrt(np.maximum(distance**2 - along**2, 0))
    gap = np.hypot(along, np.maximum(aside - SURFACE_M, 0))
    found = {
        "accuracy_mm": 1e3 * float(off.mean()),
        "completeness_mm": 1e3 * float(np.minimum(gap, 0.1).mean()),
    }
    for mm in (10, 20):
        p, r = float((off < mm / 1e3).mean()), float((gap < mm / 1e3).mean())
        found[f"f_{mm}mm"] = 2 * p * r / max(p + r, 1e-9)
    return found


def mesh_quality(
    truth: Truth, vertices: np.ndarray, faces: np.ndarray, surface: np.ndarray
) -> dict:
    """Return how much of the seen surface a mesh holds within 10 and 20 mm."""
    from r2s.core.native import open3d

    o3d = open3d()
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(
        o3d.core.Tensor(vertices.astype(np.float32)), o3d.core.Tensor(faces.astype(np.uint32))
    )
    gap = scene.compute_distance(o3d.core.Tensor(surface.astype(np.float32))).numpy()
    return {f"recall_{mm}mm": float((gap < mm / 1e3).mean()) for mm in (10, 20)}


def mesh_f_score(
    truth: Truth, vertices: np.ndarray, faces: np.ndarray, surface: np.ndarray
) -> dict:
    """Return mean accuracy [mm] and F-score at 10 and 20 mm of a mesh against the true surface."""
    from r2s.reconstruct.surface import samples

    places = samples(vertices, faces)
    near = np.zeros(len(places), bool)
    for box in truth.air.values():
        near |= (np.abs(box.local(places)) <= box.half + 0.1).all(axis=1)
    off = np.abs(nearest_distance(truth.geoms, (), places[near], 0.1)[0])
    found = {"surface_mm": 1e3 * float(off.mean())}
    recall = mesh_quality(truth, vertices, faces, surface)
    for mm in (10, 20):
        p, r = float((off < mm / 1e3).mean()), recall[f"recall_{mm}mm"]
        found[f"surface_f_{mm}mm"] = 2 * p * r / max(p + r, 1e-9)
    return found


def colliders_mesh(twin: Twin) -> tuple[np.ndarray, np.ndarray]:
    vertices, faces, at = [], [], 0
    for geom in twin.geoms:
        v, f = triangles(geom, twin.hulls)
        vertices.append(v)
        faces.append(f + at)
        at += len(v)
    return np.concatenate(vertices), np.concatenate(faces)


def planes(truth: Truth, twin: Twin) -> dict[str, float]:
    """Return offset [mm] and tilt [deg] of the true faces' twins: medians and worst, and how many were
    found."""
    offsets, tilts = [], []
    for face in truth.faces.values():
        found = [f for g, b in zip(twin.geoms, twin.owner, strict=True)
                 if b.role in SHELL and (f := _front(g, face)) is not None]  # fmt: skip
        if found:
            offset, tilt, weight = np.array(found).T
            offsets.append(float(np.average(offset, weights=weight)))
            tilts.append(float(np.average(tilt, weights=weight)))
    if not offsets:
        return {"faces": len(truth.faces), "faces_found": 0}
    return {
        "faces": len(truth.faces), "faces_found": len(offsets),
        "offset_mm": 1e3 * float(np.median(offsets)), "offset_worst_mm": 1e3 * max(offsets),
        "tilt_deg": float(np.median(tilts)), "tilt_worst_deg": max(tilts),
    }  # fmt: skip


def _front(geom: Geom, face: Place) -> tuple[float, float, float] | None:
    """Return (|offset| [m], tilt [deg], weight) of a geom that lies on the face, else None."""
    if geom.shape not in ("plane", "box"):
        return None
    R = quat_to_matrix(geom.quaternion)
    normal, target = R[:, 2], face.rotation[:, 2]
    if normal @ target < np.cos(np.radians(5)):
        return None
    tilt = float(np.degrees(np.arccos(np.clip(normal @ target, -1, 1))))
    front = np.asarray(geom.position) + normal * (geom.size[2] if geom.shape == "box" else 0.0)
    if geom.shape == "plane":
        offset = abs(float((face.position - front) @ normal))
        return (offset, tilt, 1.0) if offset < 0.1 else None
    local = face.local(front[None])[0]
    inside = (np.abs(local[:2]) <= face.half[:2] + 0.02).all() and abs(local[2]) < 0.1
    return (abs(float(local[2])), tilt, geom.size[0] * geom.size[1]) if inside else None


def objects(truth: Truth, twin: Twin, surface: np.ndarray) -> dict[str, float]:
    """Return precision and recall of movable things, and the median error of their centres [mm]."""
    wanted = {name: _box([g for g, o in zip(truth.geoms, truth.owner, strict=True) if o == name], ())
              for name in truth.movable if _seen(name, truth, surface)}  # fmt: skip
    bodies = {b.name: [g for g, o in zip(twin.geoms, twin.owner, strict=True) if o is b]
              for b in twin.owner if b.mobility == "movable"}  # fmt: skip
    found = {name: _box(geoms, twin.hulls) for name, geoms in bodies.items()}
    result = {"objects": len(wanted), "objects_found": len(found)}
    if not wanted or not found:
        return result | {"matched": 0}
    centres = [np.array([(lo + hi) / 2 for lo, hi in side.values()]) for side in (wanted, found)]
    distance = np.linalg.norm(centres[0][:, None] - centres[1][None], axis=2)
    rows, columns = linear_sum_assignment(np.minimum(distance, 10 * MATCH_M))
    error = distance[rows, columns]
    error = error[error <= MATCH_M]
    return result | {
        "matched": len(error),
        "pose_mm": 1e3 * float(np.median(error)) if len(error) else None,
    }


def _seen(name: str, truth: Truth, surface: np.ndarray) -> bool:
    own = [g for g, o in zip(truth.geoms, truth.owner, strict=True) if o == name]
    away, _ = nearest_distance(own, (), surface, 0.005)
    return int((away < 0.003).sum()) >= SEEN_POINTS


def _box(geoms: list[Geom], hulls) -> tuple[np.ndarray, np.ndarray]:
    sides = [bounds(g, hulls) for g in geoms]
    return np.min([lo for lo, _ in sides], axis=0), np.max([hi for _, hi in sides], axis=0)


def doors_passable(truth: Truth, twin: Twin) -> dict[str, int]:
    """Return how many true doors let everything through that is 5 cm clear of the truth."""
    passable = 0
    for door in truth.doors.values():
        axes = [
            np.linspace(-h, h, n)
            for h, n in zip(door.half + np.array([-0.05, 0.1, -0.05]), (15, 9, 25), strict=True)
        ]
        probes = door.world(np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3))
        clearance, _ = nearest_distance(truth.geoms, (), probes, 0.06)
        probes = probes[clearance > 0.05]
        depth, which = nearest_distance(twin.geoms, twin.hulls, probes, 1e-9)
        passable += not bool(((which >= 0) & (depth < 0)).any())
    return {"doors": len(truth.doors), "doors_passable": passable}
