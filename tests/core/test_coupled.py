"""Joints that follow others: positions set by hand agree with what physics pulls them to."""

from __future__ import annotations

import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from r2s.core.coupled import brought, followers

XML = """
<mujoco>
  <option gravity="0 0 0"/>
  <worldbody>
    <body><joint name="c" type="slide" axis="0 0 1" damping="5"/><geom size="0.1"/></body>
    <body pos="1 0 0">
      <joint name="a" type="slide" axis="0 0 1" ref="0.2" damping="5"/><geom size="0.1"/>
    </body>
    <body pos="2 0 0"><joint name="b" type="slide" axis="0 0 1" damping="5"/><geom size="0.1"/></body>
    <body pos="3 0 0"><joint name="d" type="slide" axis="0 0 1" damping="5"/><geom size="0.1"/></body>
  </worldbody>
  <equality>
    <joint joint1="c" joint2="b" polycoef="0.1 2 0 0 0" solref="0.005 1"/>
    <joint joint1="b" joint2="a" polycoef="0 -1 0.5 0 0" solref="0.005 1"/>
    <joint joint1="d" polycoef="0.3 0 0 0 0" solref="0.005 1"/>
  </equality>
</mujoco>"""


@pytest.fixture(scope="module")
def model():
    return mujoco.MjModel.from_xml_string(XML)


def test_followers_are_where_their_leaders_ask_them_to_be_leaders_first(model):
    qpos = model.qpos0.copy()
    qpos[model.joint("a").qposadr[0]] = 0.5
    found = brought(qpos.copy(), followers(model))
    b = -0.3 + 0.5 * 0.3**2  # of how far a is from its reference
    wanted = {"a": 0.5, "b": b, "c": 0.1 + 2 * b, "d": 0.3}
    for name, value in wanted.items():
        assert found[model.joint(name).qposadr[0]] == pytest.approx(value), name
    again = brought(jnp.asarray(qpos), followers(model), lambda q, at, value: q.at[at].set(value))
    np.testing.assert_allclose(again, found, atol=1e-6)


def test_physics_agrees(model):
    """From there nothing has to move; from elsewhere the constraint pulls."""
    data = mujoco.MjData(model)
    data.qpos[model.joint("a").qposadr[0]] = 0.5
    brought(data.qpos, followers(model))
    begun = data.qpos.copy()
    mujoco.mj_step(model, data, nstep=200)
    np.testing.assert_allclose(data.qpos, begun, atol=1e-6)
    data.qpos[model.joint("c").qposadr[0]] += 0.1
    mujoco.mj_forward(model, data)
    assert np.abs(data.qacc).max() > 1.0


def test_an_equality_that_is_off_leads_nobody():
    model = mujoco.MjModel.from_xml_string(XML.replace('joint1="d"', 'joint1="d" active="false"'))
    assert len(followers(model)) == 2
