"""PTX: every scan at its pose, holes where there was no echo, lies of headers told before memory is taken."""

from __future__ import annotations

import gzip
import time

import numpy as np
import pytest
from cloud_files import ptx_text
from scan_files import room_points, scan

from r2s.core.errors import R2SError
from r2s.core.memory import peak_bytes
from r2s.core.rigid import apply, inverse, rpy_to_matrix, transform
from r2s.scan.readers import read, read_all, text
from r2s.scan.readers.asked import Asked

SITE = np.array([515368.0, 4918340.0, 2300.0])
POSES = [
    transform(None, SITE),
    transform(rpy_to_matrix([0.01, -0.02, 0.7]), SITE + np.array([2.0, 1.2, 0.1])),
]
# From LAStools' announcement of its own PTX reader, with what it makes of it.
SAMPLE = """3
3
0.000000 0.000000 0.000000
1.000000 0.000000 0.000000
0.000000 1.000000 0.000000
0.000000 0.000000 1.000000
-0.955179 0.296021 -0.002106 0.000000
-0.296023 -0.955180 0.001152 0.000000
-0.001670 0.001724 0.999997 0.000000
3.847211 12.235314 -0.425777 1.000000
1.111111 2.111111 3.111 0.111
1.222222 2.222222 3.222 0.212
0 0 0 0
0 0 0 0
1.333333 2.333333 3.333 0.312
1.444444 2.444444 3.444 0.423
0 0 0 0
1.555555 2.555555 3.555 0.534
1.666666 2.666666 3.666 0.678
"""
SAMPLE_MOVED = [
    (2.156, 10.553, 2.685), (2.017, 10.480, 2.796), (1.877, 10.407, 2.907), (1.738, 10.334, 3.018),
    (1.599, 10.261, 3.129), (1.460, 10.188, 3.240),
]  # fmt: skip


