"""Shape features of points (FPFH: Rusu, Blodow, Beetz, ICRA 2009), by Open3D in a child process."""

from __future__ import annotations

import numpy as np

from r2s.guard.child import run_limited
from r2s.guard.limits import LIMITS
from r2s.scan.together.view import Level

# Radius of a feature in voxels, and the neighbours it looks at.
RADIUS_VOXELS, _MOST_NEIGHBORS = 5.0, 100


def features_of(level: Level, name: str) -> np.ndarray:
    """Return (n, 33) float32 features of a level's points."""
    return run_limited(
        "r2s.scan.together.features:fpfh", (level.points, level.normals, RADIUS_VOXELS * level.voxel),
        limits=LIMITS.parse, what=f"Open3D describing the shapes of {name}",
    )  # fmt: skip


def fpfh(points: np.ndarray, normals: np.ndarray, radius: float) -> np.ndarray:
    """Return (n, 33) features within `radius`, each of unit length. Runs in the child."""
    from r2s.core.native import open3d

    o3d = open3d()
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points))
    cloud.normals = o3d.utility.Vector3dVector(normals)
    search = o3d.geometry.KDTreeSearchParamHybrid(radius=radius, max_nn=_MOST_NEIGHBORS)
    found = np.asarray(o3d.pipelines.registration.compute_fpfh_feature(cloud, search).data).T
    length = np.linalg.norm(found, axis=1, keepdims=True)
    return (found / np.maximum(length, 1e-12)).astype(np.float32)
