"""What touches the ground: feet and wheels as spheres and capsules, and nothing else below them.

A robot stands on its colliders: one that is a little too fat lifts it off its wheels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from r2s.core import rigid
from r2s.core.rigid import Array
from r2s.robot.capsules import Union, fit_capsules
from r2s.robot.colliders import Link, LinkColliders
from r2s.robot.description import Description
from r2s.robot.meshes import convex_hull
from r2s.robot.posture import at_home
from r2s.robot.shapes import Collider

TOUCH_M = 0.001  # a collider this much below the ground of the shapes stands on it
FLAT_M = 0.002  # points this close to the lowest one are the sole, if it is flat
SOLE_WIDTH_M = 0.03  # a narrower sole rolls
SOLE_SHARE = 0.5  # of the foot's width: the patch under a ball is less
SOLE_RADIUS_M = 0.02


def grounded(
    robot: Description,
    model,
    home: Mapping[str, float],
    colliders: Mapping[str, LinkColliders],
    *,
    feet: Sequence[str],
    wheels: Sequence[str],
) -> dict[str, LinkColliders]:
    """Return the colliders as they stand on the ground at home: only feet and wheels touch it.

    Args:
        model: the compiled robot, its base where it is at home up to its height.
        wheels: joints that roll.
    """
    data = at_home(model, home)
    poses = {name: _pose(data.body(name)) for name in colliders}
    ground = min(_lowest(each, poses[n]) for n, found in colliders.items() for each in found.exact)
    axles = {body.name: joint for body in robot.bodies for joint in body.joints}
    result = {}
    for name, found in colliders.items():
        link, T = found.link, poses[name]
        train = fitted = list(found.train)
        if name in feet:
            train = _foot(link, train, T)
        elif name in axles and axles[name].name in wheels:
            train = _wheel(link, axles[name].anchor, axles[name].axis)
        elif min(_lowest(each, T) for each in train) < ground - TOUCH_M:
            train = link.hull()
        result[name] = found if train is fitted else link.with_train(train)
    return result


def _foot(link: Link, train: list[Collider], T: Array) -> list[Collider]:
    """Return two capsules along the edges of a flat sole, else `train` moved to where the foot ends."""
    points = rigid.apply(T, link.points)
    low = float(points[:, 2].min())
    sole = points[points[:, 2] < low + FLAT_M]
    if (flat := _sole(points, sole)) is not None:
        edges = [_in_body(each, T) for each in flat]
        above = points[points[:, 2] > low + 2 * flat[0].size[0]]
        whole = [edges]
        if len(above) >= 12:
            upper = convex_hull(rigid.apply(rigid.inverse(T), above))
            whole.append(
                [
                    *edges,
                    *fit_capsules(Union([Collider("hull", (0.0, 0.0, 0.0), np.eye(4), upper)]), 1),
                ]
            )
        found = [
            link.with_train(each)
            for each in whole
            if min(_lowest(c, T) for c in each) > low - TOUCH_M
        ]
        best = min(found, key=lambda each: max(each.fit.surface_m, each.fit.outside_m))
        return list(best.train)
    lift = low - min(_lowest(each, T) for each in train)
    if abs(lift) <= TOUCH_M:
        return train
    move = rigid.transform(None, T[:3, :3].T @ [0.0, 0.0, lift])
    return [Collider(c.kind, c.size, move @ c.T_body_geom, c.mesh, c.friction) for c in train]


def _sole(points: Array, sole: Array) -> list[Collider] | None:
    """Return world capsules along the long edges of the rectangle around a flat sole, else None."""
    if len(sole) < 3:
        return None
    angles = np.radians(np.arange(0, 90))
    turns = [np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) for a in angles]
    turn = min(turns, key=lambda each: float(np.prod(np.ptp(sole[:, :2] @ each.T, axis=0))))
    flat, whole = sole[:, :2] @ turn.T, points[:, :2] @ turn.T
    extent = np.ptp(flat, axis=0)
    if extent[0] < extent[1]:
        turn = np.array([turn[1], -turn[0]])
        flat, whole = sole[:, :2] @ turn.T, points[:, :2] @ turn.T
        extent = extent[::-1]
    length, width = float(extent[0]), float(extent[1])
    if width < max(SOLE_WIDTH_M, SOLE_SHARE * float(np.ptp(whole, axis=0).min())):
        return None
    height = float(np.ptp(points[:, 2]))
    radius = min(width / 4, max(height / 2, SOLE_RADIUS_M / 4), SOLE_RADIUS_M)
    middle = (flat.min(axis=0) + flat.max(axis=0)) / 2
    along = rigid.rotation_between([0.0, 0.0, 1.0], np.append(turn[0], 0.0))
    found = []
    for side in (-1, 1):
        # Half a radius over the edge, half inside: what it stands on stays nearly as wide.
        x, y = turn.T @ [middle[0], middle[1] + side * (width - radius) / 2]
        at = [x, y, float(sole[:, 2].min()) + radius]
        size = (radius, (length - radius) / 2, 0.0)
        found.append(Collider("capsule", size, rigid.transform(along, at)))
    return found


def _wheel(link: Link, anchor: Array, axis: Array) -> list[Collider]:
    """Return the ball that rolls as the wheel does: as far from its axle, in its middle."""
    offset = link.points - anchor
    along = offset @ axis
    radius = float(np.linalg.norm(offset - along[:, None] * axis, axis=1).max())
    middle = anchor + axis * (along.min() + along.max()) / 2
    return [Collider("sphere", (radius, 0.0, 0.0), rigid.transform(None, middle))]


def _in_body(collider: Collider, T: Array) -> Collider:
    return Collider(collider.kind, collider.size, rigid.inverse(T) @ collider.T_body_geom)


def _lowest(collider: Collider, T: Array) -> float:
    """Return the lowest world z [m] of a collider of a body at T (4, 4)."""
    if collider.kind in ("sphere", "capsule"):
        pose = T @ collider.T_body_geom
        half = collider.size[1] if collider.kind == "capsule" else 0.0
        return float(pose[2, 3] - collider.size[0] - abs(pose[2, 2]) * half)
    return float(rigid.apply(T, collider.surface.vertices)[:, 2].min())


def _pose(body) -> Array:
    return rigid.transform(body.xmat.reshape(3, 3), body.xpos)
