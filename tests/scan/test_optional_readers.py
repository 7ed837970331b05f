"""Readers of optional libraries: USD (usd-core) and Ouster (ouster-sdk); refused by name without them."""

from __future__ import annotations

import importlib.util
import shutil
import struct
import zipfile

import numpy as np
import pytest

from r2s.core.errors import R2SError
from r2s.scan.readers import companions, read
from r2s.scan.readers.asked import Asked


@pytest.fixture
def without(monkeypatch):
    """Hide optional libraries."""
    find = importlib.util.find_spec
    hidden = ("ouster", "pxr")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name in hidden else find(name, *a)
    )


def usda(*, up="Y", metres=1.0, mirrored=False) -> str:
    """Return a square [2 x 1] in the plane z = 0 of its own frame, moved by (0, 0, 3), as one quad."""
    turn = -1 if mirrored else 1
    return f"""#usda 1.0
(
    metersPerUnit = {metres}
    upAxis = "{up}"
)
def Xform "place"
{{
    matrix4d xformOp:transform = ( ({turn}, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 3, 1) )
    uniform token[] xformOpOrder = ["xformOp:transform"]
    def Mesh "square"
    {{
        int[] faceVertexCounts = [4]
        int[] faceVertexIndices = [0, 1, 2, 3]
        point3f[] points = [(0, 0, 0), (2, 0, 0), (2, 1, 0), (0, 1, 0)]
    }}
}}
"""


def usdz(path, text: str, *, method=zipfile.ZIP_STORED, name="scene.usda"):
    with zipfile.ZipFile(path, "w", method) as package:
        package.writestr(name, text)
    return path


def test_a_usdz_scene_is_read(tmp_path):
    pytest.importorskip("pxr", reason="usd-core is not installed")
    capture = read(usdz(tmp_path / "scene.usdz", usda(metres=0.01, up="Z")))
    assert (capture.declared_unit, capture.declared_up) == ("cm", "+z")
    assert capture.points[:, 2] == pytest.approx(3.0)
    assert capture.points[:, :2].min(axis=0) == pytest.approx([0, 0], abs=0.02)
    assert capture.points[:, :2].max(axis=0) == pytest.approx([2, 1], abs=0.02)
    normals = capture.rows(slice(0, 9)).normals
    assert normals is not None and normals[:, 2] == pytest.approx(1.0)
    flipped = read(usdz(tmp_path / "mirrored.usdz", usda(mirrored=True))).rows(slice(0, 9)).normals
    assert flipped is not None and flipped[:, 2] == pytest.approx(1.0)
    (tmp_path / "scene.usda").write_text(usda())
    assert read(tmp_path / "scene.usda").declared_up == "+y"


def test_a_damaged_usd_scene_is_an_error(tmp_path):
    pytest.importorskip("pxr", reason="usd-core is not installed")
    for text in ("#usda 1.0\ndef {", usda().replace("1, 2, 3]", "1, 2, 9]"), "#usda 1.0\n"):
        (tmp_path / "scene.usda").write_text(text)
        with pytest.raises(R2SError, match="USD"):
            read(tmp_path / "scene.usda")


def test_a_usdz_is_checked_before_the_library_sees_it(tmp_path):
    packed = usdz(tmp_path / "packed.usdz", usda(), method=zipfile.ZIP_DEFLATED)
    with pytest.raises(R2SError, match="malformed") as caught:
        read(packed)
    assert "compressed" in caught.value.why
    with pytest.raises(R2SError, match="malformed"):
        read(usdz(tmp_path / "picture.usdz", "x", name="picture.png"))
    whole = usdz(tmp_path / "whole.usdz", usda()).read_bytes()
    (tmp_path / "cut.usdz").write_bytes(whole[:-30])
    with pytest.raises(R2SError, match="cut"):
        read(tmp_path / "cut.usdz")


def test_without_usd_core_the_remedy_is_its_installation(tmp_path, without):
    with pytest.raises(R2SError, match="not installed") as caught:
        read(usdz(tmp_path / "scene.usdz", usda()))
    assert "pip install usd-core" in caught.value.remedy


@pytest.fixture
def ouster(shared_data):
    return shared_data / "scans" / "ouster_os1" / "OS-1-128_v2.3.0_1024x10_lb_n3.pcap"


def test_without_ouster_sdk_the_remedy_is_its_installation(ouster, without):
    for path in (ouster, ouster.with_suffix(".osf")):
        with pytest.raises(R2SError, match="not installed") as caught:
            read(path)
        assert "pip install --no-deps" in caught.value.remedy


def test_packets_are_checked_before_the_library_sees_them(ouster, tmp_path):
    packets = tmp_path / "drive.pcap"
    shutil.copy(ouster, packets)
    with pytest.raises(R2SError, match="no sensor metadata") as caught:
        read(packets)
    assert "metadata" in caught.value.remedy
    (tmp_path / "drive.json").write_text("{}")
    assert companions(packets) == [tmp_path / "drive.json"]
    with pytest.raises(R2SError, match="cannot be trusted") as caught:
        read(packets)
    assert "beam_altitude_angles" in caught.value.why
    whole = ouster.read_bytes()
    packets.write_bytes(whole[:32] + struct.pack("<II", 1 << 31, 1 << 31) + whole[40:])
    with pytest.raises(R2SError, match="cannot be trusted") as caught:
        read(packets)
    assert "packet 0" in caught.value.why
    packets.write_bytes(whole[:100])
    with pytest.raises(R2SError, match="cut"):
        read(packets)
    (tmp_path / "drive.osf").write_bytes(ouster.with_suffix(".osf").read_bytes()[:-1000])
    with pytest.raises(R2SError, match="cut"):
        read(tmp_path / "drive.osf")


def test_packets_and_osf_give_the_same_points(ouster):
    pytest.importorskip("ouster.sdk.osf", reason="ouster-sdk is not installed")
    counts = (107_647, 107_357, 107_532)
    for number, count in enumerate(counts):
        one = read(ouster, Asked(message=number)).points
        other = read(ouster.with_suffix(".osf"), Asked(message=number)).points
        assert len(one) == count and np.array_equal(one, other)
    assert np.ptp(read(ouster, Asked(message=0)).points, axis=0) == pytest.approx(
        [397.7, 106.8, 21.7], abs=0.1
    )
    with pytest.raises(R2SError, match="no frame number 3"):
        read(ouster, Asked(message=3))


def test_frames_of_a_moving_sensor_are_registered(ouster):
    pytest.importorskip("ouster.sdk.osf", reason="ouster-sdk is not installed")
    capture = read(ouster)
    assert capture.viewpoints is not None and capture.count == 322_536
    steps = np.linalg.norm(np.diff(capture.viewpoints, axis=0), axis=1)
    assert steps == pytest.approx([0.23, 0.27], abs=0.03)  # a car at 2.5 m/s, ten frames a second
