"""A picture of a robot alone, at home, on a floor."""

from __future__ import annotations

from typing import cast

import numpy as np

from r2s.artifacts.robot import VISUAL_GROUP, Robot
from r2s.artifacts.scene import Scene
from r2s.report.camera import look_at_points
from r2s.report.render import SIZE, VIEW_FILE, Player

# Black plastic shows no shape: every colour is lifted, none beyond white.
DARKEST = 0.25
VIEW = np.array([1.0, -1.2, 0.6])  # from the front, its right side and above


class _Alone:
    """What `Player` reads of a scene when the camera is given."""

    def __init__(self, files: dict[str, bytes]):
        self.files = files


def render_robot(robot: Robot, *, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Return (h, w, 3) uint8: the robot at home; a floating one stands on the floor."""
    import mujoco

    assets = {name: data for name, data in robot.files.items() if name != "robot.xml"}
    spec = mujoco.MjSpec.from_string(robot.files["robot.xml"].decode(), assets=assets)
    spec.body(robot.info.base_body).pos = [0, 0, robot.info.base_height_m]
    spec.worldbody.add_geom(
        type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 1], rgba=[0.8, 0.8, 0.8, 1]
    )
    for geom in spec.geoms:
        if geom.group == VISUAL_GROUP:
            geom.rgba[:3] = DARKEST + (1 - DARKEST) * np.asarray(geom.rgba[:3])
    model = spec.compile()
    data = mujoco.MjData(model)
    for joint in robot.info.joints:
        data.joint(joint.name).qpos[0] = joint.home
    mujoco.mj_kinematics(model, data)
    scene = cast(Scene, _Alone({**assets, VIEW_FILE: spec.to_xml().encode()}))
    camera = look_at_points(_corners(model, data), VIEW, size[0] / size[1])
    return Player(scene, size=size, camera=camera).frame(data.qpos.copy())


def _corners(model, data) -> np.ndarray:
    """Return (n, 3) corners of the bounding boxes of what is drawn of the robot."""
    signs = np.array([(i, j, k) for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)])
    found = [np.zeros((1, 3))]
    for geom in range(model.ngeom):
        if model.geom_group[geom] == VISUAL_GROUP:
            local = model.geom_aabb[geom, :3] + model.geom_aabb[geom, 3:] * signs
            turn = data.geom_xmat[geom].reshape(3, 3)
            found.append(local @ turn.T + data.geom_xpos[geom])
    return np.concatenate(found)
