"""The pose a robot starts in: free of itself, away from limits and singularities, or standing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from r2s.core.seeds import generator
from r2s.robot.morphology import Morphology

REFINEMENTS = 400
CROUCH = 0.8  # of the largest height a leg can carry
GRIPPER_OPEN = 0.25  # of its range from the end nearer to zero
# Where an arm's tool waits: shares of the reach.
HEIGHT, DISTANCE = (0.2, 0.55), (0.35, 0.7)


def neutral(model, joint: int) -> float:
    """Return zero if it lies well inside the range of a joint, else the middle of the range."""
    if not model.jnt_limited[joint]:
        return 0.0
    low, high = model.jnt_range[joint]
    return 0.0 if low + 0.1 * (high - low) <= 0 <= high - 0.1 * (high - low) else (low + high) / 2


def upright(model, joint: int) -> float:
    """Return zero, or the nearest value within the range of a joint and off its ends."""
    if not model.jnt_limited[joint]:
        return 0.0
    low, high = model.jnt_range[joint]
    margin = 0.02 * (high - low)
    return float(np.clip(0.0, low + margin, high - margin))


def arm_home(
    model,
    site: str,
    joints: Sequence[int],
    candidates: np.ndarray,
    reach: float,
    free: Callable[[np.ndarray], bool],
    start: np.ndarray,
    seed: int,
) -> np.ndarray:
    """Return a (nq,) home configuration of an arm.

    Maximizes manipulability, distance from limits and closeness to the neutral pose, with the tool
    in front of the base, pointing down and forwards, over what `free` says is free of self-contact.

    Args:
        joints: ids of the arm's joints; the others stay as in `start`.
        candidates: (n, nq) sampled configurations to start from.
    """
    score = _ArmScore(model, site, joints, reach)
    best, value = start.copy(), -np.inf
    frozen = [j for j in joints[:1] if abs(model.jnt_axis[j] @ _up(model, j)) > 0.95]
    moving = [j for j in joints if j not in frozen]
    ranked = []
    for candidate in candidates:
        q = start.copy()
        q[moving] = candidate[moving]
        ranked.append((score(q), tuple(q)))
    for value_q, values in sorted(ranked, reverse=True)[:200]:
        if free(np.array(values)):
            best, value = np.array(values), value_q
            break
    random = generator(seed, "robot", "home")
    low = np.where(model.jnt_limited, model.jnt_range[:, 0], -np.pi)
    high = np.where(model.jnt_limited, model.jnt_range[:, 1], np.pi)
    low, high = np.maximum(low, candidates.min(axis=0)), np.minimum(high, candidates.max(axis=0))
    for step in range(REFINEMENTS):
        width = 0.15 * (1 - step / REFINEMENTS) + 0.005
        q = best.copy()
        q[moving] += width * (high - low)[moving] * random.standard_normal(len(moving))
        q = np.clip(q, low, high)
        if (found := score(q)) > value and free(q):
            best, value = q, found
    return np.round(best, 3)


class _ArmScore:
    def __init__(self, model, site: str, joints: Sequence[int], reach: float):
        import mujoco

        self.mujoco, self.model, self.data = mujoco, model, mujoco.MjData(model)
        self.site, self.joints, self.reach = model.site(site).id, list(joints), max(reach, 1e-6)
        limited = model.jnt_limited[self.joints].astype(bool)
        self.low = np.where(limited, model.jnt_range[self.joints, 0], -np.pi)
        self.high = np.where(limited, model.jnt_range[self.joints, 1], np.pi)
        self.middle = np.array([neutral(model, joint) for joint in self.joints])
        self.jacobian = np.zeros((3, model.nv))

    def __call__(self, q: np.ndarray) -> float:
        mj, model, data = self.mujoco, self.model, self.data
        data.qpos[:] = q
        mj.mj_kinematics(model, data)
        mj.mj_comPos(model, data)
        mj.mj_jacSite(model, data, self.jacobian, None, self.site)
        J = self.jacobian[:, self.joints] / self.reach
        manipulability = float(np.sqrt(max(np.linalg.det(J @ J.T), 0.0)))
        values = q[self.joints]
        span = self.high - self.low
        margin = float(np.min(np.minimum(values - self.low, self.high - values) / span))
        drift = float(np.mean(((values - self.middle) / span) ** 2))
        position = data.site_xpos[self.site] / self.reach
        radius = float(np.hypot(position[0], position[1]))
        out = _outside(position[2], *HEIGHT) + _outside(radius, *DISTANCE)
        approach = data.site_xmat[self.site].reshape(3, 3)[:, 2]
        outwards = np.append(position[:2], 0) / max(radius, 1e-9)
        pointing = float(approach @ (0.5 * outwards - [0, 0, 0.87]))
        low_bodies = float(np.minimum(data.xpos[1:, 2] / self.reach, 0).min())
        return (
            2 * min(manipulability, 0.15) / 0.15
            + 4 * min(margin, 0.12) / 0.12
            + 0.5 * pointing
            - 6 * drift
            - 12 * out
            + 10 * low_bodies
        )


def legged_home(model, morphology: Morphology, start: np.ndarray) -> np.ndarray:
    """Return a (nq,) crouch: every foot below the start of its leg, all at the same height."""
    import mujoco

    data = mujoco.MjData(model)
    best = start.copy()
    legs = [[model.joint(name).id for name in leg.joints] for leg in morphology.legs]
    tips = [_tip_in_body(model, leg.body) for leg in morphology.legs]
    options = [
        _leg_options(model, data, ids, tip, start) for ids, tip in zip(legs, tips, strict=True)
    ]
    height = CROUCH * min(float(-option[:, -1].min()) for option in options)
    for ids, option in zip(legs, options, strict=True):
        # columns: joints, x and y offset of the foot from its hip, z of the foot
        x, y, z = option[:, -3], option[:, -2], option[:, -1]
        cost = (x / height) ** 2 + (y / height) ** 2 + ((z + height) / height) ** 2
        cost += 0.002 * (option[:, : len(ids)] ** 2).sum(axis=1)
        best[ids] = option[np.argmin(cost), : len(ids)]
    return np.round(best, 3)


def _leg_options(model, data, ids, tip, start: np.ndarray) -> np.ndarray:
    """Return rows of joint values, foot offset from the first pitch joint (x, y), and foot height."""
    import mujoco

    body, local = tip
    # Pitch joints (axis across the robot) bend the leg; the others stay neutral.
    bends = [abs(_world_axis(model, data, joint, start)[1]) > 0.7 for joint in ids]
    hip = next((joint for joint, bend in zip(ids, bends, strict=True) if bend), ids[0])
    grids = []
    for joint, bend in zip(ids, bends, strict=True):
        low, high = model.jnt_range[joint] if model.jnt_limited[joint] else (-np.pi, np.pi)
        if bend:
            grids.append(np.linspace(max(low, -2.8), min(high, 2.8), 41))
        else:
            grids.append(np.array([neutral(model, joint)]))
    while np.prod([len(grid) for grid in grids]) > 80_000:
        grids = [grid[::2] if len(grid) > 2 else grid for grid in grids]
    combos = np.stack(np.meshgrid(*grids, indexing="ij"), axis=-1).reshape(-1, len(ids))
    rows = np.zeros((len(combos), len(ids) + 3))
    for number, values in enumerate(combos):
        data.qpos[:] = start
        data.qpos[ids] = values
        mujoco.mj_kinematics(model, data)
        foot = data.xpos[body] + data.xmat[body].reshape(3, 3) @ local
        rows[number] = [*values, *(foot - data.xanchor[hip])[:2], foot[2]]
    return rows


def _tip_in_body(model, body: str) -> tuple[int, np.ndarray]:
    """Return (body id, point in it): the lowest collider centre of a leg's last link, at zero pose."""
    import mujoco

    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    index = model.body(body).id
    group = [b for b in range(model.nbody) if model.body_weldid[b] == model.body_weldid[index]]
    geoms = [
        g for g in range(model.ngeom) if model.geom_bodyid[g] in group and model.geom_contype[g]
    ]
    if not geoms:
        return index, np.zeros(3)
    lowest = min(geoms, key=lambda g: lowest_point(model, data, g))
    owner = int(model.geom_bodyid[lowest])
    point = data.geom_xpos[lowest].copy()
    point[2] = lowest_point(model, data, lowest)
    return owner, data.xmat[owner].reshape(3, 3).T @ (point - data.xpos[owner])


