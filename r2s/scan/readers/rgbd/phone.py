"""Phones with a LiDAR: Polycam's raw data and Stray Scanner. ARKit's world has +y up by gravity."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from r2s.core.rigid import quat_to_matrix, transform
from r2s.scan.capture import Doubt
from r2s.scan.readers.rgbd import text
from r2s.scan.readers.rgbd.frames import (
    OPENGL_TO_OPTICAL,
    PHONE_REACH_M,
    Frame,
    Intrinsics,
    Layout,
    malformed,
    no_frames,
    skipped,
    sound_pose,
)

_ARKIT = "ARKit, whose frame is aligned with gravity,"
_LOWEST = "depth of the lowest confidence is dropped"


def read_polycam(folder: Path) -> Layout:
    """Return the frames of a Polycam raw export (`keyframes/`)."""
    root = folder / "keyframes"
    corrected = bool(text.entries(root / "corrected_cameras"))
    cameras = root / ("corrected_cameras" if corrected else "cameras")
    images = root / ("corrected_images" if corrected else "images")
    depths = text.pictures(root / "depth", ".png")
    frames: list[Frame] = []
    manifests: list[Path] = []
    absent = lost = 0
    for depth in depths:
        camera = text.inside(cameras, f"{depth.stem}.json")
        if camera is None:
            absent += 1
            continue
        T, intrinsics = _polycam_camera(camera)
        if not sound_pose(T):
            lost += 1
            continue
        manifests.append(camera)
        frames.append(
            Frame(
                depth, text.beside(images, depth.stem, ".jpg", ".png"),
                text.inside(root / "confidence", depth.name), T @ OPENGL_TO_OPTICAL, intrinsics,
            )
        )  # fmt: skip
    if not frames:
        raise no_frames(
            folder, f"{len(depths):,} depth pictures: {absent:,} without {cameras.name}/NAME.json, "
            f"{lost:,} whose pose is no rigid transform",
        )  # fmt: skip
    facts = [*skipped(absent, lost, 0, len(depths), what="with depth")]
    facts += [_LOWEST] if any(frame.confidence for frame in frames) else []
    if not corrected:
        facts.append(
            Doubt(
                "keyframes/corrected_cameras is absent, so ARKit's own poses are used: they drift"
            )
        )
    return Layout(
        "polycam", tuple(frames), tuple(manifests), 1000.0, "Polycam's format", f"{cameras.name}/",
        f"{cameras.name}/", declared_up="+y", declared_by=_ARKIT, reach_m=PHONE_REACH_M,
        facts=tuple(facts),
    )  # fmt: skip


def _polycam_camera(path: Path) -> tuple[np.ndarray, Intrinsics]:
    """Read a camera: rows of the camera-to-world matrix as t_00 .. t_23, OpenGL camera axes."""
    values = text.document(path)
    try:
        T = np.eye(4)
        T[:3] = [[float(values[f"t_{i}{j}"]) for j in range(4)] for i in range(3)]
        fx, fy, cx, cy = (float(values[name]) for name in ("fx", "fy", "cx", "cy"))
        width, height = int(values["width"]), int(values["height"])
    except (KeyError, TypeError, ValueError, OverflowError) as exc:
        raise malformed(path, f"an entry is missing or no number: {str(exc)[:80]}") from exc
    if min(width, height) < 1:
        raise malformed(path, f"pictures of {width} x {height} pixels cannot be")
    return T, Intrinsics(fx, fy, cx, cy, width, height)


def read_stray(folder: Path) -> Layout:
    """Return the frames of a Stray Scanner folder.

    Its intrinsics are those of the video, 4:3 as the depth; the pose has optical axes, as the author's
    own viewer uses it.
    """
    K = text.matrix(folder / "camera_matrix.csv", 3)
    rows = [words for words in text.lines(folder / "odometry.csv") if words[0] != "timestamp"]
    if not rows:
        raise malformed(folder / "odometry.csv", "it lists no pose")
    intrinsics = Intrinsics(K[0, 0], K[1, 1], K[0, 2], K[1, 2], *_video_size(K))
    frames: list[Frame] = []
    absent = lost = 0
    for i, words in enumerate(rows):
        stem, T = _stray_pose(folder / "odometry.csv", i, words)
        depth = text.inside(folder / "depth", f"{stem}.png")
        if depth is None:
            absent += 1
        elif T is None or not sound_pose(T):
            lost += 1
        else:
            color = text.beside(folder / "rgb", stem, ".jpg", ".png")
            confidence = text.inside(folder / "confidence", f"{stem}.png")
            frames.append(Frame(depth, color, confidence, T, intrinsics))
    if not frames:
        raise no_frames(
            folder, f"odometry.csv lists {len(rows):,} poses: {absent:,} without depth/NAME.png, "
            f"{lost:,} unusable",
        )  # fmt: skip
    facts = [*skipped(absent, lost, 0, len(rows), what="that odometry.csv lists")]
    facts += [_LOWEST] if any(frame.confidence for frame in frames) else []
    if (folder / "rgb.mp4").is_file() and not any(frame.color for frame in frames):
        facts.append(
            Doubt(
                "there are no colours: videos are not decoded; ffmpeg -i rgb.mp4 -start_number 0 "
                "rgb/%06d.jpg makes pictures that are read"
            )
        )
    return Layout(
        "stray", tuple(frames), (folder / "camera_matrix.csv", folder / "odometry.csv"), 1000.0,
        "Stray Scanner's format", "camera_matrix.csv, scaled from the video to the depth",
        "odometry.csv", declared_up="+y", declared_by=_ARKIT, reach_m=PHONE_REACH_M,
        facts=tuple(facts),
    )  # fmt: skip


def _video_size(K: np.ndarray) -> tuple[int, int]:
    """Return the size of the video a camera matrix belongs to: 1920 x 1440, or what its centre says."""
    if not (np.isfinite(K).all() and min(K[0, 2], K[1, 2]) > 1 and K[:2, 2].max() < 1e5):
        return 1920, 1440
    # The principal point is near the middle; iPhones record 4:3.
    width = min((480, 640, 960, 1280, 1440, 1920, 3840, 4032), key=lambda w: abs(w / 2 - K[0, 2]))
    return width, width * 3 // 4


def _stray_pose(path: Path, i: int, words: list[str]) -> tuple[str, np.ndarray | None]:
    """Return the name of the frame and its camera-to-world pose; None where it is no pose."""
    if len(words) < 9:
        raise malformed(path, f"pose {i} has {len(words)} entries, not nine")
    try:
        position, quat_xyzw = np.array(words[2:5], float), np.array(words[5:9], float)
        stem = f"{int(float(words[1])):06d}"
    except (ValueError, OverflowError) as exc:
        raise malformed(path, f"pose {i}: {str(exc)[:80]}") from exc
    if not np.isfinite([*position, *quat_xyzw]).all() or np.linalg.norm(quat_xyzw) < 0.5:
        return stem, None
    return stem, transform(quat_to_matrix(quat_xyzw[[3, 0, 1, 2]]), position)
