"""What varies by default is something that the robot has."""

from __future__ import annotations

import mujoco
import pytest

from r2s.scene.randomization import has_joint_damping

ARM = """<mujoco><worldbody>
  <body name="thing"><freejoint/><geom size="0.1"/></body>
  <body name="robot/link"><joint name="robot/hinge" damping="{robot}"/><geom size="0.1"/></body>
  <body name="door"><joint name="door" damping="{door}"/><geom size="0.1"/></body>
</worldbody></mujoco>"""


@pytest.mark.parametrize(
    ("robot", "door", "damped"), [(0, 0, False), (0, 1, False), (0.1, 0, True)]
)
def test_only_the_robots_own_joints_count(robot: float, door: float, damped: bool):
    model = mujoco.MjModel.from_xml_string(ARM.format(robot=robot, door=door))
    assert has_joint_damping(model) is damped
