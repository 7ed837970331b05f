"""xacro where `xacrodoc` is installed, a message that says so where it is not; robots of packages."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from conftest import INERTIAL

from r2s.core.errors import R2SError
from r2s.robot.packaged import packaged_file
from r2s.robot.sources import referenced_files
from r2s.robot.urdf import read_urdf

HEAD = '<robot name="x" xmlns:xacro="http://www.ros.org/wiki/xacro">'
MACROS = f"""<robot xmlns:xacro="http://www.ros.org/wiki/xacro">
<xacro:property name="length" value="${{2 * 0.1}}"/>
<xacro:macro name="part" params="name"><link name="${{name}}">{INERTIAL}</link></xacro:macro></robot>"""
BODY = """<xacro:include filename="parts.xacro"/><xacro:part name="a"/><xacro:part name="b"/>
<joint name="j" type="continuous"><parent link="a"/><child link="b"/><origin xyz="0 0 ${length}"/>
<axis xyz="0 1 0"/></joint></robot>"""


@pytest.fixture
def xacro_robot(tmp_path: Path) -> Path:
    (tmp_path / "parts.xacro").write_text(MACROS)
    path = tmp_path / "x.urdf.xacro"
    path.write_text(HEAD + BODY)
    return path


def test_a_xacro_file_is_expanded_with_what_it_includes(xacro_robot):
    pytest.importorskip("xacrodoc")
    robot = read_urdf(xacro_robot)
    assert [body.name for body in robot.bodies] == ["a", "b"]
    assert robot.bodies[1].T_parent_body[2, 3] == pytest.approx(0.2)
    assert xacro_robot.parent / "parts.xacro" in referenced_files(xacro_robot)


def test_a_xacro_file_that_does_not_expand_says_why(tmp_path):
    pytest.importorskip("xacrodoc")
    path = tmp_path / "bad.xacro"
    path.write_text(f'{HEAD}<link name="${{prefix}}a"/></robot>')
    with pytest.raises(R2SError) as caught:
        read_urdf(path)
    assert caught.value.code == "R2S-ROBOT-009" and "prefix" in caught.value.why


def test_without_xacrodoc_the_message_names_the_extra(xacro_robot, monkeypatch):
    monkeypatch.setitem(sys.modules, "xacrodoc", None)
    with pytest.raises(R2SError) as caught:
        read_urdf(xacro_robot)
    assert caught.value.code == "R2S-ROBOT-006" and "r2s-pipeline[robots]" in caught.value.remedy


def test_a_robot_of_the_menagerie_is_found_where_it_was_put(shared_data, monkeypatch):
    pytest.importorskip("mujoco_menagerie")
    monkeypatch.setenv("MENAGERIE_ROOT", str(shared_data / "robots"))
    assert packaged_file("menagerie:unitree_go1") == shared_data / "robots/unitree_go1/go1.xml"


def test_what_a_package_has_not_downloaded_is_not_downloaded(tmp_path, monkeypatch):
    pytest.importorskip("mujoco_menagerie")
    pytest.importorskip("robot_descriptions")
    monkeypatch.setenv("MENAGERIE_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("ROBOT_DESCRIPTIONS_CACHE", str(tmp_path))
    for wanted in ("menagerie:unitree_go1", "description:go1", "description:go1_mj_description"):
        with pytest.raises(R2SError) as caught:
            packaged_file(wanted)
        assert caught.value.code == "R2S-ROBOT-042" and "import" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_a_misspelt_robot_gets_near_names(monkeypatch):
    pytest.importorskip("mujoco_menagerie")
    with pytest.raises(R2SError) as caught:
        packaged_file("menagerie:unitre_go1")
    assert caught.value.code == "R2S-ROBOT-041" and "unitree_go1" in caught.value.remedy


@pytest.mark.parametrize("wanted", ["menagerie:unitree_go1", "description:go1"])
def test_without_the_package_the_message_names_the_extra(wanted, monkeypatch):
    for name in ("mujoco_menagerie", "robot_descriptions"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(R2SError) as caught:
        packaged_file(wanted)
    assert caught.value.code == "R2S-ROBOT-040" and "r2s-pipeline[robots]" in caught.value.remedy
