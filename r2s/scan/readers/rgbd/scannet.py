"""ScanNet, 7-Scenes and 3DMatch: a picture, a depth picture and a 4 x 4 pose per frame."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from r2s.scan.readers.rgbd import text
from r2s.scan.readers.rgbd.frames import (
    Frame,
    Intrinsics,
    Layout,
    malformed,
    no_frames,
    skipped,
    sound_pose,
)

# Shotton et al., CVPR 2013: the depth camera of 7-Scenes, and its mark for no depth.
SEVEN_SCENES = Intrinsics(585.0, 585.0, 320.0, 240.0, 640, 480)
SEVEN_SCENES_HOLE = 65535


def read_exported(folder: Path) -> Layout:
    """Return the frames of a ScanNet export: `color/0.jpg`, `depth/0.png`, `pose/0.txt`, `intrinsic/`."""
    file = folder / "intrinsic" / "intrinsic_depth.txt"
    manifests: list[Path] = []
    intrinsics, by = None, "there is no intrinsic/intrinsic_depth.txt"
    if file.is_file():
        K = text.matrix(file, 4)
        intrinsics, by = Intrinsics(K[0, 0], K[1, 1], K[0, 2], K[1, 2]), "intrinsic_depth.txt"
        manifests.append(file)
    return _frames(
        "scannet", folder, folder / "depth", folder / "color", folder / "pose", "{}", manifests,
        intrinsics, by, 1000.0, "convention of ScanNet", (SEVEN_SCENES_HOLE,),
    )  # fmt: skip


def read_numbered(folder: Path) -> Layout:
    """Return the frames of `frame-000000.depth.png` with `.color` and `.pose.txt` beside it."""
    intrinsics, by, per_m, per_by = SEVEN_SCENES, (
        "published depth camera of 7-Scenes, a convention of that data set, since the folder has "
        "neither _info.txt nor camera-intrinsics.txt: --intrinsics FX,FY,CX,CY overrides it"
    ), 1000.0, "convention of 7-Scenes and ScanNet"  # fmt: skip
    manifests: list[Path] = []
    info, plain = folder / "_info.txt", folder / "camera-intrinsics.txt"
    if info.is_file():
        manifests.append(info)
        intrinsics, per_m = _info(info)
        by, per_by = "_info.txt", "_info.txt"
    elif plain.is_file():
        manifests.append(plain)
        K = text.matrix(plain, 3)
        intrinsics, by = Intrinsics(K[0, 0], K[1, 1], K[0, 2], K[1, 2]), plain.name
    return _frames(
        "7scenes", folder, folder, folder, folder, "frame-{}.", manifests, intrinsics, by, per_m,
        per_by, (SEVEN_SCENES_HOLE,),
    )  # fmt: skip


def _frames(
    name: str, folder: Path, depths: Path, colors: Path, poses: Path, pattern: str,
    manifests: list[Path], intrinsics: Intrinsics | None, by: str, per_m: float, per_by: str,
    holes: tuple[int, ...],
) -> Layout:  # fmt: skip
    together = pattern != "{}"
    frames: list[Frame] = []
    absent = lost = listed = 0
    for depth in text.pictures(depths, ".png", ".pgm"):
        if together and not re.fullmatch(r"frame-\d+\.depth\.\w+", depth.name):
            continue
        listed += 1
        key = depth.name.split(".")[0]
        pose = text.inside(poses, f"{key}.pose.txt" if together else f"{key}.txt")
        if pose is None:
            absent += 1
            continue
        T = text.matrix(pose, 4)
        if not sound_pose(T):
            lost += 1
            continue
        stem = f"{key}.color" if together else key
        color = text.beside(colors, stem, ".jpg", ".png", ".jpeg")
        manifests.append(pose)
        frames.append(Frame(depth, color, None, T, intrinsics))
    if not frames:
        raise no_frames(
            folder,
            f"{listed:,} depth pictures: {absent:,} without a pose file, {lost:,} whose pose is no "
            "rigid transform",
        )
    facts = list(skipped(absent, lost, 0, listed, what="with depth"))
    if any(frame.color for frame in frames):
        facts.append(
            "colours come from a second camera beside the depth camera and are taken pixel by pixel, "
            "so they may be off by some pixels"
        )
    return Layout(
        name, tuple(frames), tuple(manifests), per_m, per_by, by, "the frames' pose files", holes=holes,
        facts=tuple(facts),
    )  # fmt: skip


def _info(path: Path) -> tuple[Intrinsics, float]:
    """Read the `_info.txt` of a .sens export."""
    values: dict[str, str] = {}
    for line in text.text(path).splitlines():
        key, found, value = line.partition("=")
        if found:
            values[key.strip()] = value.strip()
    try:
        K = np.array(values["m_calibrationDepthIntrinsic"].split(), dtype=np.float64).reshape(4, 4)
        width, height = int(values["m_depthWidth"]), int(values["m_depthHeight"])
        per_m = float(values.get("m_depthShift", "1000"))
    except (KeyError, ValueError) as exc:
        raise malformed(path, f"no m_calibrationDepthIntrinsic or size in it: {exc}") from exc
    if not 1 <= per_m <= 1e6 or min(width, height) < 1:
        raise malformed(path, f"m_depthShift {per_m:g} or size {width} x {height} cannot be")
    return Intrinsics(K[0, 0], K[1, 1], K[0, 2], K[1, 2], width, height), per_m
