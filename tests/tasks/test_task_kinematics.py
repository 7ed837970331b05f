"""Forward kinematics in JAX is MuJoCo's."""

import jax
import mujoco
import numpy as np
import pytest
from arm_scene import arm_chain, arm_scene

from r2s.artifacts.kinematics import Chain, Link
from r2s.core.errors import R2SError
from r2s.core.rigid import quat_to_matrix
from r2s.sim.model import load_model
from r2s.tasks.kinematics import chain_position, projected_gravity

ODD_XML = """
<mujoco>
  <compiler angle="radian"/>
  <worldbody>
    <body name="base"><geom size=".1"/>
      <body name="a" pos=".1 .2 .3" quat=".8 .1 .5 .2">
        <joint name="h" axis="1 2 3" pos=".05 -.02 .1" ref=".4"/><geom size=".1"/>
        <body name="b" pos="-.1 .1 .2" quat=".1 .9 0 .3">
          <joint name="s" type="slide" axis="0 1 1"/><geom size=".1"/>
          <body name="c" pos=".2 0 0"><geom size=".1"/><site name="tip" pos=".03 .04 .05"/></body>
        </body>
      </body>
    </body>
  </worldbody>
</mujoco>
"""
ODD_CHAIN = Chain(
    base="base",
    tip="tip",
    links=(
        Link(
            position=(0.1, 0.2, 0.3),
            quaternion=(0.8, 0.1, 0.5, 0.2),
            joint="h",
            axis=(1, 2, 3),
            anchor=(0.05, -0.02, 0.1),
            reference=0.4,
        ),
        Link(
            position=(-0.1, 0.1, 0.2),
            quaternion=(0.1, 0.9, 0, 0.3),
            joint="s",
            kind="slide",
            axis=(0, 1, 1),
        ),
        Link(position=(0.2, 0, 0), quaternion=(1, 0, 0, 0)),
        Link(position=(0.03, 0.04, 0.05), quaternion=(1, 0, 0, 0)),
    ),
)


def mujoco_tips(model, qpos, site, base):
    data, tips = mujoco.MjData(model), []
    for row in qpos:
        data.qpos[:] = row
        mujoco.mj_kinematics(model, data)
        rotation = data.body(base).xmat.reshape(3, 3)
        tips.append(rotation.T @ (data.site(site).xpos - data.body(base).xpos))
    return np.array(tips)


def test_arm_tip_is_mujocos():
    model = load_model(arm_scene(6))
    qpos = np.random.default_rng(0).uniform(-1.8, 1.8, (100, 6))
    tips = jax.vmap(chain_position(arm_chain(6), [f"j{i}" for i in range(6)]))(np.float32(qpos))
    np.testing.assert_allclose(tips, mujoco_tips(model, qpos, "robot/ee", "robot/base"), atol=2e-6)


def test_anchors_references_slides_and_any_joint_order_are_mujocos():
    model = mujoco.MjModel.from_xml_string(ODD_XML)
    qpos = np.random.default_rng(1).uniform(-1, 1, (100, 2))
    tips = jax.vmap(chain_position(ODD_CHAIN, ["s", "x", "h"]))(
        np.float32(np.stack([qpos[:, 1], np.zeros(100), qpos[:, 0]], axis=1))
    )
    np.testing.assert_allclose(tips, mujoco_tips(model, qpos, "tip", "base"), atol=2e-6)


def test_a_chain_with_unmeasured_joints_is_refused_by_name():
    with pytest.raises(R2SError, match="lacks: \\['s'\\]") as caught:
        chain_position(ODD_CHAIN, ["h"])
    assert caught.value.code == "R2S-TASK-003"


def test_projected_gravity_is_down_in_the_base_frame():
    quats = np.random.default_rng(2).normal(size=(50, 4))
    expected = [quat_to_matrix(q).T @ [0, 0, -1] for q in quats]
    np.testing.assert_allclose(jax.vmap(projected_gravity)(np.float32(quats)), expected, atol=1e-6)