def lowest_point(model, data, geom: int) -> float:
    """Return the lowest world z [m] of a convex geom in the current pose."""
    import mujoco

    kind, size = model.geom_type[geom], model.geom_size[geom]
    z, row = data.geom_xpos[geom, 2], data.geom_xmat[geom].reshape(3, 3)[2]
    t = mujoco.mjtGeom
    if kind == t.mjGEOM_SPHERE:
        return float(z - size[0])
    if kind == t.mjGEOM_CAPSULE:
        return float(z - size[0] - abs(row[2]) * size[1])
    if kind == t.mjGEOM_CYLINDER:
        return float(z - size[0] * np.hypot(row[0], row[1]) - abs(row[2]) * size[1])
    if kind == t.mjGEOM_ELLIPSOID:
        return float(z - np.linalg.norm(row * size))
    if kind == t.mjGEOM_MESH:
        mesh = model.geom_dataid[geom]
        first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        return float(z + (model.mesh_vert[first : first + count] @ row).min())
    return float(z - np.abs(row) @ size)


def _world_axis(model, data, joint: int, q: np.ndarray) -> np.ndarray:
    import mujoco

    data.qpos[:] = q
    mujoco.mj_kinematics(model, data)
    return data.xaxis[joint].copy()


def _up(model, joint: int) -> np.ndarray:
    """Return the root's z axis in the frame of a joint's body, at zero pose."""
    import mujoco

    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    return data.xmat[model.jnt_bodyid[joint]].reshape(3, 3)[2]


def _outside(value: float, low: float, high: float) -> float:
    return max(low - value, 0.0) + max(value - high, 0.0)