def write(folder, content: str | bytes, name: str = "a.ptx"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def seen(i: int, count: int = 9_000) -> np.ndarray:
    """Return the room of `room_points` in the frame of a scanner with pose `i`, to 0.1 mm."""
    place = room_points(count=count, seed=i) + SITE
    return apply(inverse(POSES[i]), place).round(4)


def test_the_transformation_is_that_of_others(tmp_path):
    points = read(write(tmp_path, SAMPLE)).points
    np.testing.assert_allclose(points[[0, 1, 4, 5, 7, 8]], SAMPLE_MOVED, atol=6e-4)
    assert np.isnan(points[[2, 3, 6]]).all()


SPELLINGS = {
    "windows": lambda t: t.replace("\n", "\r\n"),
    "blank lines": lambda t: t.replace("\n", "\n \n\n"),
    "trailing blanks": lambda t: t.replace("\n", " \t\n"),
    "no last newline": lambda t: t.rstrip("\n"),
    "gzip": lambda t: gzip.compress(t.encode()),
    "an empty scan between": lambda t: "0\n0\n" + t[4 : t.index("1.111")] + t,
}


@pytest.mark.parametrize("case", SPELLINGS)
def test_every_spelling_gives_the_same_points(tmp_path, case, monkeypatch):
    expected = read(write(tmp_path, SAMPLE)).points
    for size in (4 << 20, 70):
        monkeypatch.setattr(text, "_CHUNK", size)
        capture = read(write(tmp_path, SPELLINGS[case](SAMPLE), "b.ptx"))
        np.testing.assert_array_equal(capture.points, expected)
        assert (capture.format, capture.declared_unit, capture.surveyed) == ("ptx", "m", True)


def test_scans_are_one_place_and_each_point_knows_its_scanner(tmp_path):
    scans = [(seen(0), POSES[0], None), (seen(1, 6_000), POSES[1], None)]
    scans[0][0][7] = 0.0  # no echo
    capture = read(write(tmp_path, "".join(ptx_text(p, rows=50, T=T) for p, T, _ in scans)))
    expected = np.concatenate([apply(T, p) for p, T, _ in scans])
    expected[7] = np.nan
    np.testing.assert_allclose(capture.points, expected, atol=1e-8)
    np.testing.assert_allclose(capture.viewpoints, [T[:3, 3] for T in POSES])
    assert capture.rows(slice(8_500, 9_500, 100)).views.tolist() == [0] * 5 + [1] * 5
    result = scan(tmp_path / "a.ptx")
    assert result.info.viewpoints_source == "file" and result.info.dropped["non_finite"] == 1
    ways = result.viewpoints[result.viewpoint_of] - result.points
    assert (np.einsum("ij,ij->i", ways, result.normals) >= -1e-4).all()
    assert scan(tmp_path / "a.ptx").encode() == result.encode()


def test_colours_are_the_last_three_words(tmp_path):
    points = seen(0, 200)
    rgb = np.random.default_rng(0).integers(0, 256, (200, 3))
    for intensity in (True, False):
        path = write(tmp_path, ptx_text(points, rows=10, rgb=rgb, intensity=intensity))
        np.testing.assert_array_equal(read(path).rows(slice(None)).colors, rgb)
    mixed = ptx_text(points, rows=10, rgb=rgb) + ptx_text(points, rows=10)
    capture = read(write(tmp_path, mixed))
    assert not capture.has_colors and "only some of its scans" in capture.facts[0]


def test_the_real_scanner_says_the_same_in_ptx_and_e57(shared_data, tmp_path):
    """There is no real PTX here, so a real scan is written as one: in a frame, moved, with its holes."""
    pytest.importorskip("pye57")
    real = read(shared_data / "scans/tls_pump_e57/pumpAVisualReferenceImage.e57")
    rows = real.rows(slice(0, real.count, 5))  # 31,041 points
    local = rows.points.round(6)
    local[np.isnan(local).any(axis=1)] = 0.0
    holes = np.zeros((59, 3))  # rounded up to a grid of 100 rows
    text = ptx_text(
        np.concatenate([local, holes]),
        rows=100,
        T=POSES[1],
        rgb=np.concatenate([rows.colors, holes]),
    )
    capture = read(write(tmp_path, text, "pump.ptx"))
    assert capture.count == 31_100
    back = apply(inverse(POSES[1]), capture.points[: len(local)])
    np.testing.assert_allclose(back, rows.points, atol=2e-6)
    np.testing.assert_array_equal(capture.rows(slice(0, len(local))).colors, rows.colors)
    assert np.isnan(capture.points[len(local) :]).all()
    result, straight = scan(tmp_path / "pump.ptx", voxel_m=0.06), scan(
        shared_data / "scans/tls_pump_e57/pumpAVisualReferenceImage.e57", voxel_m=0.06
    )  # fmt: skip
    assert (result.info.viewpoints_source, result.info.unit) == ("file", "m")
    assert result.viewpoints[0, 2] == pytest.approx(straight.viewpoints[0, 2], abs=0.03)
    assert np.ptp(result.points[:, 2]) == pytest.approx(np.ptp(straight.points[:, 2]), abs=0.07)


def test_ptx_joins_other_clouds(tmp_path):
    place = room_points(count=6_000).round(4)
    one = write(tmp_path, ptx_text(place, rows=100))
    other = write(
        tmp_path, "x_m,y_m,z_m\n" + "\n".join(f"{x},{y},{z}" for x, y, z in place), "b.csv"
    )
    both = read_all([one, other], Asked(registered=True))
    assert both.count == 12_000 and both.format == "ptx+csv"


def header(columns="2", rows="2", M="1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n") -> str:
    return f"{columns}\n{rows}\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n{M}"


POINTS = "1 2 3 0.5\n" * 4
LIES = {
    "more points": (header("3") + POINTS, "R2S-SCAN-004", "promises 6 points"),
    "fewer points": (header("1") + POINTS, "R2S-SCAN-003", "header of scan 2 says '1 2 3 0.5'"),
    "billions": (header("100000", "100000") + POINTS, "R2S-SCAN-004", "more than it can hold"),
    "a hundred digits": (header("9" * 100) + POINTS, "R2S-SCAN-003", "not a number of columns"),
    "NaN": (header(M="nan 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n") + POINTS, "R2S-SCAN-003", "4 numbers"),
    "stretched": (header(M="2 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n") + POINTS, "R2S-SCAN-003", "stretches"),
    "mirrored": (header(M="-1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n") + POINTS, "R2S-SCAN-003", "mirrors"),
    "by columns": (header(M="1 0 0 5\n0 1 0 0\n0 0 1 0\n0 0 0 1\n") + POINTS, "R2S-SCAN-003", "column"),
    "cut in a header": (header() + POINTS + header()[:12], "R2S-SCAN-004", "header of scan 2"),
    "cut between lines": (header() + POINTS[:-10], "R2S-SCAN-004", "promises 4 points"),
    "cut in a line": (header() + POINTS[:-9], "R2S-SCAN-004", "within a line of scan 1"),
    "words": (header() + POINTS[:-10] + "what is this thing\n", "R2S-SCAN-003", "of scan 1"),
    "five words": (header() + "1 2 3 4 5\n" * 4, "R2S-SCAN-003", "lines of 5 words"),
    "no points": (header("0"), "R2S-SCAN-005", "none has points"),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_told(tmp_path, lie):
    content, code, word = LIES[lie]
    with pytest.raises(R2SError) as caught:
        read(write(tmp_path, content, "lie.ptx"))
    error = caught.value
    assert (error.code, word in error.why) == (code, True), error
    assert "lie.ptx" in error.where and error.remedy


def test_a_packed_lie_costs_nothing(tmp_path):
    before, started = peak_bytes(), time.monotonic()
    packed = gzip.compress(
        (header("20000", "20000") + POINTS).encode()
    )  # 400 M points: below the limit
    with pytest.raises(R2SError, match="truncated"):
        read(write(tmp_path, packed))
    assert peak_bytes() - before < 64 << 20 and time.monotonic() - started < 5
