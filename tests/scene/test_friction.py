"""A block on a slope slides as its own friction says, not as the larger of the two."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import mujoco
import numpy as np
import pytest
from scene_bodies import box, place, table, thing

from r2s.artifacts.geometry import Range
from r2s.scene.compose import Options, Stance, compose
from r2s.scene.environment import environment
from r2s.scene.robot_tree import RobotTree

SLOPE = np.deg2rad(25.0)  # its tangent is 0.47: 0.2 slides, 0.6 stays
GRAVITY = 9.81


def known(value: float, source: str) -> Range:
    return Range(value=value, low=value, high=value, source=source)  # type: ignore[arg-type]


def acceleration(block: Range, top: Range) -> float:
    """Return how fast a block on the tilted table gathers speed [m/s2], over half a second."""
    body = thing("block", box(-0.3, 0.0, (0.04, 0.04, 0.02))).model_copy(update={"friction": block})
    support = table(0.8).model_copy(update={"friction": top})
    empty = {n: [] for n in ("default", "asset", "contact", "equality", "tendon", "actuator")}
    robot = RobotTree(ET.Element("body", name="robot/base"), empty, (1, 0, 0, 0))
    xml = compose(
        environment(place(support, body)), robot, Stance((0, 0, 5), (1, 0, 0, 0), False),
        Options(0.002, cone="elliptic", iterations=50, ls_iterations=50), name="slope",
    )  # fmt: skip
    model = mujoco.MjModel.from_xml_string(xml.decode())
    model.opt.gravity[:] = GRAVITY * np.array([np.sin(SLOPE), 0, -np.cos(SLOPE)])
    model.opt.impratio = 10
    data = mujoco.MjData(model)
    mujoco.mj_step(model, data, 50)  # the contact settles
    before = data.joint("block/free").qvel[0]
    mujoco.mj_step(model, data, 200)
    return float(data.joint("block/free").qvel[0] - before) / 0.4


def slides_at(friction: float) -> float:
    return GRAVITY * (np.sin(SLOPE) - friction * np.cos(SLOPE))


def test_a_slippery_block_slides_on_a_rough_table():
    found = acceleration(known(0.2, "table"), known(1.0, "assumed"))
    assert found == pytest.approx(slides_at(0.2), rel=0.03)


def test_a_rough_block_stays_on_a_table_that_is_only_assumed_slippery():
    assert abs(acceleration(known(0.6, "table"), known(0.1, "assumed"))) < 0.02


def test_what_somebody_knows_of_the_table_counts_before_what_is_assumed_of_the_block():
    found = acceleration(known(0.6, "assumed"), known(0.1, "user"))
    assert found == pytest.approx(slides_at(0.1), rel=0.03)
    both = acceleration(known(0.3, "measured"), known(0.1, "user"))
    assert both == pytest.approx(slides_at(0.3), rel=0.03)
