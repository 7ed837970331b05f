"""A small real Scene of a push for tests: the arm of `arm_scene` with a box beside it on its table."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import mujoco
import numpy as np
from arm_scene import BASE, arm_scene

from r2s.artifacts.randomization import Randomize
from r2s.artifacts.scene import Scene
from r2s.artifacts.signal import Signal
from r2s.tasks.specs import PUSH

THING, HALF_M = "object_0", 0.03
XYZ = ("x", "y", "z")
BODY = f"""
  <body name="{THING}" pos="0.2 0 {HALF_M}">
    <freejoint/><geom name="{THING}/0" type="box" size="{HALF_M} {HALF_M} {HALF_M}" mass="0.1"/>
  </body>
  <body name="object_1" pos="-0.3 0 {HALF_M}">
    <geom name="object_1/0" type="box" size="{HALF_M} {HALF_M} {HALF_M}" mass="0.1"/>
  </body>
</worldbody>"""
SENSORS = f"""
  <framepos name="object_pos" objtype="xbody" objname="{THING}" reftype="xbody" refname="robot/base"/>
  <framelinvel name="object_vel" objtype="xbody" objname="{THING}"/>
  <framezaxis name="object_up" objtype="xbody" objname="{THING}"/>
</sensor>"""


def signal(name: str, kind, derivation: str = "", **more) -> Signal:
    sensors = () if derivation else (name,)
    return Signal(
        name=name, elements=XYZ, unit="m", kind=kind, sensors=sensors, derivation=derivation, **more
    )


@cache
def push_scene(joints: int = 4, **parameters: float) -> Scene:
    """Return the whole Scene, object_0 free and object_1 held; `parameters` are the task's."""
    reach = arm_scene(joints, (), clutter=False)
    xml = reach.files["scene_train.xml"].decode()
    xml = xml.replace("</worldbody>", BODY).replace("</sensor>", SENSORS)
    free = f" 0.2 0 {HALF_M} 1 0 0 0"
    xml = xml.replace('" ctrl=', f'{free}" ctrl=')
    model = mujoco.MjModel.from_xml_string(xml)
    random = np.random.default_rng(0)
    n = len(reach.goals)
    starts = np.zeros((n, 3), np.float32)
    starts[:, 0], starts[:, 1] = random.uniform(0.15, 0.25, n), random.uniform(-0.1, 0.1, n)
    starts[:, 2] = random.uniform(-0.3, 0.3, n)
    goals = np.column_stack([starts[:, :2] + 0.05, np.full(n, HALF_M)]) - np.array(BASE)
    signals = (
        *reach.info.signals,
        signal("object_pos", "measured", noise_sigma=0.005, latency_s=(0.03, 0.1)),
        signal("object_vel", "privileged"),
        signal("object_up", "privileged"),
        signal("ee_to_object", "derived", "ee_to_object"),
        signal("object_to_goal", "derived", "object_to_goal"),
    )
    info = reach.info.model_copy(
        update={
            "task": PUSH.model_copy(update={"parameters": {**PUSH.parameters, **parameters}}),
            "signals": signals,
            "observations": (
                "joint_pos", "joint_vel", "joint_target", "last_action",
                "object_pos", "ee_to_object", "object_to_goal",
            ),
            "critic": ("ee_pos", "object_vel", "object_up"),
            "movable": (THING, "object_1"),
            "thing": THING,
            "randomization": (
                Randomize(
                    name="object_mass", target="object", select=THING, field="mass",
                    operation="scale", low=0.5, high=2.0,
                ),
                Randomize(
                    name="object_position", target="object", field="position", operation="add",
                    low=-0.005, high=0.005, per="target",
                ),
            ),
            "bodies": model.nbody, "geoms": model.ngeom, "nq": model.nq, "nv": model.nv,
        }
    )  # fmt: skip
    files = {"scene_train.xml": xml.encode(), "scene.xml": xml.encode()}
    return replace(reach, info=info, files=files, goals=np.float32(goals), spawns=starts)
