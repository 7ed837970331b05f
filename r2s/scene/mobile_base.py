"""What a base on wheels is: how large its wheels are, and where its laser scanner looks from.

Measured on the compiled robot, standing at home with its base frame `base_height_m` over the floor.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from r2s.artifacts.robot import Robot
from r2s.artifacts.scene import ROBOT_PREFIX
from r2s.core.rigid import Array
from r2s.scene.compose import Options, compose
from r2s.scene.environment import Environment
from r2s.scene.errors import blind_scanner
from r2s.scene.probe import compiled
from r2s.scene.robot_tree import ROBOT_FILE, robot_tree
from r2s.scene.twin import home_stance

_SCANNER = re.compile(r"laser|lidar|scanner|hokuyo|(^|_)(lds|scan|sick|rplidar)(_|$)", re.I)
RAYS = 36  # every 10 degrees
LEAST_RAYS = 12
# Where no link is called a scanner: over the base frame's origin, this far above the floor.
SCANNER_HEIGHT_M = 0.2
UPRIGHT = 0.98  # cosine of the tilt up to which a scan counts as level
OWN_M = 2.0  # what a ray meets within this is looked at: is it the robot itself?


@dataclass(frozen=True)
class Scanner:
    """A level 2-D laser scanner.

    Attributes:
        body: robot body that carries it, prefixed; its own shapes are not seen.
        position: (3,) metres, in that body's frame.
        rays: (n, 3) unit directions in that body's frame, from the base's x axis to the left; those that
            the robot itself is in the way of are left out, as a driver masks them.
        bearings: their names: degrees from straight ahead, to the left.
        note: what the user should know of it, or "".
    """

    body: str
    position: Array
    rays: Array
    bearings: tuple[str, ...]
    note: str


@dataclass(frozen=True)
class MobileBase:
    """Attributes:
    wheel_radius_m: of the largest driven wheel.
    height_m: of the robot over the floor at home, at most.
    """

    wheel_radius_m: float
    height_m: float
    scanner: Scanner


def mobile_base(robot: Robot) -> MobileBase:
    """Measure a robot on wheels.

    Raises:
        R2SError: the robot itself is in the way of too many rays (`R2S-SCENE-050`).
    """
    import mujoco

    seen = [_standing(robot, exact) for exact in (True, False)]
    model, data = seen[0]
    axles = [data.joint(ROBOT_PREFIX + name).xanchor[2] for name in robot.info.wheels]
    solid = model.geom_rbound > 0
    top = float((data.geom_xpos[solid, 2] + model.geom_rbound[solid]).max(initial=0.0))
    body, point, note = _scanner(model, data, robot)
    rotation = data.xmat[body].reshape(3, 3)
    turn = np.linspace(0, 2 * np.pi, RAYS, endpoint=False)
    world = np.stack([np.cos(turn), np.sin(turn), np.zeros(RAYS)], axis=1)
    free = np.ones(RAYS, bool)
    for own, pose in seen:
        for number, ray in enumerate(world):
            met = mujoco.mj_ray(own, pose, point, ray, None, 1, body, np.zeros(1, np.int32))
            free[number] &= not 0 <= met < OWN_M
    name = model.body(body).name
    if free.sum() < LEAST_RAYS:
        raise blind_scanner(robot.info, name, int(free.sum()), LEAST_RAYS)
    scanner = Scanner(
        body=name,
        position=rotation.T @ (point - data.xpos[body]),
        rays=world[free] @ rotation,
        bearings=tuple(f"{round(np.degrees(a))}" for a in turn[free]),
        note=note if free.all() else f"the robot is in the way of {(~free).sum()} rays of {RAYS}",
    )
    return MobileBase(float(max(axles)), top, scanner)


def _standing(robot: Robot, exact: bool):
    """Return the robot alone at home, compiled, with its kinematics; visuals with the exact shapes."""
    import mujoco

    stance = home_stance(robot, (0.0, 0.0, robot.info.base_height_m), floating=False)
    tree = robot_tree(robot, exact=exact, visuals=exact)
    xml = compose(Environment((), ()), tree, stance, Options(0.005), name=robot.info.name)
    files = {name: data for name, data in robot.files.items() if name != ROBOT_FILE}
    model = compiled(xml, files, ROBOT_FILE)
    data = mujoco.MjData(model)
    for joint, value in stance.qpos.items():
        data.joint(ROBOT_PREFIX + joint).qpos[0] = value
    mujoco.mj_forward(model, data)
    return model, data


def _scanner(model, data, robot: Robot) -> tuple[int, Array, str]:
    """Return the body that carries the scanner, its point in the world, and what to know of it."""
    base = model.body(ROBOT_PREFIX + robot.info.base_body).id
    for kind, count, at, axes, owner in (
        ("link", model.nbody, data.xpos, data.xmat, np.arange(model.nbody)),
        ("frame", model.nsite, data.site_xpos, data.site_xmat, model.site_bodyid),
    ):
        for index in range(count):
            name = (model.body if kind == "link" else model.site)(index).name
            level = abs(axes[index].reshape(3, 3)[2, 2]) > UPRIGHT
            carried = model.body_weldid[owner[index]] == model.body_weldid[base]
            if _SCANNER.search(name.removeprefix(ROBOT_PREFIX)) and level and carried:
                return int(owner[index]), at[index].copy(), ""
    point = data.xpos[base] * [1, 1, 0] + [0, 0, SCANNER_HEIGHT_M]
    note = f"no link is called a scanner: one is assumed {SCANNER_HEIGHT_M:g} m over the floor"
    return base, point, note
