"""An MJCF robot keeps its dynamics, gains and home; what a policy cannot drive is converted."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from r2s.core.errors import R2SError, UnsafeInput
from r2s.robot.mjcf import read_mjcf
from r2s.robot.mjcf_files import mjcf_files
from r2s.robot.write import compile_files

ARM = """
<mujoco model="tiny"><compiler angle="radian"/>
  <default><joint damping="0.3" armature="0.02"/></default>
  <worldbody><light pos="0 0 3"/><geom type="plane" size="1 1 .1"/>
    <body name="link0" pos="0 0 0.1"><geom type="box" size=".05 .05 .05"/>
      <body name="link1" pos="0 0 .1"><joint name="a" axis="0 1 0" range="-2 2"/>
        <geom type="capsule" fromto="0 0 0 0 0 .3" size=".02"/>
        <body name="link2" pos="0 0 .3"><joint name="b" axis="0 1 0" range="-2 2" ref="0.2"/>
          <geom type="capsule" fromto="0 0 0 .3 0 0" size=".02"/>
          <site name="tcp" pos=".3 0 0"/>
        </body></body></body></worldbody>
  <actuator>ACTUATORS</actuator>
  <keyframe><key name="home" qpos="0.4 -0.6"/></keyframe>
</mujoco>"""
POSITION = '<position name="pa" joint="a" kp="80" kv="4" forcerange="-9 9"/>'
MOTOR = '<motor name="mb" joint="b" gear="10" ctrlrange="-2 2"/>'


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.xml"
    path.write_text(ARM.replace("ACTUATORS", POSITION + MOTOR))
    return path


def test_position_actuators_and_home_are_kept(tiny, imported):
    info = imported(tiny).info
    joint = info.joints[0]
    assert (joint.kp, joint.kd, joint.effort, joint.home) == (80, 4, 9, 0.4)
    assert info.actuators == ("a", "b") and info.source_format == "mjcf"
    assert info.kind == "arm" and info.base == "fixed"


def test_a_motor_becomes_a_position_actuator_with_its_torque(tiny, imported):
    info = imported(tiny).info
    assert info.joints[1].effort == 20 and info.joints[1].kp > 0
    assert [r.element for r in info.repairs if r.rule == "actuator-converted"] == ["mb"]


def test_dynamics_are_those_of_the_file(tiny, imported):
    ours, theirs = compile_files(imported(tiny).files), mujoco.MjModel.from_xml_path(str(tiny))
    for q in ([0.0, 0.0], [0.5, -1.0], [-1.2, 0.7]):
        full, bias = [], []
        for model in (ours, theirs):
            data = mujoco.MjData(model)
            data.joint("a").qpos[0], data.joint("b").qpos[0] = q
            data.qvel[:] = [0.3, -0.5]
            mujoco.mj_forward(model, data)
            matrix = np.zeros((2, 2))
            mujoco.mj_fullM(model, data, matrix)
            full.append(matrix)
            bias.append(data.qfrc_bias + data.qfrc_passive * 0)
        np.testing.assert_allclose(full[0], full[1], rtol=1e-8)
        np.testing.assert_allclose(bias[0], bias[1], rtol=1e-6, atol=1e-9)
    assert ours.dof_damping.tolist() == [0.3, 0.3]


def test_go1_keeps_its_keyframe_gains_and_mass(shared_data, imported):
    path = shared_data / "robots/unitree_go1/go1.xml"
    info = imported(path).info
    assert (info.kind, info.base, info.base_body) == ("quadruped", "floating", "trunk")
    assert info.mass_kg == pytest.approx(12.743, abs=1e-3)
    homes = {joint.name: joint.home for joint in info.joints}
    assert homes["FR_thigh_joint"] == 0.9 and homes["RL_calf_joint"] == -1.8
    assert {joint.kp for joint in info.joints} == {50.0}
    # Menagerie stands at 0.27; its feet are 2.3 cm balls that sink as its soft contacts give way.
    assert info.base_height_m == pytest.approx(0.27, abs=0.03)
    assert set(info.feet) == {"FR_calf", "FL_calf", "RR_calf", "RL_calf"}


def test_an_include_outside_the_package_is_refused(tmp_path):
    folder = tmp_path / "a" / "b" / "robot"
    folder.mkdir(parents=True)
    (tmp_path / "secret.xml").write_text("<mujoco/>")
    path = folder / "robot.xml"
    path.write_text('<mujoco><include file="../../../secret.xml"/></mujoco>')
    with pytest.raises(UnsafeInput) as caught:
        read_mjcf(path)
    assert caught.value.code == "R2S-ROBOT-008" and "secret.xml" in caught.value.what


def test_a_mesh_outside_the_package_is_refused_also_through_meshdir(tmp_path):
    folder = tmp_path / "a" / "robot"
    folder.mkdir(parents=True)
    path = folder / "robot.xml"
    path.write_text(
        '<mujoco><compiler meshdir="/etc"/><asset><mesh name="x" file="x.stl"/></asset></mujoco>'
    )
    with pytest.raises(UnsafeInput):
        mjcf_files(path)


def test_mujocos_own_refusal_is_passed_on(tmp_path):
    path = tmp_path / "bad.xml"
    path.write_text("<mujoco><worldbody><body><joint/></body></worldbody></mujoco>")
    with pytest.raises(R2SError) as caught:
        read_mjcf(path)
    assert caught.value.code == "R2S-ROBOT-021" and "mass" in caught.value.why


def test_source_files_of_an_mjcf(shared_data):
    files = mjcf_files(shared_data / "robots/unitree_go1/go1.xml")
    assert [file.name for file in files] == [
        "go1.xml", "calf.stl", "hip.stl", "thigh.stl", "thigh_mirror.stl", "trunk.stl",
    ]  # fmt: skip
