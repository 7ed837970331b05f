"""Laws of the pairs that training leaves out: none of them ever touches."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from r2s.scene.compose import TRAIN_FILE
from r2s.scene.meetings import with_meetings
from r2s.scene.stage import Config, run
from r2s.scene.twin import plain


def compiled(xml: bytes, scene) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(xml.decode(), plain(scene.files))


def touching(model: mujoco.MjModel, data: mujoco.MjData) -> set[tuple[int, int]]:
    mujoco.mj_forward(model, data)
    return {tuple(pair) for pair in data.contact.geom.tolist()}


@pytest.fixture(scope="module")
def models(built):
    """The training model, and the same with every pair."""
    bits = compiled(built.files[TRAIN_FILE], built)
    every = compiled(built.files[TRAIN_FILE], built)
    solid = (every.geom_contype | every.geom_conaffinity) != 0
    of_robot = np.array(
        [every.body(b).name.startswith("robot/") for b in every.geom_bodyid], dtype=bool
    )
    every.geom_contype[:] = solid & of_robot
    every.geom_conaffinity[:] = solid
    return bits, every


def test_in_any_pose_the_same_colliders_touch(models):
    bits, every = models
    random, touched = np.random.default_rng(0), 0
    low, high = every.jnt_range.T
    one, other = mujoco.MjData(bits), mujoco.MjData(every)
    for _ in range(500):
        one.qpos[:] = other.qpos[:] = random.uniform(low, high)
        found = touching(every, other)
        assert touching(bits, one) == found
        touched += len(found)
    assert touched > 100


def test_free_things_still_rest_on_the_table(tabletop, arm, context):
    config = Config(goals=50, training_objects="free")
    scene = run({"reconstruction": tabletop, "robot": arm}, config, context)
    model = compiled(scene.files[TRAIN_FILE], scene)
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, 0)
    before = data.body("object_0").xpos.copy(), model.body("object_0").id
    mujoco.mj_step(model, data, 400)
    assert np.linalg.norm(data.xpos[before[1]] - model.key_qpos[0][-14:-11]) < 0.05
    things = {model.body(b).name for b in model.geom_bodyid[data.contact.geom.ravel()]}
    assert {"object_0", "object_1", "world"} <= things


ARM = """<mujoco><worldbody>
  <geom name="near" type="box" size=".1 .1 .1" pos="0.5 0 0"/>
  <geom name="far" type="box" size=".1 .1 .1" pos="0.9 0 0"/>
  <geom name="wall" type="plane" size="1 1 1" pos="0.9 0 0" quat="0.7071 0 -0.7071 0"/>
  <body name="robot/one"><joint {joint}/><geom type="capsule" size=".02" fromto="0 0 0 .25 0 0"/>
    <body name="robot/two" pos=".25 0 0"><joint axis="0 0 1"/>
      <geom type="capsule" size=".02" fromto="0 0 0 .25 0 0"/></body></body>
</worldbody></mujoco>"""


@pytest.mark.parametrize(
    ("joint", "met"),
    [
        ('axis="0 0 1"', {"near"}),
        ('axis="0 0 1" pos="-0.2 0 0"', {"near", "far", "wall"}),
        ('type="slide" limited="true" range="-0.1 0.3"', {"near", "far", "wall"}),
        ('type="slide"', {"near", "far", "wall"}),
        ('type="free"', {"near", "far", "wall"}),
    ],
)
def test_a_link_meets_what_its_joints_can_bring_it_to(joint: str, met: set[str]):
    xml = with_meetings(ARM.format(joint=joint).encode(), {})
    model = mujoco.MjModel.from_xml_string(xml.decode())
    robot = [g for g in range(model.ngeom) if model.body(model.geom_bodyid[g]).name != "world"]
    types, affinities = model.geom_contype, model.geom_conaffinity
    place = set(range(model.ngeom)) - set(robot)
    assert met == {
        model.geom(g).name for g in place if any(types[r] & affinities[g] for r in robot)
    }
