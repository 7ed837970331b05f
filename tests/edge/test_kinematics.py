"""Laws of the robot's forward kinematics: it is MuJoCo's, and the tasks'."""

from __future__ import annotations

import mujoco
import numpy as np
import small_arm

from r2s.artifacts.kinematics import Chain, Link
from r2s.edge.kinematics import ForwardKinematics, projected_gravity


def test_the_tip_is_where_mujoco_puts_it():
    model = mujoco.MjModel.from_xml_string(small_arm.mjcf())
    data = mujoco.MjData(model)
    kinematics = ForwardKinematics(small_arm.chain().model_dump(mode="json"))
    assert kinematics.joints == small_arm.JOINTS
    rng = np.random.default_rng(0)
    for _ in range(50):
        data.qpos[:] = rng.uniform(-2.5, 2.5, 6)
        mujoco.mj_kinematics(model, data)
        base = data.body("robot/base")
        pose = kinematics.tip_pose(data.qpos)
        np.testing.assert_allclose(pose[:3, 3], data.site("robot/ee").xpos - base.xpos, atol=1e-12)
        np.testing.assert_allclose(pose[:3, :3].ravel(), data.site("robot/ee").xmat, atol=1e-12)


def test_slides_anchors_references_and_fixed_links_follow_mujoco():
    xml = """<mujoco><compiler angle="radian"/><worldbody>
      <body name="b" pos="0.1 0.2 0.3" quat="0.9 0.1 0.3 0.2">
      <joint name="h" axis="1 2 3" pos="0.05 -0.02 0.1" ref="0.4"/><geom size="0.1"/>
      <body name="f" pos="0 0.1 0" quat="0.5 0.5 -0.5 0.5"><geom size="0.1"/>
        <body name="s" pos="0.2 0 0"><joint name="s" type="slide" axis="0 1 1" ref="-0.1"/><geom size="0.1"/>
          <site name="tip" pos="0.01 0.02 0.03"/></body></body></body></worldbody></mujoco>"""
    model = mujoco.MjModel.from_xml_string(xml)
    data = mujoco.MjData(model)
    chain = Chain(
        base="world",
        tip="tip",
        links=(
            Link(position=(0.1, 0.2, 0.3), quaternion=(0.9, 0.1, 0.3, 0.2), joint="h",
                 axis=(1, 2, 3), anchor=(0.05, -0.02, 0.1), reference=0.4),
            Link(position=(0, 0.1, 0), quaternion=(0.5, 0.5, -0.5, 0.5)),
            Link(position=(0.2, 0, 0), quaternion=(1, 0, 0, 0), joint="s", kind="slide",
                 axis=(0, 1, 1), reference=-0.1),
            Link(position=(0.01, 0.02, 0.03), quaternion=(1, 0, 0, 0)),
        ),
    )  # fmt: skip
    kinematics = ForwardKinematics(chain.model_dump(mode="json"))
    for q in np.random.default_rng(1).uniform(-1, 1, (20, 2)):
        data.qpos[:] = q
        mujoco.mj_kinematics(model, data)
        np.testing.assert_allclose(kinematics.tip_position(q), data.site("tip").xpos, atol=1e-12)


def test_the_robot_and_the_tasks_compute_the_same_tip():
    import jax

    from r2s.tasks.kinematics import chain_position

    chain = small_arm.chain()
    ours = ForwardKinematics(chain.model_dump(mode="json"))
    theirs = jax.jit(jax.vmap(chain_position(chain, small_arm.JOINTS)))
    q = np.random.default_rng(3).uniform(-3, 3, (200, 6))
    np.testing.assert_allclose(
        [ours.tip_position(row) for row in q], theirs(np.float32(q)), atol=2e-6
    )


def test_the_robot_and_the_tasks_compute_the_same_gravity():
    from r2s.tasks.kinematics import projected_gravity as of_tasks

    for quat in np.random.default_rng(2).normal(size=(5, 4)):
        np.testing.assert_allclose(projected_gravity(quat), of_tasks(np.float32(quat)), atol=2e-6)
    np.testing.assert_array_equal(projected_gravity(np.array([1.0, 0, 0, 0])), [0, 0, -1])
