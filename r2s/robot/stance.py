"""How two legs stand: feet flat, knees bent, the centre of mass over them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from r2s.artifacts.robot import EXACT_GROUP
from r2s.robot.morphology import Morphology

KNEE_RAD = 0.5  # bent, so that no leg is at its singular end
LEANS_RAD = np.linspace(-0.5, 0.5, 81)
SOLE_M = 0.01  # points this close to the lowest one stand on the ground


def biped_home(model, morphology: Morphology, start: np.ndarray) -> np.ndarray:
    """Return a (nq,) crouch with flat feet and the centre of mass over the middle of the feet.

    Legs without three pitch joints, or whose limits do not allow it, stay as in `start`.
    """
    import mujoco

    data = mujoco.MjData(model)
    data.qpos[:] = start
    mujoco.mj_kinematics(model, data)
    legs = []
    for leg in morphology.legs:
        ids = [model.joint(name).id for name in leg.joints]
        pitch = [joint for joint in ids if abs(data.xaxis[joint][1]) > 0.7]
        if len(pitch) != 3:
            return start
        legs.append((pitch, np.sign(data.xaxis[pitch, 1])))
    best, least = start, np.inf
    for knee in (KNEE_RAD, -KNEE_RAD):  # a thigh forwards, as people; or backwards, as birds
        for lean in LEANS_RAD:
            q = start.copy()
            for pitch, sign in legs:
                # Turns about the y axis that sum to zero, so that the foot is flat as at zero; not added to
                # `start`, which keeps a knee off its limit and would tilt the foot by that much.
                q[pitch] = sign * np.array([lean - knee / 2, knee, -lean - knee / 2])
            if not _within(model, q, [joint for pitch, _ in legs for joint in pitch]):
                continue
            data.qpos[:] = q
            mujoco.mj_kinematics(model, data)
            mujoco.mj_comPos(model, data)
            sole = soles(model, data, [leg.body for leg in morphology.legs])
            if not len(sole):
                return start
            middle = (sole[:, 0].min() + sole[:, 0].max()) / 2
            off = abs(float(data.subtree_com[0, 0] - middle))
            if off < least - 1e-9:
                best, least = q, off
        if np.isfinite(least):
            break
    return np.round(best, 4)


def soles(model, data, bodies: Sequence[str]) -> np.ndarray:
    """Return (n, 3) world points of the exact colliders of feet that are at the height of the ground."""
    roots = {int(model.body_weldid[model.body(name).id]) for name in bodies}
    points = [
        _corners(model, data, geom)
        for geom in range(model.ngeom)
        if model.geom_group[geom] == EXACT_GROUP
        and int(model.body_weldid[model.geom_bodyid[geom]]) in roots
    ]
    if not points:
        return np.zeros((0, 3))
    found = np.concatenate(points)
    return found[found[:, 2] < found[:, 2].min() + SOLE_M]


def support_margin_m(model, data, bodies: Sequence[str]) -> float | None:
    """Return how far inside the feet's convex hull the centre of mass lies [m]; negative is outside.

    None where the feet touch the ground in a point or a line.
    """
    import mujoco
    from scipy.spatial import ConvexHull, QhullError

    mujoco.mj_comPos(model, data)
    points = soles(model, data, bodies)[:, :2]
    try:
        hull = ConvexHull(points)
    except (QhullError, ValueError):
        return None
    planes = hull.equations
    return float(-(planes[:, :2] @ data.subtree_com[0, :2] + planes[:, 2]).max())


def _within(model, q: np.ndarray, joints: Sequence[int]) -> bool:
    low, high = model.jnt_range[joints].T
    inside = (q[joints] >= low) & (q[joints] <= high)
    return bool(np.all(inside | (model.jnt_limited[joints] == 0)))


def _corners(model, data, geom: int) -> np.ndarray:
    """Return points whose hull is the geom (meshes), or its bounding box (the rest)."""
    import mujoco

    turn, at = data.geom_xmat[geom].reshape(3, 3), data.geom_xpos[geom]
    if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH:
        mesh = model.geom_dataid[geom]
        first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        local = model.mesh_vert[first : first + count]
    else:
        centre, half = model.geom_aabb[geom, :3], model.geom_aabb[geom, 3:]
        signs = [(i, j, k) for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]
        local = centre + half * np.array(signs)
    return local @ turn.T + at
