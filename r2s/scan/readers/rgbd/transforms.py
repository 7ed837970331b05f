"""nerfstudio's `transforms.json`, where its frames name depth pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from r2s.core.errors import R2SError
from r2s.guard.preflight import shown
from r2s.scan.capture import Doubt
from r2s.scan.readers.rgbd import text
from r2s.scan.readers.rgbd.frames import (
    OPENGL_TO_OPTICAL,
    Frame,
    Intrinsics,
    Layout,
    malformed,
    no_frames,
    skipped,
    sound_pose,
)

_DISTORTION = ("k1", "k2", "k3", "k4", "p1", "p2")


def read(folder: Path) -> Layout:
    """Return the frames of a nerfstudio folder that have depth."""
    path = folder / "transforms.json"
    top = text.document(path)
    listed = top.get("frames")
    if not isinstance(listed, list) or not listed:
        raise malformed(path, "it has no list `frames`")
    with_depth = [f for f in listed if isinstance(f, dict) and f.get("depth_file_path")]
    if not with_depth:
        raise R2SError(
            "R2S-SCAN-025", f"none of the {len(listed):,} frames names a depth picture", where=shown(path),
            why="colour pictures with poses are no geometry yet",
            remedy="export the points or the mesh: ns-export pointcloud --load-config config.yml "
            "--output-dir out, then r2s scan out/point_cloud.ply",
        )  # fmt: skip
    frames: list[Frame] = []
    absent = lost = 0
    for each in with_depth:
        settings = {**top, **each}
        _check_model(path, settings)
        depth = text.inside(folder, str(each["depth_file_path"]))
        color = text.inside(folder, str(each.get("file_path", "")))
        T = _matrix(each.get("transform_matrix"))
        if depth is None:
            absent += 1
        elif not sound_pose(T):
            lost += 1
        else:
            frames.append(Frame(depth, color, None, T @ OPENGL_TO_OPTICAL, _camera(path, settings)))
    if not frames:
        raise no_frames(
            folder, f"of {len(with_depth):,} frames with depth {absent:,} pictures are absent and "
            f"{lost:,} poses are no rigid transforms",
        )  # fmt: skip
    unit = _number(top.get("depth_unit_scale_factor", 0.001))
    if unit is None or not 1e-6 <= unit <= 1:
        raise malformed(path, "depth_unit_scale_factor is no length in metres")
    facts = list(skipped(absent, lost, 0, len(with_depth), what="with depth"))
    if len(with_depth) < len(listed):
        facts.append(f"{len(listed) - len(with_depth):,} frames name no depth and are skipped")
    bent = {k: v for k in _DISTORTION if (v := _number(top.get(k, 0)))}
    if bent:
        facts.append(
            Doubt(
                f"lens distortion {' '.join(f'{k}={v:g}' for k, v in bent.items())} is not undone: depth "
                "pictures are taken as those of an ideal pinhole"
            )
        )
    said = "transforms.json" if "depth_unit_scale_factor" in top else "nerfstudio's default"
    return Layout(
        "nerfstudio", tuple(frames), (path,), 1 / unit, f"{said}: {unit:g} m each", "transforms.json",
        "transforms.json", facts=tuple(facts),
    )  # fmt: skip


def _check_model(path: Path, settings: dict[str, Any]) -> None:
    model = settings.get("camera_model", "OPENCV")
    if model not in ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL"):
        raise R2SError(
            "R2S-SCAN-026", f"the camera model {str(model)[:30]!r} is not read", where=shown(path),
            why="depth is put along the rays of a pinhole camera",
            remedy="undistort the pictures, and write camera_model PINHOLE",
        )  # fmt: skip


def _camera(path: Path, settings: dict[str, Any]) -> Intrinsics:
    names = ("fl_x", "fl_y", "cx", "cy", "w", "h")
    values = [_number(settings.get(name)) for name in names]
    values[1] = values[0] if values[1] is None else values[1]
    if None in values:
        missing = ", ".join(n for n, v in zip(names, values, strict=True) if v is None)
        raise malformed(path, f"there is no number {missing}")
    fx, fy, cx, cy, width, height = (float(v) for v in values if v is not None)
    if not 1 <= min(width, height) <= max(width, height) < 1e6:
        raise malformed(path, f"pictures of {width:g} x {height:g} pixels cannot be")
    # nerfstudio counts from the corner of a pixel, so its middle is at a half.
    return Intrinsics(fx, fy, cx - 0.5, cy - 0.5, int(width), int(height))


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        return None
    return float(value)


def _matrix(value: Any) -> np.ndarray:
    """Return the 4 x 4 matrix, or an empty array."""
    try:
        return np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        return np.empty(0)
