"""A robot alone: bolted down in the air or free on a floor, held at home by its actuators."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from r2s.artifacts.robot import EXACT_GROUP, TRAIN_GROUP, RobotInfo, Standing
from r2s.robot.write import ROBOT_FILE, assets_of

START_M = 0.001  # a free robot is put down from here
STAND_S = 5.0
UPRIGHT = 0.95  # cosine of the tilt
SUNK_SHARE, SUNK_M = 0.2, 0.02  # of the base's height; metres
WARM_STEPS, TIMED_S, TIMED_STEPS = 100, 0.25, 50


def alone(files: Mapping[str, bytes], info: RobotInfo, group: int, *, floor: bool):
    """Return (`MjModel`, `MjData`) with one set of colliders, at home, commanded to stay there.

    Args:
        group: `EXACT_GROUP` or `TRAIN_GROUP`; pictures are left out.
        floor: a free base on a plane, instead of one that is bolted down.
    """
    import mujoco

    spec = mujoco.MjSpec.from_string(files[ROBOT_FILE].decode(), assets=assets_of(files))
    for geom in list(spec.geoms):
        if geom.group != group:
            spec.delete(geom)
    if floor:
        base = spec.body(info.base_body)
        base.add_freejoint()
        base.pos = [0, 0, info.base_height_m + START_M]
        spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 1])
    model = spec.compile()
    data = mujoco.MjData(model)
    for joint in info.joints:
        data.joint(joint.name).qpos[0] = joint.home
        if joint.name in info.actuators and joint.control == "position":
            data.actuator(joint.name).ctrl[0] = joint.home
    mujoco.mj_forward(model, data)
    return model, data


def stand(files: Mapping[str, bytes], info: RobotInfo) -> Standing:
    """Return whether the free robot, held at home, stands on a floor with either set of colliders."""
    import mujoco

    if not info.feet and not info.wheels:
        return Standing(stands=False, why="no link at the end of its legs has a shape to stand on")
    tilt, sunk = 0.0, 0.0
    for group in (EXACT_GROUP, TRAIN_GROUP):
        model, data = alone(files, info, group, floor=True)
        start = float(data.qpos[2])
        allowed, cosine = max(SUNK_SHARE * start, SUNK_M), 1.0
        for _ in range(round(STAND_S / model.opt.timestep)):
            mujoco.mj_step(model, data)
            cosine = 1 - 2 * (data.qpos[4] ** 2 + data.qpos[5] ** 2)
            fell = start - data.qpos[2] > allowed or cosine < UPRIGHT
            if fell or data.warning.number.any():
                what = "exact" if group == EXACT_GROUP else "training"
                why = f"falls within {data.time:.1f} s on its {what} colliders"
                return Standing(stands=False, why=why)
        tilt = max(tilt, float(np.arccos(np.clip(cosine, -1, 1))))
        sunk = max(sunk, start - float(data.qpos[2]))
    return Standing(stands=True, tilt_rad=round(tilt, 3), sunk_m=round(sunk, 3))


def contact_pairs(model, group: int) -> int:
    """Return how many pairs of a robot's own colliders MuJoCo tests after its filters."""
    geoms = np.flatnonzero(model.geom_group == group)
    body = model.geom_bodyid[geoms]
    weld = model.body_weldid[body]
    above = model.body_weldid[model.body_parentid[weld]]
    one, two = np.triu_indices(len(geoms), 1)
    pair = np.sort(np.stack([body[one], body[two]], axis=1), axis=1)
    excluded = np.isin((pair[:, 0] << 16) + pair[:, 1], model.exclude_signature)
    moving = (weld[one] != 0) & (weld[two] != 0)
    family = moving & ((above[one] == weld[two]) | (above[two] == weld[one]))
    return int(((weld[one] != weld[two]) & ~family & ~excluded).sum())


def steps_per_s(files: Mapping[str, bytes], info: RobotInfo, group: int) -> float:
    """Return the measured physics steps per second on one core, held at home."""
    import mujoco

    model, data = alone(files, info, group, floor=info.base == "floating")
    mujoco.mj_step(model, data, nstep=WARM_STEPS)
    began, steps = time.perf_counter(), 0
    while (gone := time.perf_counter() - began) < TIMED_S:
        mujoco.mj_step(model, data, nstep=TIMED_STEPS)
        steps += TIMED_STEPS
    return steps / gone
