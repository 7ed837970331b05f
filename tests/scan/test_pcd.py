"""PCD: three encodings of one cloud are one cloud, and a lying header is caught."""

from __future__ import annotations

import numpy as np
import pytest
from scan_files import columns_of, pcd_bytes

from r2s.core.errors import R2SError
from r2s.scan.readers import read

POINTS = np.random.default_rng(0).normal(size=(240, 3)).astype(np.float32)
POINTS[7] = np.nan
COLORS = np.random.default_rng(1).integers(0, 256, (240, 3)).astype(np.uint32)
PACKED = (COLORS[:, 0] << 16) | (COLORS[:, 1] << 8) | COLORS[:, 2]


def write(folder, data: bytes):
    path = folder / "cloud.pcd"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("encoding", ["ascii", "binary", "binary_compressed"])
@pytest.mark.parametrize("color", ["rgb as U", "rgba as U", "rgb as F"])
def test_every_encoding_gives_the_same_cloud(tmp_path, encoding, color):
    # An opaque alpha keeps the packed float a normal number, as PCL writes it.
    packed = PACKED if "F" not in color else PACKED & 0x7F7FFF | 0x3F000000
    values = packed.astype("<u4").view("<f4") if color == "rgb as F" else packed.astype("<u4")
    data = pcd_bytes(columns_of(POINTS) | {color.split()[0]: values}, encoding)
    capture = read(write(tmp_path, data))
    rows = capture.rows(slice(None))
    np.testing.assert_array_equal(rows.points, POINTS.astype(np.float64))
    expected = np.stack([(packed >> s) & 255 for s in (16, 8, 0)], axis=-1)
    np.testing.assert_array_equal(rows.colors, expected)


@pytest.mark.parametrize("encoding", ["binary", "binary_compressed"])
def test_doubles_padding_and_normals(tmp_path, encoding):
    normals = np.tile([[0.0, 0.0, 1.0]], (240, 1)).astype("<f4")
    columns = columns_of(POINTS, "<f8") | {"_": np.zeros(240, "u1")}
    columns |= {f"normal_{a}": normals[:, i] for i, a in enumerate("xyz")}
    capture = read(write(tmp_path, pcd_bytes(columns, encoding)))
    np.testing.assert_array_equal(capture.points, POINTS.astype(np.float64))
    assert capture.has_normals
    np.testing.assert_array_equal(capture.rows(slice(3)).normals, normals[:3])


def test_organisation_and_viewpoint_are_kept(tmp_path):
    data = pcd_bytes(columns_of(POINTS), "binary", height=12, viewpoint="1 2 3 1 0 0 0")
    capture = read(write(tmp_path, data))
    assert capture.organized == (12, 20)
    np.testing.assert_array_equal(capture.viewpoint, [1, 2, 3])
    assert not capture.viewpoint_is_default


def test_blocks_and_samples_are_rows_of_the_whole(tmp_path):
    capture = read(write(tmp_path, pcd_bytes(columns_of(POINTS), "binary")))
    blocks = np.concatenate([rows.points for rows in capture.blocks(37)])
    np.testing.assert_array_equal(blocks, capture.points)
    np.testing.assert_array_equal(capture.sample(60).points, capture.points[::4])


def test_open3d_reads_the_same(tmp_path, shared_data):
    from r2s.core.native import open3d

    path = shared_data / "scans/kinect_tabletop/milk_cartoon_all_small_clorox.pcd"
    theirs = open3d().io.read_point_cloud(str(path), remove_nan_points=True)
    rows = read(path).rows(slice(None))
    good = np.isfinite(rows.points).all(axis=1)
    np.testing.assert_allclose(rows.points[good], np.asarray(theirs.points), atol=0)
    assert rows.colors is not None
    np.testing.assert_allclose(rows.colors[good] / 255, np.asarray(theirs.colors), atol=1e-6)


LIES = {
    "2 G points": (b"WIDTH 240", b"WIDTH 2000000000", "R2S-SCAN-003"),
    "2 G points twice": (b"POINTS 240", b"POINTS 2000000000", "R2S-SCAN-003"),
    "no x": (b"FIELDS x", b"FIELDS w", "R2S-SCAN-003"),
    "odd size": (b"SIZE 4", b"SIZE 3", "R2S-SCAN-003"),
    "minus": (b"HEIGHT 1", b"HEIGHT -1", "R2S-SCAN-003"),
    "words": (b"WIDTH 240", b"WIDTH many", "R2S-SCAN-003"),
    "encoding": (b"DATA binary", b"DATA zip", "R2S-SCAN-003"),
    "viewpoint": (b"VIEWPOINT 0", b"VIEWPOINT nan", "R2S-SCAN-003"),
    "unknown key": (b"WIDTH", b"WIDHT", "R2S-SCAN-003"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_header_is_caught(tmp_path, lie):
    old, new, code = LIES[lie]
    data = pcd_bytes(columns_of(POINTS), "binary").replace(old, new)
    with pytest.raises(R2SError) as caught:
        read(write(tmp_path, data))
    assert caught.value.code == code
    assert caught.value.why and caught.value.remedy


def test_more_points_than_bytes_is_caught_before_memory_is_taken(tmp_path):
    data = pcd_bytes(columns_of(POINTS), "binary")
    for old in (b"WIDTH 240", b"POINTS 240"):
        data = data.replace(old, old.split()[0] + b" 400000000")
    with pytest.raises(R2SError, match="truncated") as caught:
        read(write(tmp_path, data))
    assert "400,000,000 points" in caught.value.why


@pytest.mark.parametrize("encoding", ["ascii", "binary", "binary_compressed"])
def test_a_cut_file_is_caught(tmp_path, encoding):
    data = pcd_bytes(columns_of(POINTS), encoding)
    with pytest.raises(R2SError) as caught:
        read(write(tmp_path, data[: len(data) * 2 // 3]))
    assert caught.value.code in ("R2S-SCAN-003", "R2S-SCAN-004")
