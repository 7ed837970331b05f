"""Mesh names of every kind are found, and a missing one names every path tried."""

from __future__ import annotations

from pathlib import Path

import pytest
import trimesh

from r2s.core.errors import R2SError
from r2s.robot.resolve import Resolver
from r2s.robot.stage import Config, source_files
from r2s.robot.urdf import read_urdf
from tests.robot.conftest import link


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A ROS package `my_robot` in a folder of another name, and a URDF two levels down."""
    root = tmp_path / "ws" / "src" / "checkout"
    (root / "urdf").mkdir(parents=True)
    (root / "meshes").mkdir()
    (root / "package.xml").write_text("<package><name>my_robot</name></package>")
    trimesh.creation.box((0.1, 0.2, 0.3)).export(root / "meshes" / "part.stl")
    return root


@pytest.mark.parametrize(
    "name",
    [
        "package://my_robot/meshes/part.stl",
        "package://checkout/meshes/part.stl",
        "package:///my_robot/meshes/part.stl",
        "../meshes/part.stl",
        "..\\meshes\\part.stl",
        "model://my_robot/meshes/part.stl",
    ],
)
def test_every_kind_of_name_finds_the_file(package: Path, name: str):
    found = Resolver(package / "urdf" / "r.urdf").find(name)
    assert found is not None and found.resolve() == (package / "meshes" / "part.stl").resolve()


def test_file_urls_and_package_path(package: Path, tmp_path: Path):
    elsewhere = tmp_path / "elsewhere" / "r.urdf"
    mesh = package / "meshes" / "part.stl"
    assert Resolver(elsewhere).find(f"file://{mesh}") == mesh
    name = "package://checkout/meshes/part.stl"
    assert Resolver(elsewhere).find(name) is None
    assert Resolver(elsewhere, (package,)).find(name) == mesh
    assert Resolver(elsewhere, (package.parent,)).find(name) == mesh


def test_a_missing_collision_mesh_names_every_path_tried(write_urdf):
    path = write_urdf(link("base", shape='<mesh filename="package://gone/a.stl"/>'))
    with pytest.raises(R2SError) as caught:
        read_urdf(path)
    assert caught.value.code == "R2S-ROBOT-010"
    for tried in Resolver(path).candidates("package://gone/a.stl"):
        assert str(tried) in caught.value.why
    assert "--package-path" in caught.value.remedy


def test_a_missing_visual_mesh_is_dropped_and_logged(write_urdf):
    visual = '<visual><geometry><mesh filename="gone.dae"/></geometry></visual></link>'
    path = write_urdf(link("base").replace("</link>", visual))
    robot = read_urdf(path)
    assert [(r.rule, r.before) for r in robot.repairs] == [("visual-mesh-dropped", "gone.dae")]


def test_a_missing_mesh_that_is_seen_and_touched_is_refused(write_urdf):
    shape = '<geometry><mesh filename="gone.stl"/></geometry>'
    both = f"<visual>{shape}</visual><collision>{shape}</collision></link>"
    path = write_urdf(link("base", shape="").replace("</link>", both))
    with pytest.raises(R2SError, match="the collision mesh gone"):
        read_urdf(path)


def test_source_files_are_the_urdf_and_every_mesh(example_robots):
    path = example_robots / "so_arm_description/urdf/so101.urdf"
    files = source_files("robot", path, Config())
    assert files[0] == path
    assert len(files) == 14 and all(file.is_file() for file in files)
    assert {file.suffix for file in files[1:]} == {".stl"}


def test_a_mesh_found_through_the_package_path_is_a_source_file(package: Path, tmp_path: Path):
    mesh = package / "meshes" / "part.stl"
    urdf = tmp_path / "elsewhere.urdf"
    shape = '<mesh filename="package://checkout/meshes/part.stl"/>'
    urdf.write_text(f'<robot name="r">{link("base", shape=shape)}</robot>')
    assert source_files("robot", urdf, Config()) == [urdf]
    assert source_files("robot", urdf, Config(package_path=(str(package),))) == [urdf, mesh]
