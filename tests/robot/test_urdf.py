"""URDF to MuJoCo: nothing is lost, what is repaired is logged, what cannot be is an error that helps."""

from __future__ import annotations

import math
from itertools import chain
from pathlib import Path

import mujoco
import numpy as np
import pytest

from r2s.core.errors import R2SError, UnsafeInput
from r2s.robot.inertia import repair_inertias
from r2s.robot.urdf import read_urdf
from r2s.robot.write import compile_files
from tests.robot.conftest import INERTIAL, joint, link


def rules(robot) -> set[str]:
    return {repair.rule for repair in robot.info.repairs}


def test_total_mass_is_the_sum_of_the_links_even_of_welded_ones(write_urdf, imported):
    path = write_urdf(
        link("base"), link("mount"), link("arm"), link("tool"),
        joint("j0", "base", "mount", kind="fixed"), joint("j1", "mount", "arm"),
        joint("j2", "arm", "tool", kind="fixed"),
    )  # fmt: skip
    robot = imported(path)
    assert robot.info.mass_kg == pytest.approx(4.0)
    assert compile_files(robot.files).body_mass.sum() == pytest.approx(4.0)


def test_dynamics_agree_with_mujocos_own_urdf_importer(shared_data, imported):
    path = shared_data / "robots/so_arm100/so100.urdf"
    ours, theirs = compile_files(imported(path).files), mujoco.MjModel.from_xml_path(str(path))
    ours.dof_armature[:] = 0
    random = np.random.default_rng(0)
    for _ in range(5):
        matrices = []
        q = random.uniform(-1, 1, theirs.nv)
        for model in (ours, theirs):
            data = mujoco.MjData(model)
            for index in range(theirs.nv):
                data.joint(theirs.joint(index).name).qpos[0] = q[index]
            mujoco.mj_forward(model, data)
            full = np.zeros((model.nv, model.nv))
            mujoco.mj_fullM(model, data, full)
            order = [model.joint(theirs.joint(i).name).dofadr[0] for i in range(theirs.nv)]
            matrices.append((full[np.ix_(order, order)], data.qfrc_bias[order].copy()))
        np.testing.assert_allclose(matrices[0][0], matrices[1][0], rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(matrices[0][1], matrices[1][1], rtol=1e-6, atol=1e-9)


def test_gains_give_each_joint_its_natural_frequency_and_damping(write_urdf, imported):
    path = write_urdf(
        link("base"), link("a"), link("b"), joint("j1", "base", "a"), joint("j2", "a", "b")
    )
    robot = imported(path)
    model = compile_files(robot.files)
    data = mujoco.MjData(model)
    for each in robot.info.joints:
        data.joint(each.name).qpos[0] = each.home
    mujoco.mj_forward(model, data)
    inertia = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, inertia)
    for each in robot.info.joints:
        own = inertia[model.joint(each.name).dofadr[0], model.joint(each.name).dofadr[0]]
        assert math.sqrt(each.kp / own) / (2 * math.pi) == pytest.approx(10.0, rel=1e-3)
        assert each.kd / (2 * math.sqrt(each.kp * own)) == pytest.approx(1.0, rel=1e-3)
        assert model.actuator(each.name).forcerange.tolist() == [-5, 5]


def test_a_mimic_joint_follows_and_has_no_actuator(write_urdf, imported):
    mimic = '<mimic joint="left" multiplier="-0.5" offset="0.1"/>'
    path = write_urdf(
        link("base"), link("a"), link("b"),
        joint("left", "base", "a"), joint("right", "base", "b", more=mimic),
    )  # fmt: skip
    robot = imported(path)
    assert robot.info.actuators == ("left",)
    assert robot.info.joints[1].mimics == "left"
    model = compile_files(robot.files)
    model.opt.gravity[:] = 0
    data = mujoco.MjData(model)
    data.ctrl[0] = 0.6
    for _ in range(1000):
        mujoco.mj_step(model, data)
    assert data.joint("left").qpos[0] == pytest.approx(0.6, abs=0.01)
    assert data.joint("right").qpos[0] == pytest.approx(0.1 - 0.3, abs=0.01)


