"""`r2s robot inspect`: the sheet and the picture are of the robot that is stored."""

from __future__ import annotations

from pathlib import Path

import pytest

ARM6 = Path(__file__).parents[2] / "samples/arm6/arm6.urdf"
QUICK = ("--samples", "100", "--quiet")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Two links without inertia, as a file that needs a repair."""
    shape = '<collision><geometry><box size="0.1 0.1 0.3"/></geometry></collision>'
    limit = '<limit lower="-1" upper="1" effort="5" velocity="2"/>'
    path = tmp_path / "small.urdf"
    path.write_text(
        f'<robot name="small"><link name="base">{shape}</link><link name="arm">{shape}</link>'
        '<joint name="lift" type="revolute"><parent link="base"/><child link="arm"/>'
        f'<origin xyz="0 0 0.4"/><axis xyz="0 1 0"/>{limit}</joint></robot>'
    )
    return path


def test_inspect_shows_tree_joints_colliders_and_repairs(r2s, small, here: Path):
    said = r2s("robot", "inspect", small, "-o", here / "small.png", *QUICK)
    assert said.code == 0, said.err
    for part in ("base", "  arm", "<- lift", "position", "training colliders", "missing-inertia"):
        assert part in said.out
    assert (here / "small.png").read_bytes().startswith(b"\x89PNG")
    found = r2s("robot", "inspect", small, "--json", *QUICK).json
    assert [row["link"] for row in found["tree"]] == ["base", "arm"]
    assert sum(row["mass_kg"] for row in found["tree"]) == pytest.approx(
        found["robot"]["mass_kg"], rel=1e-6
    )
    assert found["colliders"]["exact"] == 2 and found["robot"]["kind"] == "other"


def test_the_sheet_is_of_the_stored_robot_and_costs_no_second_import(r2s, small):
    assert r2s("robot", small, *QUICK).code == 0
    assert "cached" in r2s("robot", "inspect", small, *QUICK).out


def test_a_stored_robot_is_inspected_by_its_name(r2s, small):
    assert r2s("robot", small, *QUICK).code == 0
    said = r2s("robot", "inspect", "robot/small", "--json")
    assert said.code == 0 and said.json["robot"]["name"] == "small"
    colliders = said.json["colliders"]
    assert set(colliders["steps_per_s"]) == {"exact", "train"}
    assert all(speed > 0 for speed in colliders["steps_per_s"].values())
    assert r2s("robot", "inspect", "robot/nobody").code != 0


def test_strict_names_the_first_repair(r2s, small):
    said = r2s("robot", small, "--strict", *QUICK)
    assert said.code != 0 and "arm needs the repair missing-inertia" in said.err


def test_a_profile_is_an_input(r2s, small, here: Path):
    profile = here / "profile.yaml"
    profile.write_text("kind: arm\nhome: {lift: 0.5}\n")
    said = r2s("robot", "inspect", small, "--profile", profile, "--json", *QUICK).json
    assert said["robot"]["kind"] == "arm" and said["robot"]["joints"][0]["home"] == 0.5
    profile.write_text("kind: arm\nhome: {lift: 0.6}\n")
    said = r2s("robot", "inspect", small, "--profile", profile, "--json", *QUICK).json
    assert said["robot"]["joints"][0]["home"] == 0.6


@pytest.mark.parametrize(
    "words", [("inspect", "a.urdf", "b.urdf"), ("a.urdf", "-o", "x.png"), ("a.urdf", "b.urdf")]
)
def test_words_that_mean_nothing_are_refused(r2s, words):
    said = r2s("robot", *words)
    assert said.code == 2 and "r2s robot inspect FILE" in said.err


def test_a_robot_of_a_package_that_is_not_here_is_told(r2s, here: Path, monkeypatch):
    pytest.importorskip("mujoco_menagerie")
    monkeypatch.setenv("MENAGERIE_CACHE_DIR", str(here / "empty"))
    said = r2s("robot", "menagerie:unitree_go1")
    assert said.code != 0 and "prefetch(['unitree_go1'])" in said.err
