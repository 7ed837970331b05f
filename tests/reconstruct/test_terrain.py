"""Ground that is no plane becomes a height field; a floor, a street and a table do not."""

from __future__ import annotations

import numpy as np
import pytest
import synthetic_terrain
from scipy.spatial import KDTree

from r2s.artifacts.geometry import Geom
from r2s.core.context import StageContext
from r2s.reconstruct.cloud import working_cloud
from r2s.reconstruct.solids import signed_distance
from r2s.reconstruct.terrain import find_terrain


def scanned(path, folder, **config):
    from r2s.scan import stage

    context = StageContext(scratch=folder, sources={"capture": path})
    return stage.run({}, stage.Config(**config), context)


def walked(folder, rise_m: float):
    """Return a scan of hills and T_world_truth."""
    import sensors

    walk = sensors.walk(synthetic_terrain.hills(rise_m=rise_m), 1)
    capture = sensors.lidar(walk, folder, noise_m=0.008, seed=1, step_deg=0.5)
    scan = scanned(capture.path, folder, voxel_m=0.05)
    return scan, np.array(scan.info.T_world_source) @ walk.T_source_truth


@pytest.fixture(scope="module")
def hills(tmp_path_factory):
    return walked(tmp_path_factory.mktemp("hills"), 0.5)


@pytest.fixture(scope="module")
def made(hills, tmp_path_factory):
    from r2s.reconstruct import stage

    context = StageContext(tmp_path_factory.mktemp("made"))
    return stage.run({"scan": hills[0]}, stage.Config(), context)


def test_hills_are_one_height_field_near_the_truth(hills, made):
    scan, T = hills
    floor = next(body for body in made.info.bodies if body.role == "floor")
    (geom,) = floor.geoms
    assert (geom.shape, floor.fit, floor.mobility) == ("hfield", "hfield", "static")
    side = np.linspace(-6.5, 6.5, 160)
    xy = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    truth = np.column_stack([xy, synthetic_terrain.bumpy(xy)]) @ T[:3, :3].T + T[:3, 3]
    error = np.abs(signed_distance(geom, made.hulls, truth))
    seen = KDTree(scan.points[made.labels == made.info.bodies.index(floor)]).query(truth)[0] < 0.1
    assert seen.mean() > 0.5
    assert np.median(error[seen]) < 0.004 and np.quantile(error[seen], 0.95) < 0.02


def test_the_audit_understands_it(made):
    audit = made.info.audit
    assert audit.missed_2cm < 0.03 and audit.blocked_5cm is not None and audit.blocked_5cm < 0.005
    assert audit.twin_median_m is not None and audit.twin_median_m < 0.012
    assert audit.geoms < 80  # with planes and boxes they were hundreds


def test_what_stands_on_it_stands_above_it(hills, made):
    _, T = hills
    solids = [g for body in made.info.bodies if body.role != "floor" for g in body.geoms]
    for x, y, high in ((-4, -4, 1.7), (4, 3, 2.0), (2, -1.5, 0.29)):
        foot = float(synthetic_terrain.bumpy(np.array([[x, y]]))[0])
        point = T[:3, :3] @ [x, y, foot + high] + T[:3, 3]
        assert min(signed_distance(g, made.hulls, point[None])[0] for g in solids) < 0.08


def test_it_says_what_it_did(made):
    said = " ".join(made.info.warnings)
    assert "height field" in said and "interpolated" in said


def test_even_ground_stays_a_plane(tmp_path):
    scan, _ = walked(tmp_path, 0.0)
    cloud = working_cloud(scan)
    assert find_terrain(cloud, "auto", 256) is None
    assert find_terrain(cloud, "terrain", 64) is not None  # a person may know better
    assert find_terrain(cloud, "floor", 64) is None


@pytest.mark.parametrize(
    "name",
    [
        "lidar_room/room_scan1.pcd", "velodyne_pair/source.ply", "laser_csv/car_cloud400.csv",
    ],
)  # fmt: skip
def test_rooms_tables_and_streets_are_no_terrain(shared_data, tmp_path, name):
    assert (
        find_terrain(working_cloud(scanned(shared_data / "scans" / name, tmp_path)), "auto", 256)
        is None
    )


def test_an_airborne_survey_is_terrain_as_coarse_as_its_points(shared_data, tmp_path):
    scan = scanned(shared_data / "scans/als_autzen/autzen_trim.laz", tmp_path)
    terrain = find_terrain(working_cloud(scan), "auto", 256)
    assert terrain is not None
    geom: Geom = terrain.part.geoms[0]
    assert 1.0 < terrain.cell_m < 2.0  # its points are 0.75 m apart, the place is 359 m long
    assert geom.size[0] == pytest.approx(175, abs=4) and geom.size[1] == pytest.approx(82, abs=4)
    above = terrain.above(scan.points.astype(float))
    assert (np.abs(above) < 0.1).mean() > 0.6  # the rest is trees and a stand
    assert np.quantile(above, 0.02) > -0.5