def test_a_mimic_that_lost_its_prefix_finds_its_leader_above_it(write_urdf, imported):
    """As alex's hands have it: a copied limb, prefixed, with the names of its mimics left as they were."""
    mimic = '<mimic joint="index_q1" multiplier="0.5"/>'
    path = write_urdf(
        link("base"), link("a"), link("b"), link("c"),
        joint("Left_index_q1", "base", "a"), joint("Left_index_q2", "a", "b", more=mimic),
        joint("stray", "base", "c", more=mimic),
    )  # fmt: skip
    robot = imported(path)
    assert [joint.mimics for joint in robot.info.joints] == ["", "Left_index_q1", ""]
    repairs = [(each.rule, each.element) for each in robot.info.repairs]
    assert ("mimic-leader", "Left_index_q2") in repairs and ("mimic-dropped", "stray") in repairs


def test_a_moving_link_without_inertia_gets_one_from_its_shape(write_urdf, imported):
    box = '<box size="0.1 0.2 0.3"/>'
    path = write_urdf(link("base"), link("a", inertial="", shape=box), joint("j", "base", "a"))
    robot = imported(path)
    repair = next(each for each in robot.info.repairs if each.rule == "missing-inertia")
    assert repair.element == "a" and repair.before.startswith("mass 0 kg") and repair.reason
    model = compile_files(robot.files)
    mass = model.body("a").mass[0]
    assert mass == pytest.approx(6.0, rel=1e-6)
    expected = sorted(mass / 12 * np.array([0.2**2 + 0.3**2, 0.1**2 + 0.3**2, 0.1**2 + 0.2**2]))
    assert sorted(model.body("a").inertia) == pytest.approx(expected, rel=1e-3)


def test_an_impossible_inertia_is_made_possible_and_logged(write_urdf):
    bad = INERTIAL.replace('izz="0.01"', 'izz="0.5"')
    path = write_urdf(link("base"), link("a", inertial=bad), joint("j", "base", "a"))
    robot = read_urdf(path)
    repair_inertias(robot)
    assert [each.rule for each in robot.repairs] == ["impossible-inertia"]
    a, b, c = np.linalg.eigvalsh(robot.body("a").inertia)
    assert a > 0 and a + b >= c


def test_a_quadruped_floats_and_an_arm_does_not(write_urdf, imported):
    def leg(name: str, x: float, y: float) -> list[str]:
        hip = (
            f'<joint name="{name}_hip" type="revolute"><parent link="base"/><child link="{name}_a"/>'
            f'<origin xyz="{x} {y} 0"/><axis xyz="0 1 0"/>'
            '<limit lower="-1.5" upper="1.5" effort="20" velocity="9"/></joint>'
        )
        knee = (
            f'<joint name="{name}_knee" type="revolute"><parent link="{name}_a"/>'
            f'<child link="{name}_b"/><origin xyz="0 0 -0.2"/><axis xyz="0 1 0"/>'
            '<limit lower="-2.5" upper="-0.2" effort="20" velocity="9"/></joint>'
        )
        foot = (
            f'<link name="{name}_b">{INERTIAL}<collision><origin xyz="0 0 -0.2"/>'
            '<geometry><sphere radius="0.02"/></geometry></collision></link>'
        )
        return [link(f"{name}_a", shape=""), foot, hip, knee]

    legs = [
        leg(f"l{i}", x, y)
        for i, (x, y) in enumerate([(0.2, 0.1), (0.2, -0.1), (-0.2, 0.1), (-0.2, -0.1)])
    ]
    path = write_urdf(
        link("base", shape='<box size="0.5 0.2 0.1"/>'), *chain.from_iterable(legs), name="dog"
    )
    robot = imported(path)
    assert (robot.info.kind, robot.info.base) == ("quadruped", "floating")
    assert robot.info.feet == ("l0_b", "l1_b", "l2_b", "l3_b")
    assert 0.25 < robot.info.base_height_m < 0.41
    model = compile_files(robot.files)
    data = mujoco.MjData(model)
    for each in robot.info.joints:
        data.joint(each.name).qpos[0] = each.home
    mujoco.mj_forward(model, data)
    feet = [data.geom(f"{foot}_train_0").xpos for foot in robot.info.feet]
    assert np.ptp([foot[2] for foot in feet]) < 0.01
    assert -feet[0][2] + 0.02 == pytest.approx(robot.info.base_height_m, abs=1e-5)
    for foot, (x, y) in zip(
        feet, [(0.2, 0.1), (0.2, -0.1), (-0.2, 0.1), (-0.2, -0.1)], strict=True
    ):
        np.testing.assert_allclose(foot[:2], [x, y], atol=0.03)


