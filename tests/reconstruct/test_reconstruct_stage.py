"""Laws of the whole stage, against analytic truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from synthetic_places import all_around, box, capture, cylinder, looks, room, sphere, turned

from r2s.artifacts.reconstruction import Reconstruction
from r2s.core.errors import R2SError
from r2s.core.rigid import quat_to_matrix
from r2s.reconstruct.solids import nearest_distance
from r2s.reconstruct.truth import audit_against_truth

TABLE = box((0, 0, -0.02), (1.2, 0.8, 0.04))
CRATE = box((0.1, 0.2, 0.09), (0.20, 0.12, 0.18), yaw=0.4)
CAN = cylinder((-0.25, -0.1, 0), 0.05, 0.16)
BALL = sphere((0.3, -0.15, 0), 0.06)
TRUTH = [TABLE, CRATE, CAN, BALL]
EYES = [(-0.9, -0.9, 0.9), (1.0, -0.8, 0.9), (0.9, 1.0, 0.8), (-0.9, 0.9, 0.9)]


def tabletop(geoms=TRUTH, yaw=0.0, *, eyes=EYES, sigma=0.001, rays=30_000, voxel=0.008):
    c, s = np.cos(yaw), np.sin(yaw)
    views = []
    for x, y, z in eyes:
        eye = np.array([c * x - s * y, s * x + c * y, z])
        views.append((eye, looks(eye, (0, 0, 0.05), 0.5, rays)))
    return capture(turned(geoms, yaw) if yaw else geoms, views, voxel=voxel, sigma=sigma)


@pytest.fixture(scope="module")
def table_scan():
    return tabletop()


def objects(reconstruction: Reconstruction):
    return {
        b.fit: b for b in reconstruction.info.bodies if b.role == "object" and b.volume_m3 > 1e-4
    }


def test_known_solids_are_named_and_measured(reconstruct, table_scan):
    result = reconstruct(table_scan)
    found = objects(result)
    assert set(found) == {"box", "cylinder", "sphere"}
    assert found["box"].volume_m3 == pytest.approx(0.2 * 0.12 * 0.18, rel=0.06)
    assert found["cylinder"].volume_m3 == pytest.approx(np.pi * 0.05**2 * 0.16, rel=0.06)
    assert found["sphere"].volume_m3 == pytest.approx(4 / 3 * np.pi * 0.06**3, rel=0.06)
    assert found["box"].com_m == pytest.approx(CRATE.position, abs=0.004)
    ball = found["sphere"]
    i = 0.4 * ball.mass_kg.value * ball.geoms[0].size[0] ** 2
    assert ball.inertia_kg_m2 == pytest.approx((i, i, i, 0, 0, 0), rel=1e-9, abs=1e-12)
    for body in found.values():
        assert body.mobility == "movable"
        assert body.parent == "table_0"
        assert body.mass_kg.low < body.mass_kg.value < body.mass_kg.high


def test_a_lone_table_top_is_one_box_and_no_floor_is_invented(reconstruct, table_scan):
    result = reconstruct(table_scan)
    table = next(b for b in result.info.bodies if b.role == "support")
    assert len(table.geoms) == 1
    geom = table.geoms[0]
    assert geom.position[2] + geom.size[2] == pytest.approx(0, abs=0.002)
    assert sorted(geom.size[:2]) == pytest.approx([0.4, 0.6], abs=0.012)
    assert not [b for b in result.info.bodies if b.role in ("floor", "wall", "ceiling")]
    assert any("no floor" in warning for warning in result.info.warnings)


def test_audit_agrees_with_the_truth(reconstruct, table_scan):
    result = reconstruct(table_scan)
    truth = audit_against_truth(result, TRUTH, ((-0.6, -0.4, -0.01), (0.6, 0.4, 0.5)))
    assert truth.truth and truth.twin_median_m < 0.002
    assert truth.blocked_2cm < 0.001 and truth.missed_2cm < 0.02
    assert result.info.audit.twin_median_m < 0.003
    assert result.info.audit.blocked_5cm < 0.001 and result.info.audit.missed_2cm < 0.005


def test_truth_audit_sees_a_phantom_and_a_missing_solid(reconstruct, table_scan):
    result = reconstruct(table_scan)
    air = ((-0.6, -0.4, -0.01), (0.6, 0.4, 0.5))
    honest = audit_against_truth(result, TRUTH, air)
    phantom = audit_against_truth(result, [TABLE, CAN, BALL], air)
    assert phantom.phantom_fraction > honest.phantom_fraction + 0.03
    assert phantom.worst_body == objects(result)["box"].name
    missing = audit_against_truth(result, [*TRUTH, box((0, -0.3, 0.1), (0.1, 0.1, 0.2))], air)
    assert missing.missed_2cm > honest.missed_2cm + 0.01


def test_point_order_does_not_matter(reconstruct, table_scan):
    order = np.random.default_rng(3).permutation(len(table_scan.points))
    per_point = ("points", "normals", "colors", "counts", "viewpoint_of")
    shuffled = replace(table_scan, **{k: getattr(table_scan, k)[order] for k in per_point})
    one, two = reconstruct(table_scan), reconstruct(shuffled)
    assert one.info == two.info
    assert np.array_equal(one.labels[order], two.labels)


def test_equal_inputs_give_equal_bytes_and_survive_the_codec(reconstruct, table_scan):
    one, two = reconstruct(table_scan).encode(), reconstruct(table_scan).encode()
    assert one.config == two.config and dict(one.files) == dict(two.files)
    again = Reconstruction.decode(one.config, one.files).encode()
    assert again.config == one.config and dict(again.files) == dict(one.files)


def test_turning_the_world_turns_the_twin(reconstruct, table_scan):
    yaw = 0.7
    straight, rotated = objects(reconstruct(table_scan)), objects(reconstruct(tabletop(yaw=yaw)))
    assert set(straight) == set(rotated)
    R = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    for kind, body in straight.items():
        assert R @ body.com_m == pytest.approx(rotated[kind].com_m, abs=0.004)
        assert rotated[kind].volume_m3 == pytest.approx(body.volume_m3, rel=0.06)


def test_the_unseen_half_is_completed_and_widens_the_mass(reconstruct, table_scan):
    one_sided = reconstruct(tabletop(eyes=EYES[:1]))
    all_sides = objects(reconstruct(table_scan))
    for kind, body in objects(one_sided).items():
        full = all_sides[kind]
        assert body.assumed_fraction > full.assumed_fraction
        spread, full_spread = (b.mass_kg.high / b.mass_kg.low for b in (body, full))
        assert spread > full_spread
        assert body.volume_m3 == pytest.approx(full.volume_m3, rel=0.35)


@pytest.fixture(scope="module")
def room_scan():
    geoms = room()
    views = [((x, y, 1.4), all_around(30_000)) for x, y in ((-1.2, -0.8), (1.0, 0.7))]
    return capture(geoms, views, voxel=0.04, sigma=0.003)


@pytest.fixture(scope="module")
def door_scan():
    views = [((x, y, 1.3), all_around(35_000)) for x, y in ((-1.0, 0.4), (0.8, -0.6))]
    views += [((2.9, 0.3, 1.3), all_around(20_000))]
    return capture(room(door=(-0.35, 0.35)), views, voxel=0.04, sigma=0.003)


def test_a_convex_room_is_six_planes_that_point_inwards(reconstruct, room_scan):
    result = reconstruct(room_scan)
    shell = [b for b in result.info.bodies if b.role in ("floor", "wall", "ceiling")]
    assert sorted(b.role for b in shell) == ["ceiling", "floor"] + 4 * ["wall"]
    for body in shell:
        (geom,) = body.geoms
        assert geom.shape == "plane"
        normal = quat_to_matrix(geom.quaternion)[:, 2]
        distance = np.abs(normal @ np.array([2.0, 1.5, 0])) if body.role == "wall" else None
        offset = -float(np.dot(normal, geom.position))
        if distance is not None:
            assert offset == pytest.approx(distance, abs=0.004)
        assert normal @ (np.array([0, 0, 1.25]) - geom.position) > 0  # towards the interior
    assert result.info.audit.blocked_2cm < 0.001 and result.info.audit.missed_2cm < 0.002


def test_a_door_stays_open_and_its_wall_is_no_half_space(reconstruct, door_scan):
    result = reconstruct(door_scan)
    y, z = np.meshgrid(np.linspace(-0.28, 0.28, 15), np.linspace(0.1, 1.9, 20))
    for x in (1.95, 2.05, 2.15, 2.3):
        passage = np.column_stack([np.full(y.size, x), y.ravel(), z.ravel()])
        geoms = [g for b in result.info.bodies for g in b.geoms]
        depth, _ = nearest_distance(geoms, result.hulls, passage, 1.0)
        assert (depth > 0).all()
    beside = np.array([[2.05, 0.9, 1.0], [2.05, -0.9, 1.0], [2.05, 0.0, 2.25]])
    depth, _ = nearest_distance(geoms, result.hulls, beside, 1.0)
    assert (depth <= 0).all()


def test_no_plane_has_scan_points_behind_it(reconstruct, door_scan):
    for body in reconstruct(door_scan).info.bodies:
        for geom in body.geoms:
            if geom.shape == "plane":
                normal = quat_to_matrix(geom.quaternion)[:, 2]
                behind = (door_scan.points - np.array(geom.position)) @ normal < -0.2
                assert behind.mean() < 0.002, body.name


def test_a_failed_audit_says_what_where_and_how_to_go_on(reconstruct, table_scan):
    from r2s.reconstruct import stage

    stray = table_scan.points.copy()
    stray[:3] = [[0.0, 0.0, 0.5], [0.002, 0, 0.5], [0, 0.002, 0.5]]  # too few to be a thing
    twin = reconstruct(replace(table_scan, points=stray))
    stage.accept(twin, stage.Config())
    with pytest.raises(R2SError, match="farther than 2 cm") as caught:
        stage.accept(twin, stage.Config(max_missed_2cm=0.0))
    assert caught.value.code == "R2S-RECON-003"
    assert "--max-missed-2cm" in caught.value.remedy
    assert twin.info.audit.worst_missed_m is not None


def test_blocked_air_is_an_error_that_names_the_body(reconstruct, table_scan):
    from r2s.reconstruct import stage

    twin = reconstruct(table_scan)
    audit = twin.info.audit.model_copy(
        update={"blocked_5cm": 0.04, "worst_body": "wall_3", "worst_blocked_5cm": 0.03}
    )
    twin = replace(twin, info=twin.info.model_copy(update={"audit": audit}))
    with pytest.raises(R2SError) as caught:
        stage.accept(twin, stage.Config())
    assert caught.value.code == "R2S-RECON-002"
    assert caught.value.where == "worst body: wall_3 (3.00 %)"
    assert "--max-blocked-5cm 0.048" in caught.value.remedy
    stage.accept(twin, stage.Config(max_blocked_5cm=0.05))


def test_the_audit_measures_both_ways_and_what_the_twin_costs(reconstruct, table_scan):
    twin = reconstruct(table_scan)
    audit, geoms = twin.info.audit, [g for b in twin.info.bodies for g in b.geoms]
    distance = np.full(len(table_scan.points), np.inf)
    for geom in geoms:
        from r2s.reconstruct.solids import signed_distance

        own = np.abs(signed_distance(geom, twin.hulls, table_scan.points.astype(float)))
        distance = np.minimum(distance, own)
    assert audit.hausdorff_scan_to_twin_m == pytest.approx(distance.max(), abs=1e-5)
    # the underside of the table, nobody saw it, is as far from the scan as the slab is thick
    assert 0.03 < audit.hausdorff_twin_to_scan_m < 0.2
    assert audit.geoms == len(geoms) and audit.vertices == sum(len(v) for v, _ in twin.hulls)
    assert 5_000 < audit.predicted_steps_per_s < 300_000
