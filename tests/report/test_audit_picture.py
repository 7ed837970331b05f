"""The picture of a failed audit shows what the error names."""

from __future__ import annotations

import dataclasses

import numpy as np

from r2s.artifacts.geometry import Geom, Range
from r2s.artifacts.reconstruction import (
    Body,
    Opening,
    Reconstruction,
    ReconstructionInfo,
    TwinAudit,
)
from r2s.artifacts.scan import Scan, ScanInfo
from r2s.report.overlay import OPENING_COLORS, WORST_COLOR, render_audit, render_overlay

SIZE = (240, 180)


def place() -> tuple[Scan, Reconstruction]:
    rng = np.random.default_rng(0)
    points = np.column_stack([rng.uniform(-1, 1, (4000, 2)), np.zeros(4000)]).astype(np.float32)
    n = len(points)
    info = ScanInfo(
        source_format="analytic", raw_points=n, dropped={}, unit="m", unit_evidence="made",
        up_axis="+z", up_evidence="made", up_confidence=1.0, noise_sigma_m=0.0, voxel_m=0.03,
        bounds_m=((-1, -1, 0), (1, 1, 1)), T_world_source=tuple(map(tuple, np.eye(4).tolist())),
        viewpoints_source="file", viewpoint_evidence="made",
    )  # fmt: skip
    normals = np.tile(np.array([[0, 0, 1]], np.float32), (n, 1))
    scan = Scan(
        info, points, normals, np.zeros((0, 3), np.uint8), np.ones(n, np.uint32),
        np.zeros((0, 3), np.float32), np.zeros(0, np.int32), np.zeros((0, 3), np.float32),
        np.zeros((0, 3), np.int32),
    )  # fmt: skip
    friction = Range(value=0.6, low=0.3, high=1.0, source="assumed")
    box = Body(
        name="box_0", role="clutter", mobility="static", fit="box", friction=friction,
        geoms=(Geom(shape="box", size=(0.2, 0.2, 0.2), position=(0.3, 0.3, 0.2)),),
    )  # fmt: skip
    audit = TwinAudit(
        twin_median_m=0.0, twin_p95_m=0.0, unexplained_fraction=0.0, phantom_fraction=0.0,
        blocked_all=0.1, blocked_2cm=0.1, blocked_5cm=0.1, missed_2cm=0.2, rays=1,
        worst_body="box_0", worst_blocked_5cm=0.1, worst_missed_m=(-0.5, -0.5, 0.0),
    )  # fmt: skip
    found = ReconstructionInfo(bodies=(box,), audit=audit, viewpoint_evidence="made")
    return scan, Reconstruction(found, (), np.full(n, -1, np.int32), ())


def share_of(image: np.ndarray, color) -> float:
    return float((np.abs(image.astype(float) - 255 * np.array(color)).max(axis=2) < 3).mean())


def test_the_worst_body_is_painted_and_the_missed_place_ringed():
    scan, twin = place()
    plain = render_overlay(scan, twin, size=SIZE).astype(int)
    body = render_audit(scan, twin, missed=False, size=SIZE).astype(int)
    changed = np.abs(body - plain).max(axis=2) > 10
    assert 0.005 < changed.mean() < 0.3
    assert (body[changed][:, 1] <= plain[changed][:, 1]).all()  # magenta has no green
    assert share_of(plain, WORST_COLOR) == 0
    assert 0.0005 < share_of(render_audit(scan, twin, missed=True, size=SIZE), WORST_COLOR) < 0.05


def test_an_opening_is_outlined():
    scan, twin = place()
    door = Opening(
        name="door_0", kind="door", wall="box_0", center_m=(0.0, 0.0, 0.4), size_m=(0.6, 0.8),
        quaternion=(0.7071068, 0.7071068, 0.0, 0.0), sill_m=0.0, clear_fraction=1.0, evidence="made",
    )  # fmt: skip
    info = twin.info.model_copy(update={"openings": (door,)})
    image = render_overlay(scan, dataclasses.replace(twin, info=info), size=SIZE)
    assert 0.0005 < share_of(image, OPENING_COLORS["door"]) < 0.05
