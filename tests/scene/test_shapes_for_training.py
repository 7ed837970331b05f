"""Laws of training shapes and distances: safe, simple, and equal to MuJoCo's own answers."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest
from scene_bodies import place, static, table, thing

from r2s.artifacts.geometry import Geom
from r2s.core.rigid import quat_to_matrix
from r2s.scene.distance import distance_to_geom, is_near
from r2s.scene.environment import environment, geom_bounds
from r2s.scene.training_shapes import hull_box, training_environment, training_geom

QUATERNION = (0.8, 0.36, 0.48, 0.0)
HULL = np.random.default_rng(3).normal(size=(24, 3)) * [0.1, 0.06, 0.03]
GEOMS = [
    Geom(shape="box", size=(0.1, 0.2, 0.05), position=(0.3, -0.1, 0.2), quaternion=QUATERNION),
    Geom(shape="sphere", size=(0.12, 0, 0), position=(0.1, 0.1, 0.1)),
    Geom(shape="capsule", size=(0.05, 0.2, 0), position=(0, 0.1, 0.3), quaternion=QUATERNION),
    Geom(shape="cylinder", size=(0.08, 0.1, 0), position=(0.2, 0, 0), quaternion=QUATERNION),
    Geom(shape="plane", size=(1, 1, 0), position=(0, 0, 0.1), quaternion=QUATERNION),
]


def oracle(geom: Geom, points: np.ndarray) -> np.ndarray:
    """Distances by MuJoCo, to a tiny sphere at each point."""
    spec = mujoco.MjSpec()
    kind = getattr(mujoco.mjtGeom, f"mjGEOM_{geom.shape.upper()}")
    size = [*geom.size[:2], 1.0] if geom.shape == "plane" else geom.size
    spec.worldbody.add_geom(type=kind, size=size, pos=geom.position, quat=geom.quaternion)
    probe = spec.worldbody.add_body(mass=1, inertia=[1, 1, 1], explicitinertial=True)
    probe.add_freejoint()
    probe.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[1e-6, 0, 0])
    model = spec.compile()
    data = mujoco.MjData(model)
    result = []
    for point in points:
        data.qpos[:3] = point
        mujoco.mj_kinematics(model, data)
        result.append(mujoco.mj_geomDistance(model, data, 0, 1, 10.0, None))
    return np.array(result)


@pytest.mark.parametrize("geom", GEOMS, ids=lambda geom: geom.shape)
def test_distances_agree_with_mujoco_outside(geom):
    points = np.random.default_rng(1).uniform(-0.6, 0.8, (60, 3))
    ours = distance_to_geom(points, geom, ())
    outside = ours > 0.01
    assert outside.sum() > 10
    np.testing.assert_allclose(ours[outside], oracle(geom, points[outside]), atol=2e-4)


@pytest.mark.parametrize("geom", GEOMS[:4], ids=lambda geom: geom.shape)
def test_inside_is_negative_and_bounds_hold_the_geom(geom):
    low, high = geom_bounds(geom, ())
    points = np.random.default_rng(2).uniform(low - 0.05, high + 0.05, (4000, 3))
    inside = distance_to_geom(points, geom, ()) < 0
    assert inside.any()
    assert np.all((points[inside] >= low - 1e-9) & (points[inside] <= high + 1e-9))


def test_is_near_is_the_smallest_distance():
    found = environment(
        place(table(), thing("object_0", GEOMS[1]), static("c", "clutter", GEOMS[0]))
    )
    points = np.random.default_rng(4).uniform(-0.6, 0.8, (500, 3))
    smallest = np.min(
        [distance_to_geom(points, g, ()) for t in found.things for g in t.geoms], axis=0
    )
    np.testing.assert_array_equal(is_near(points, found, 0.05), smallest < 0.05)


def test_a_standing_can_becomes_a_box_of_its_area_and_height():
    can = Geom(shape="cylinder", size=(0.04, 0.06, 0), position=(1, 2, 3))
    simple = training_geom(can, (), keep_hull=False)
    assert simple.shape == "box"
    assert 4 * simple.size[0] * simple.size[1] == pytest.approx(np.pi * 0.04**2)
    assert simple.size[2] == 0.06 and simple.position == can.position


def test_a_pole_becomes_a_capsule_as_long():
    pole = Geom(shape="cylinder", size=(0.02, 0.5, 0), position=(0, 0, 0))
    simple = training_geom(pole, (), keep_hull=False)
    assert simple.shape == "capsule"
    assert simple.size[1] + simple.size[0] / 2 == pytest.approx(0.5)


def test_a_box_around_a_hull_holds_it_all():
    geom = Geom(shape="hull", size=(0, 0, 0), position=(1, 0, 2), quaternion=QUATERNION, hull=0)
    box = hull_box(geom, HULL)
    world = HULL @ quat_to_matrix(geom.quaternion).T + geom.position
    local = (world - box.position) @ quat_to_matrix(box.quaternion)
    assert np.all(np.abs(local) <= np.array(box.size) + 1e-9)


def test_training_leaves_out_what_the_robot_cannot_meet_but_no_movable_thing():
    far = static("wall_0", "wall", Geom(shape="box", size=(0.1, 0.1, 0.1), position=(9, 0, 0)))
    thing_far = thing("object_0", Geom(shape="sphere", size=(0.05, 0, 0), position=(9, 1, 0)))
    found = environment(place(table(), far, thing_far))
    simple = training_environment(found, np.zeros(3), lambda geom: geom.position[0] < 1)
    assert {t.name for t in simple.things} == {"table_0", "object_0"}


@pytest.mark.parametrize(("gripped", "pieces", "kept"), [(True, 5, 5), (True, 9, 1), (False, 5, 1)])
def test_a_thing_between_fingers_keeps_its_few_hulls_and_before_any_other(gripped, pieces, kept):
    """Sixteen hulls nearer to the robot would use up the budget of hulls."""
    hull = Geom(shape="hull", hull=0, size=(0, 0, 0), position=(1.0, 0, 1))
    near = [
        thing(f"object_{n}", hull.model_copy(update={"position": (0.1, 0, 1)}))
        for n in range(1, 17)
    ]
    mine = thing("object_0", hull).model_copy(update={"geoms": (hull,) * pieces})
    whole = environment(
        place(table(), mine, *near, hulls=((HULL.astype(np.float32), np.zeros((0, 3), np.int32)),))
    )
    seen = training_environment(
        whole, np.zeros(3), lambda geom: True, "object_0", gripped=gripped
    ).thing("object_0")
    assert len(seen.geoms) == kept
    assert {geom.shape for geom in seen.geoms} == ({"hull"} if kept > 1 else {"box"})
