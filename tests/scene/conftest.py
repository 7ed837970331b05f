"""A table with things on it, and a small arm: everything a scene is built from, without a scan."""

from __future__ import annotations

from pathlib import Path

import pytest
from scene_bodies import TABLE_M, box, place, static, table, thing

from r2s.artifacts.geometry import Geom
from r2s.artifacts.reconstruction import Reconstruction
from r2s.artifacts.robot import Robot
from r2s.core.context import StageContext

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="session")
def tabletop() -> Reconstruction:
    floor = static("floor", "floor", Geom(shape="plane", size=(2, 2, 0), position=(0, 0, 0)))
    can = Geom(shape="cylinder", size=(0.03, 0.05, 0), position=(0.0, 0.2, TABLE_M + 0.05))
    return place(
        floor, table(), thing("object_0", box(0.2, 0.0)), thing("object_1", can, parent="table_0")
    )


@pytest.fixture(scope="session")
def arm(tmp_path_factory) -> Robot:
    """The six-joint arm of `samples/`, imported for real."""
    from r2s.robot.stage import Config, run

    source = ROOT / "samples" / "arm6" / "arm6.urdf"
    context = StageContext(
        scratch=tmp_path_factory.mktemp("arm"), sources={"robot": source}, seed=0
    )
    return run({}, Config(), context)


@pytest.fixture(scope="session")
def context(tmp_path_factory) -> StageContext:
    return StageContext(scratch=tmp_path_factory.mktemp("scene"))


@pytest.fixture(scope="session")
def built(tabletop, arm, context):
    """One whole scene, built once."""
    from r2s.scene.stage import Config, run

    return run({"reconstruction": tabletop, "robot": arm}, Config(goals=80), context)
