"""Which links can ever meet which shapes of the place; the training model leaves the other pairs out.

An engine on an accelerator tests every pair of colliders it is given in every step. Of a small arm among
the things on a table two thirds of the pairs can never touch: a link is no farther from the first joint
than the lengths of the links between. Each link has a bit, and a shape of the place has the bits of the
links that can come to it.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping

import numpy as np

from r2s.artifacts.scene import ROBOT_PREFIX

# The base and the things are moved by randomization, and a position servo overshoots [m].
MARGIN_M = 0.1
ROBOT_BIT, FIRST_LINK_BIT, LINK_BITS = 2, 2, 29
EVERY_BIT = 2**31 - 1


def with_meetings(xml: bytes, assets: Mapping[str, bytes]) -> bytes:
    """Return a training model whose colliders carry the bits; a floating robot's stays as it is."""
    import mujoco

    model = mujoco.MjModel.from_xml_string(xml.decode(), dict(assets))
    robot = np.isin(model.jnt_bodyid, _robot_bodies(model))
    if (model.jnt_type[robot] == mujoco.mjtJoint.mjJNT_FREE).any():
        return xml
    types, affinities = _bits(model)
    root = ET.fromstring(xml.decode())
    world = root.find("worldbody")
    assert world is not None
    for body in [world, *world.iter("body")]:
        first = model.body("world" if body is world else body.get("name")).geomadr[0]
        for offset, geom in enumerate(body.findall("geom")):
            geom.set("contype", str(types[first + offset]))
            geom.set("conaffinity", str(affinities[first + offset]))
    return ET.tostring(root, encoding="unicode").encode() + b"\n"


def _bits(model) -> tuple[np.ndarray, np.ndarray]:
    """Return contype and conaffinity of every geom, (ngeom,) each."""
    import mujoco

    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    types, affinities = model.geom_contype.copy(), model.geom_conaffinity.copy()
    solid = (types | affinities) != 0
    of_robot = np.isin(model.geom_bodyid, _robot_bodies(model))
    static = model.body_weldid[model.geom_bodyid] == 0
    links = sorted({int(body) for body in model.geom_bodyid[of_robot & ~static & solid]})
    types[of_robot & solid] = affinities[of_robot & solid] = ROBOT_BIT
    affinities[~of_robot & ~static & solid] = EVERY_BIT
    place = np.flatnonzero(~of_robot & static & solid).tolist()
    for number, link in enumerate(links):
        bit = 1 << (FIRST_LINK_BIT + number % LINK_BITS)
        geoms = np.flatnonzero((model.geom_bodyid == link) & solid)
        types[geoms] |= bit
        pivot, reach = _reach(model, data, link, geoms)
        near = [geom for geom in place if _distance(model, data, geom, pivot) < reach + MARGIN_M]
        affinities[near] |= bit
    return types, affinities


def _reach(model, data, link: int, geoms: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the origin (3,) of the first moving body, and how far [m] the link's geoms ever are from it."""
    import mujoco

    reach = float((np.linalg.norm(model.geom_pos[geoms], axis=1) + model.geom_rbound[geoms]).max())
    body = link
    while True:
        first = int(model.body_jntadr[body])
        for joint in range(first, first + int(model.body_jntnum[body])):
            if model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_SLIDE:
                travel = np.abs(
                    model.jnt_range[joint] - model.qpos0[model.jnt_qposadr[joint]]
                ).max()
                reach += float(travel) if model.jnt_limited[joint] else np.inf
            else:  # about an anchor beside the origin the origin itself moves
                reach += 2 * float(np.linalg.norm(model.jnt_pos[joint]))
        parent = int(model.body_parentid[body])
        if model.body_weldid[parent] == 0:
            return data.xpos[body], reach
        reach += float(np.linalg.norm(model.body_pos[body]))
        body = parent


def _distance(model, data, geom: int, point: np.ndarray) -> float:
    """Return a lower bound of the distance [m] from a point (3,) to a geom: to its box, or its plane."""
    import mujoco

    local = (point - data.geom_xpos[geom]) @ data.geom_xmat[geom].reshape(3, 3)
    if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_PLANE:
        return float(local[2])  # behind it is in it
    middle, half = model.geom_aabb[geom, :3], model.geom_aabb[geom, 3:]
    return float(np.linalg.norm(np.maximum(np.abs(local - middle) - half, 0)))


def _robot_bodies(model) -> np.ndarray:
    names = [model.body(body).name for body in range(model.nbody)]
    return np.flatnonzero([name.startswith(ROBOT_PREFIX) for name in names])
