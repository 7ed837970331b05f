"""Small artifacts with known contents, written in the test."""

from __future__ import annotations

import numpy as np

from r2s.artifacts.geometry import Geom, Range
from r2s.artifacts.reconstruction import Body, Reconstruction, ReconstructionInfo, TwinAudit
from r2s.artifacts.scan import Scan, ScanInfo
from r2s.artifacts.validation import ScenarioResult, Validation, ValidationInfo

HALF = 0.1
EVIL = '<script>alert("x")</script>'


def cube_points(spacing: float = 0.005) -> tuple[np.ndarray, np.ndarray]:
    """Return points and normals (n, 3) on the faces of a cube of half edge 0.1 m at the origin."""
    line = np.arange(-HALF, HALF + 1e-9, spacing)
    u, v = (a.ravel() for a in np.meshgrid(line, line))
    points, normals = [], []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            face, normal = np.zeros((len(u), 3)), np.zeros((len(u), 3))
            face[:, axis], normal[:, axis] = sign * HALF, sign
            face[:, (axis + 1) % 3], face[:, (axis + 2) % 3] = u, v
            points.append(face)
            normals.append(normal)
    return np.concatenate(points), np.concatenate(normals)


def cube_scan(evidence: str = "known") -> Scan:
    points, normals = cube_points()
    n = len(points)
    info = ScanInfo(
        source_format="test", raw_points=n, dropped={}, unit="m", unit_evidence=evidence, up_axis="+z",
        up_evidence=evidence, up_confidence=1.0, noise_sigma_m=0.001, voxel_m=0.005,
        bounds_m=((-HALF,) * 3, (HALF,) * 3), T_world_source=tuple(map(tuple, np.eye(4).tolist())),
        viewpoints_source="unknown", viewpoint_evidence="none", warnings=(evidence,),
    )  # fmt: skip
    return Scan(
        info=info, points=points.astype(np.float32), normals=normals.astype(np.float32),
        colors=np.broadcast_to(np.array([200, 30, 30], np.uint8), (n, 3)).copy(),
        counts=np.ones(n, np.uint32), viewpoints=np.zeros((0, 3), np.float32),
        viewpoint_of=np.full(n, -1, np.int32), mesh_vertices=np.zeros((0, 3), np.float32),
        mesh_faces=np.zeros((0, 3), np.int32),
    )  # fmt: skip


def cube_reconstruction() -> Reconstruction:
    geom = Geom(shape="box", size=(HALF,) * 3, position=(0.0, 0.0, 0.0))
    body = Body(
        name="object_0", role="object", mobility="movable", geoms=(geom,), fit="box",
        friction=Range(value=0.5, low=0.3, high=0.9, source="table"),
    )  # fmt: skip
    audit = TwinAudit(
        twin_median_m=0.0012, twin_p95_m=None, unexplained_fraction=0.0, phantom_fraction=None,
        blocked_all=None, blocked_2cm=None, blocked_5cm=None, missed_2cm=0.0, rays=0,
    )  # fmt: skip
    info = ReconstructionInfo(bodies=(body,), audit=audit, viewpoint_evidence="none")
    return Reconstruction(info, (), np.zeros(0, np.int32), ())


def validation(verdict: str = "fail", reason: str = "nominal is below its threshold") -> Validation:
    scenario = ScenarioResult(
        name=f"nominal {EVIL}", pinned={EVIL: 1.0}, trials=100, successes=40, lower=0.32, upper=0.49,
        threshold=0.9, verdict=verdict, mean_error=0.05,
    )  # fmt: skip
    info = ValidationInfo(
        verdict=verdict, reason=reason, scenarios=(scenario,), timestep_s=0.0005, engine="mujoco",
        onnxruntime="1.31.1", edge_trials_equal=20,
    )  # fmt: skip
    return Validation(info, b"")
