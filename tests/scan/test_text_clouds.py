"""Text clouds: the same points whatever the separators and the names; damage is told or counted."""

from __future__ import annotations

import gzip
import tracemalloc

import numpy as np
import pytest
from scan_files import room_points, scan

from r2s.core.errors import R2SError, UnsafeInput
from r2s.scan.readers import read, text
from r2s.scan.readers.text_layout import LayoutError, find_layout

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(60, 3)).round(4) + np.array([515368.0, 4918340.0, 2300.0])
COLORS = RNG.integers(0, 256, (60, 3))
DIRECTIONS = RNG.normal(size=(60, 3))
NORMALS = (DIRECTIONS / np.linalg.norm(DIRECTIONS, axis=1, keepdims=True)).round(5)


def table(*columns: np.ndarray, separator: str = " ", comma: bool = False) -> str:
    rows = np.concatenate(columns, axis=1).tolist()
    text = "".join(
        separator.join(repr(v) if v != int(v) else str(int(v)) for v in row) + "\n" for row in rows
    )
    return text.replace(".", ",") if comma else text


def write(folder, content: str | bytes, name: str = "cloud.txt"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


SPELLINGS = {
    "xyz": table(POINTS),
    "tabs": table(POINTS, separator="\t"),
    "csv": "x,y,z\n" + table(POINTS, separator=","),
    "padded csv": "X , Y , Z\n" + table(POINTS, separator=" , "),
    "quoted": '"x","y","z"\n' + table(POINTS, separator=","),
    "semicolons": "x;y;z\n" + table(POINTS, separator=";"),
    "german": "x;y;z\n" + table(POINTS, separator=";", comma=True),
    "blank german": table(POINTS, comma=True),
    "pts": f"{len(POINTS)}\n" + table(POINTS),
    "cloudcompare": "//X Y Z\n60\n" + table(POINTS),
    "remarks": "# a remark\n# x y z\n\n" + table(POINTS) + "# the end\n",
    "windows": table(POINTS).replace("\n", "\r\n"),
    "old mac": table(POINTS).replace("\n", "\r"),
    "byte order mark": "\ufeffx,y,z\n" + table(POINTS, separator=","),
    "no last newline": table(POINTS).rstrip("\n"),
    "ends with separators": table(POINTS, separator=",").replace("\n", ",\n"),
    "two blocks": "30\n" + table(POINTS[:30]) + "30\n" + table(POINTS[30:]),
}


@pytest.mark.parametrize("case", SPELLINGS)
@pytest.mark.parametrize("packed", [False, True])
def test_every_spelling_gives_the_same_points(tmp_path, case, packed):
    data = SPELLINGS[case].encode()
    path = write(tmp_path, gzip.compress(data) if packed else data)
    capture = read(path)
    np.testing.assert_array_equal(capture.points, POINTS)  # double precision survives UTM
    np.testing.assert_array_equal(capture.sample(7).points, POINTS[::9])


NAMED = {
    "easting,northing,height": (POINTS, None),
    "id,px_world,py_world,pz_world": (np.hstack([np.arange(60)[:, None], POINTS]), None),
    "intensity,red,green,blue,x,y,z": (np.hstack([COLORS[:, :1], COLORS, POINTS]), COLORS),
    "x,y,z,r,g,b,nx,ny,nz": (np.hstack([POINTS, COLORS, NORMALS]), COLORS),
}


@pytest.mark.parametrize("names", NAMED)
def test_names_decide(tmp_path, names):
    data, colors = NAMED[names]
    rows = read(write(tmp_path, names + "\n" + table(data, separator=","))).rows(slice(None))
    np.testing.assert_array_equal(rows.points, POINTS)
    assert (rows.colors is None) == (colors is None)
    if colors is not None:
        np.testing.assert_array_equal(rows.colors, colors)
    if "nx" in names:
        np.testing.assert_allclose(rows.normals, NORMALS, atol=1e-6)


SHAPED = {
    "intensity r g b": ([POINTS, RNG.integers(-2048, 2047, (60, 1)), COLORS], (4, 5, 6), None),
    "r g b": ([POINTS, COLORS], (3, 4, 5), None),
    "normals": ([POINTS, NORMALS], None, (3, 4, 5)),
    "r g b normals": ([POINTS, COLORS, NORMALS], (3, 4, 5), (6, 7, 8)),
    "normals r g b": ([POINTS, NORMALS, COLORS], (6, 7, 8), (3, 4, 5)),
    "intensity": ([POINTS, RNG.uniform(0, 1, (60, 1)).round(3)], None, None),
    "index": ([np.arange(60)[:, None], POINTS, COLORS], (4, 5, 6), None),
}


@pytest.mark.parametrize("case", SHAPED)
def test_numbers_decide_where_there_are_no_names(case):
    columns, colors, normals = SHAPED[case]
    layout = find_layout(table(*columns).splitlines())
    assert (layout.colors, layout.normals) == (colors, normals)
    assert layout.xyz == ((1, 2, 3) if case == "index" else (0, 1, 2))
    assert layout.facts and "no column names" in layout.facts[0]


def test_units_in_the_header(tmp_path):
    assert read(write(tmp_path, "X [mm],Y [mm],Z [mm]\n1,2,3\n")).declared_unit == "mm"
    assert read(write(tmp_path, "x_ft,y_ft,z_ft\n1,2,3\n")).declared_unit == "ft"
    assert read(write(tmp_path, "x,y,z\n1,2,3\n")).declared_unit == ""


def test_float_and_deep_colours_and_black_ones(tmp_path):
    for factor in (1 / 255, 1, 257):
        content = "x y z r g b\n" + table(POINTS, COLORS * factor)
        colors = read(write(tmp_path, content)).rows(slice(None)).colors
        np.testing.assert_array_equal(colors, COLORS)
    capture = read(write(tmp_path, "x y z r g b\n" + table(POINTS, COLORS * 0)))
    assert not capture.has_colors and "zero" in capture.facts[0]


def test_holes_are_rows_and_damage_is_counted(tmp_path):
    lines = table(POINTS, separator=",").splitlines()
    lines[3], lines[9] = "nan,nan,nan", ",,"
    lines[-1] = lines[-1][:9]  # the file was cut
    capture = read(write(tmp_path, "x,y,z\n" + "\n".join(lines)))
    assert np.isnan(capture.points[[3, 9, 59]]).all()
    assert np.isfinite(np.delete(capture.points, [3, 9, 59], axis=0)).all()
    assert "1 of 60 lines" in capture.facts[0] and "line 61" in capture.facts[0]


def refused(folder, content, name="cloud.txt") -> R2SError:
    with pytest.raises(R2SError) as caught:
        read(write(folder, content, name))
    error = caught.value
    assert error.why and error.remedy and name in error.where
    return error


def test_what_is_no_cloud_is_told(tmp_path):
    why = {
        "time,ax,ay,az\n" + "1,2,3,4\n" * 9: "none are x, y and z",
        "lat,lon,alt\n" + "47.1,8.5,400\n" * 9: "degrees",
        table(POINTS) + "what is this\n" * 9: "9 of 69 lines",
        "1 2\n3 4\n" * 9: "not three numbers",
        "99999\n" + table(POINTS): "99,999 points",
        "70\n" + table(POINTS): "70 points",
        "1 2 3\n" + "4" * 200_000: "line of more than",
    }
    for content, words in why.items():
        if words == "not three numbers":
            with pytest.raises(LayoutError, match=words):
                find_layout(content.splitlines())
            continue
        assert words in refused(tmp_path, content).why


def test_gzip_is_bounded(tmp_path, monkeypatch):
    packed = gzip.compress(table(POINTS).encode() * 200)
    assert "gzip stream is damaged" in refused(tmp_path, packed[:-20]).why
    assert refused(tmp_path, packed[:5]).code == "R2S-SCAN-002"
    assert "holds PNG" in refused(tmp_path, gzip.compress(b"\x89PNG\r\n\x1a\n" + bytes(99))).what
    monkeypatch.setattr(text, "_RATIO_FROM", 1 << 20)
    monkeypatch.setattr(text, "_CHUNK", 1 << 18)
    bomb = gzip.compress(b"1.0 2.0 3.0\n" * 4_000_000)  # 48 MB in 0.1 MB, at most 1 of them read
    monkeypatch.setattr(text, "_MOST_RATIO", 2)
    tracemalloc.start()
    with pytest.raises(UnsafeInput, match="unpacks to more than"):
        read(write(tmp_path, bomb))
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_a_room_in_text_is_the_room(tmp_path):
    points = room_points(count=20_000)
    result = scan(write(tmp_path, table(points.round(4))))
    assert result.info.unit == "m" and result.info.viewpoints_source == "estimated"
    assert 2.4 < np.ptp(result.points[:, 2]) < 2.8


def test_a_room_with_y_up_is_turned_with_little_confidence(tmp_path):
    x, y, z = room_points(count=20_000).T
    turned = np.stack([x, z, -y], axis=1) + np.array(
        [10, 0, 0]
    )  # +y up, and not seen from the origin
    info = scan(write(tmp_path, table(turned.round(4)))).info
    assert np.asarray(info.T_world_source)[2, :3] @ [0, 1, 0] > 0.999
    assert info.up_confidence < 0.5 and "lower along y" in info.up_evidence
    assert any("--up" in warning for warning in info.warnings)


def test_real_tables(shared_data):
    path = shared_data / "scans/laser_csv/car_cloud400.csv"
    capture = read(path)
    assert capture.count == 24_989 and capture.has_normals
    np.testing.assert_allclose(np.ptp(capture.points, axis=0), [126.7, 130.7, 40.0], atol=0.06)
    aria = read(shared_data / "scans/aria_semidense/global_points.csv.gz")
    assert (aria.count, aria.declared_unit, aria.declared_up) == (99_472, "m", "+z")
    low, high = np.quantile(aria.points, [0.01, 0.99], axis=0)
    np.testing.assert_allclose(low, [-5.96, -6.36, -2.70], atol=0.01)
    np.testing.assert_allclose(high, [6.33, 4.84, 7.23], atol=0.01)
    result = scan(shared_data / "scans/aria_semidense/global_points.csv.gz", voxel_m=0.2)
    assert result.info.dropped["outlier"] > 500  # some are two kilometres away
    assert np.abs(result.points).max() < 60
    assert abs(np.median(result.points[:, 2])) < 10