def test_names_that_mjcf_cannot_hold_are_changed(write_urdf, imported):
    path = write_urdf(link("world"), link("a/b c"), joint("j/1", "world", "a/b c"))
    robot = imported(path)
    assert robot.info.base_body == "world_body"
    assert robot.info.actuators == ("j_1",)
    compile_files(robot.files)


def test_limits_that_lock_or_swap_are_repaired(write_urdf, imported):
    broken = joint("j", "base", "a").replace('lower="-1" upper="1"', 'lower="1" upper="-1"')
    locked = joint("k", "a", "b").replace('lower="-1" upper="1"', 'lower="0" upper="0"')
    robot = imported(write_urdf(link("base"), link("a"), link("b"), broken, locked))
    assert {"inverted-limits", "no-limits"} <= rules(robot)
    assert (robot.info.joints[0].low, robot.info.joints[0].high) == (-1, 1)
    assert robot.info.joints[1].limited is False


def test_no_effort_limit_is_replaced_by_twice_the_gravity_load(write_urdf, imported):
    weak = joint("j", "base", "a").replace('effort="5"', 'effort="0"')
    far = INERTIAL.replace("<mass", '<origin xyz="0.5 0 0"/><mass')
    robot = imported(write_urdf(link("base"), link("a", inertial=far), weak))
    assert "no-effort-limit" in rules(robot)
    assert robot.info.joints[0].effort == pytest.approx(2 * 9.81 * 0.5, rel=0.01)


def test_a_doctype_is_refused(tmp_path):
    path = tmp_path / "evil.urdf"
    path.write_text('<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/hostname">]><robot>&x;</robot>')
    with pytest.raises(UnsafeInput) as caught:
        read_urdf(path)
    assert caught.value.code == "R2S-ROBOT-002" and caught.value.exit_code == 7


def test_the_word_doctype_in_a_comment_is_not_refused(tmp_path):
    path = tmp_path / "fine.urdf"
    path.write_text(f"<robot name='x'><!-- <!DOCTYPE x> -->{link('base')}</robot>")
    assert len(read_urdf(path).bodies) == 1


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        ("<robot", "R2S-ROBOT-004", "well-formed"),
        ("<sdf/>", "R2S-ROBOT-005", "<sdf>"),
        ("<robot/>", "R2S-ROBOT-007", "no link"),
        (f"<robot>{link('a')}{joint('j', 'a', 'b')}</robot>", "R2S-ROBOT-007", "'b'"),
        (
            f"<robot>{link('a')}{link('b')}{joint('j', 'a', 'b')}{joint('k', 'b', 'a')}</robot>",
            "R2S-ROBOT-007",
            "no root link",
        ),
        (
            f"<robot>{link('a', inertial=INERTIAL.replace('0.01', 'heavy'))}</robot>",
            "R2S-ROBOT-007",
            "number",
        ),
    ],
)
def test_each_broken_file_has_its_own_error(tmp_path: Path, text: str, code: str, part: str):
    path = tmp_path / "broken.urdf"
    path.write_text(text)
    with pytest.raises(R2SError) as caught:
        read_urdf(path)
    assert caught.value.code == code
    assert part in caught.value.what
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("joints", "said"),
    [
        ([("b", "b")], "joins the link b to itself"),
        ([("b", "c"), ("c", "b")], "hang on themselves"),
    ],
)
def test_links_that_hang_on_themselves_are_refused(tmp_path, joints, said):
    path = tmp_path / "loop.urdf"
    links = "".join(f'<link name="{name}"/>' for name in "abc"[: len(joints) + 1])
    path.write_text(
        f'<robot name="x">{links}'
        + "".join(
            f'<joint name="{a}{b}" type="revolute"><parent link="{a}"/><child link="{b}"/></joint>'
            for a, b in joints
        )
        + "</robot>"
    )
    with pytest.raises(R2SError, match=said):
        read_urdf(path)
