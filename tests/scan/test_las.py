"""LAS and LAZ: double precision, units from CRS records with evidence, lies told."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from cloud_files import UTM, geokeys, hills, las_bytes, vlr, write_laz
from scan_files import room_points, scan

from r2s.core.errors import R2SError
from r2s.core.rigid import apply
from r2s.scan.readers import crs, read

ROOM = room_points(count=12_000)
METRES = vlr(34735, geokeys(k1024=1, k3072=32611))
FEET_WKT = (
    b'COMPD_CS["x",PROJCS["Oregon",GEOGCS["NAD83",UNIT["degree",0.0174532925199433]],'
    b'PROJECTION["Lambert"],UNIT["foot",0.3048]],VERT_CS["NAVD88",UNIT["metre",1]]]\0'
)


def write(folder, data: bytes, name: str = "a.las"):
    path = folder / name
    path.write_bytes(data)
    return path


def refused(folder, data: bytes, name: str = "a.las") -> R2SError:
    with pytest.raises(R2SError) as caught:
        read(write(folder, data, name))
    assert caught.value.why and caught.value.remedy and name in caught.value.where
    return caught.value


def test_laspy_reads_the_same_points(shared_data):
    import laspy

    for name in (
        "als_autzen/simple.las",
        "als_autzen/autzen_trim.laz",
        "tls_lonestar_laz/lone-star.laz",
    ):
        path = shared_data / "scans" / name
        theirs = laspy.read(path)
        rows = read(path).rows(slice(None))
        np.testing.assert_array_equal(rows.points, theirs.xyz)
        if rows.colors is not None:
            brightest = max(int(theirs[c].max()) for c in ("red", "green", "blue"))
            shift = 8 if brightest > 255 else 0
            np.testing.assert_array_equal(rows.colors[:, 0], np.asarray(theirs.red) >> shift)
        assert (rows.colors is not None) == (name != "tls_lonestar_laz/lone-star.laz")


def test_a_part_of_the_rows_is_that_part(tmp_path):
    path = tmp_path / "a.laz"
    write_laz(path, ROOM + UTM)
    whole = read(path).points
    for part in (slice(5, 4000), slice(0, 12_000, 7), slice(11_990, 99_999), slice(3, 3)):
        np.testing.assert_array_equal(read(path).rows(part).points, whole[part])


def test_utm_keeps_its_millimetres_and_the_shift_is_recorded(tmp_path):
    path = write(tmp_path, las_bytes(ROOM + UTM, records=METRES, record_count=1))
    result = scan(path, outlier_strength=0)
    info = result.info
    assert info.unit == "m" and "32611" in info.unit_evidence and info.up_axis == "+z"
    assert np.abs(info.bounds_m).max() < 10
    from scipy.spatial import KDTree

    T = np.asarray(info.T_world_source)
    np.testing.assert_array_equal(T[:3, :3], np.eye(3))  # a survey's heights are plumb
    world = apply(T, ROOM + UTM)
    assert KDTree(result.points).query(world)[0].max() < info.voxel_m * np.sqrt(3)
    # The same place scanned at the origin gives the same shape, to the millimetre of the file.
    low, high = np.asarray(info.bounds_m)
    np.testing.assert_allclose(high - low, np.ptp(ROOM, axis=0), atol=1.2 * info.voxel_m)


def test_real_surveys(shared_data):
    autzen = scan(shared_data / "scans/als_autzen/autzen_trim.laz", voxel_m=1.0)
    assert autzen.info.unit == "ft" and "9002" in autzen.info.unit_evidence
    low, high = np.asarray(autzen.info.bounds_m)
    np.testing.assert_allclose((high - low)[:2], np.array([1177, 563]) * 0.3048, rtol=0.05)
    assert len(autzen.colors)
    star = scan(shared_data / "scans/tls_lonestar_laz/lone-star.laz", voxel_m=0.4)
    assert star.info.unit == "m" and star.info.raw_points == 518_862
    (warning,) = [w for w in star.info.warnings if "CRS" in w]
    assert "EPSG:4326" in warning and "not used" in warning and "4,918,340" in warning
    np.testing.assert_allclose(np.ptp(star.info.bounds_m, axis=0), [32.44, 40.76, 15.68], atol=0.3)
    origin = np.linalg.inv(np.asarray(star.info.T_world_source))[:3, 3]
    np.testing.assert_allclose(origin[:2], [515385, 4918361], atol=3)


def test_a_survey_without_unit_asks(shared_data):
    path = shared_data / "scans/als_autzen/simple.las"
    with pytest.raises(R2SError, match="unit cannot be told") as caught:
        scan(path)
    assert "if ft" in caught.value.why and "--unit" in caught.value.remedy
    assert "mm" not in caught.value.why
    assert scan(path, unit="ft").info.bounds_m[1][0] == pytest.approx(511, abs=15)


def test_ground_without_a_level_plane_is_a_scan(tmp_path):
    path = write(tmp_path, las_bytes(hills() + UTM, records=METRES, record_count=1))
    result = scan(path)
    assert "z = 0 at" in result.info.up_evidence and result.info.up_axis == "+z"
    assert np.isfinite(result.points).all() and len(result.points) > 10_000
    assert np.ptp(result.points[:, 2]) == pytest.approx(np.ptp(hills()[:, 2]), abs=3)


def test_feet_in_a_wkt_and_heights_in_metres(tmp_path):
    records = vlr(2112, FEET_WKT)
    capture = read(
        write(tmp_path, las_bytes(ROOM + UTM, records=records, record_count=1, wkt=True))
    )
    assert capture.declared_unit == "ft" and "0.3048" in capture.declared_by
    assert "heights" in capture.facts[0]
    height = np.ptp(capture.points[:, 2]) * 0.3048
    assert height == pytest.approx(np.ptp(ROOM[:, 2]), abs=0.01)


def test_two_records_that_disagree_are_told(tmp_path):
    records = METRES + vlr(2112, FEET_WKT)
    capture = read(write(tmp_path, las_bytes(ROOM + UTM, records=records, record_count=2)))
    assert capture.declared_unit == "m" and "disagree" in capture.facts[0]


def test_degrees_are_refused_with_the_way_to_metres(tmp_path):
    degrees = np.array([-123.07, 44.05, 130.0]) + ROOM * [1e-5, 1e-5, 1]
    records = vlr(34735, geokeys(k1024=2, k2048=4326))
    data = las_bytes(degrees, scale=1e-7, records=records, record_count=1)
    error = refused(tmp_path, data)
    assert error.code == "R2S-SCAN-051" and "EPSG:32610" in error.remedy


def test_geocentric_coordinates_stand_upright(tmp_path):
    up = np.array([0.5, 0.5, np.sqrt(0.5)])
    from r2s.core.rigid import rotation_between

    turn = rotation_between(np.array([0, 0, 1.0]), up)
    records = vlr(34735, geokeys(k1024=3, k2048=4978))
    data = las_bytes(ROOM @ turn.T + up * 6.3674e6, records=records, record_count=1)
    result = scan(write(tmp_path, data))
    assert result.info.unit == "m"
    # Up is the ellipsoid's normal, which leans up to 0.2 deg from the line to the Earth's centre.
    assert np.asarray(result.info.T_world_source)[2, :3] @ up > np.cos(np.radians(0.25))
    assert np.abs(result.info.bounds_m).max() < 10


def test_colours_of_8_and_of_16_bits_and_none(tmp_path):
    bytes_ = np.random.default_rng(0).integers(0, 256, (len(ROOM), 3))
    for colors in (bytes_, bytes_ * 257):
        rows = read(write(tmp_path, las_bytes(ROOM, colors=colors))).rows(slice(None))
        np.testing.assert_array_equal(rows.colors, bytes_)
    capture = read(write(tmp_path, las_bytes(ROOM, colors=bytes_ * 0)))
    assert not capture.has_colors and "zero" in capture.facts[0]


def patched(data: bytes, code: str, at: int, *values) -> bytes:
    work = bytearray(data)
    struct.pack_into(code, work, at, *values)
    return bytes(work)


GOOD = las_bytes(ROOM)
LIES = {
    "two billion points": (patched(GOOD, "<I", 107, 2_000_000_000), "R2S-SCAN-004"),
    "one more point": (patched(GOOD, "<I", 107, len(ROOM) + 1), "R2S-SCAN-004"),
    "no points": (patched(GOOD, "<I", 107, 0), "R2S-SCAN-005"),
    "points inside the header": (patched(GOOD, "<I", 96, 100), "R2S-SCAN-003"),
    "format 60": (patched(GOOD, "<B", 104, 60), "R2S-SCAN-003"),
    "tiny records": (patched(GOOD, "<H", 105, 4), "R2S-SCAN-003"),
    "no scale": (patched(GOOD, "<d", 131, 0.0), "R2S-SCAN-003"),
    "NaN offset": (patched(GOOD, "<d", 155, np.nan), "R2S-SCAN-003"),
    "LAS 7": (patched(GOOD, "<B", 24, 7), "R2S-SCAN-003"),
    "a long record": (
        las_bytes(ROOM, records=patched(METRES, "<H", 20, 60_000), record_count=1), "R2S-SCAN-003",
    ),
    "cut header": (GOOD[:200], "R2S-SCAN-004"),
    "cut points": (GOOD[:-7], "R2S-SCAN-004"),
    "not compressed": (patched(GOOD, "<B", 104, 0x80), "R2S-SCAN-003"),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_header_is_caught(tmp_path, lie):
    data, code = LIES[lie]
    assert refused(tmp_path, data).code == code


def test_damaged_laz_is_an_error(tmp_path):
    path = tmp_path / "a.laz"
    write_laz(path, ROOM + UTM)
    data = path.read_bytes()
    assert refused(tmp_path, data[: len(data) // 2], "a.laz").code in (
        "R2S-SCAN-004",
        "R2S-CHILD-001",
    )
    lying = patched(data, "<Q", 247, 40_000_000)
    assert refused(tmp_path, lying, "a.laz").code in ("R2S-SCAN-004", "R2S-CHILD-001")


WKTS = {
    'PROJCS["a",GEOGCS["b",UNIT["degree",0.01745]],UNIT["metre",1]]': ("projected", "m"),
    'PROJCS["a",GEOGCS["b"],UNIT["US survey foot",0.3048006096012192]]': ("projected", "us-ft"),
    'PROJCRS["a",BASEGEOGCRS["b"],CS[Cartesian,2],AXIS["E",east,LENGTHUNIT["foot",0.3048]]]': (
        "projected", "ft",
    ),
    'PROJCRS["a",BASEGEOGCRS["b"],CS[Cartesian,2],AXIS["E",east],LENGTHUNIT["metre",1]]': (
        "projected", "m",
    ),
    'GEOGCS["WGS 84",UNIT["degree",0.0174532925199433]]': ("geographic", ""),
    'GEODCRS["WGS 84",CS[Cartesian,3],AXIS["X",x],LENGTHUNIT["metre",1]]': ("geocentric", "m"),
    'LOCAL_CS["site",UNIT["millimetre",0.001]]': ("local", "mm"),
    'BOUNDCRS[SOURCECRS[PROJCRS["a",CS[Cartesian,2],LENGTHUNIT["metre",1]]]]': ("projected", "m"),
    "PROJCS[" * 500: ("", ""),
    'PROJCS["never closed': ("", ""),
    "": ("", ""),
}  # fmt: skip


@pytest.mark.parametrize("text", WKTS)
def test_wkt_units(text):
    found = crs.from_wkt(text)
    assert (found.kind, found.unit) == WKTS[text]


def test_geokey_units():
    def unit(**keys: int) -> str:
        data = np.frombuffer(geokeys(**keys), "<u2").tolist()
        return crs.from_geokeys(data, []).unit

    assert unit(k1024=1, k3072=32767, k3076=9003) == "us-ft"
    assert unit(k1024=1, k3072=2269) == "ft"  # Oregon North
    assert unit(k1024=1, k3072=2285) == "us-ft"  # Washington North
    assert unit(k1024=1, k3072=60000) == ""
    assert unit(k1024=2, k2048=4326) == ""
    assert crs.from_geokeys([1, 1, 0, 60000, 1024], []).kind == ""


def test_a_las_with_y_up_is_turned_with_little_confidence(tmp_path):
    x, y, z = room_points(count=20_000).T
    turned = np.stack([x, z, -y], axis=1) + np.array([10.0, 0, 0])  # not seen from the origin
    info = scan(write(tmp_path, las_bytes(turned))).info
    assert np.asarray(info.T_world_source)[2, :3] @ [0, 1, 0] > 0.999
    assert info.up_confidence < 0.5 and "lower along y" in info.up_evidence
    assert any("--up" in warning for warning in info.warnings)
