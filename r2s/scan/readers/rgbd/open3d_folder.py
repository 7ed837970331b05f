"""The Redwood / Open3D layout: `color/`, `depth/`, a trajectory and one intrinsic file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from r2s.scan.capture import Doubt
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

TRAJECTORIES = (
    "trajectory.log", "trajectory.json", "scene/trajectory.log", "scene/trajectory.json",
    "camera_trajectory.json", "camera_trajectory.log",
)  # fmt: skip
INTRINSICS = ("intrinsic.json", "camera_intrinsic.json", "intrinsics.json")
COLORS = ("color", "image", "rgb")
# Open3D's PrimeSenseDefault, the camera of the Redwood data sets.
PRIMESENSE = Intrinsics(525.0, 525.0, 319.5, 239.5, 640, 480)


def trajectory_of(folder: Path) -> Path | None:
    """Return the folder's trajectory file, or None."""
    return next((folder / name for name in TRAJECTORIES if (folder / name).is_file()), None)


def read(folder: Path) -> Layout:
    """Return the frames of a Redwood / Open3D folder; the k-th pose is the k-th picture's."""
    trajectory = trajectory_of(folder)
    assert trajectory is not None  # the sniff found one
    manifests = [trajectory]
    depths = text.pictures(folder / "depth", ".png", ".pgm")
    colors = next(
        (c for name in COLORS if (c := text.pictures(folder / name, ".jpg", ".jpeg", ".png"))), []
    )
    poses, intrinsics = (_json if trajectory.suffix == ".json" else _log)(trajectory)
    by = f"{trajectory.name}"
    if (named := next((n for n in INTRINSICS if (folder / n).is_file()), None)) is not None:
        manifests.append(folder / named)
        intrinsics, by = _intrinsic(folder / named, text.document(folder / named)), named
    if intrinsics is None:
        intrinsics = PRIMESENSE
        by = "Open3D's PrimeSense default, a convention of the Redwood data"
    paired = len(colors) == len(depths)
    frames: list[Frame] = []
    lost = 0
    for k, T in poses:
        if k >= len(depths):
            continue
        if not sound_pose(T):
            lost += 1
            continue
        frames.append(Frame(depths[k], colors[k] if paired else None, None, T, intrinsics))
    absent = sum(k >= len(depths) for k, _ in poses)
    if not frames:
        raise no_frames(
            folder,
            f"{trajectory.name} has {len(poses):,} poses, {lost:,} of them unusable, and depth/ has "
            f"{len(depths):,} pictures",
        )
    facts = list(skipped(absent, lost, 0, len(poses), what=f"of {trajectory.name}"))
    if intrinsics == PRIMESENSE and named is None:
        facts.append(
            Doubt(
                "the folder has no intrinsic.json, so the camera is assumed to be a PrimeSense: "
                "--intrinsics FX,FY,CX,CY overrides it"
            )
        )
    if len(depths) > len(poses):
        facts.append(
            Doubt(f"{len(depths) - len(poses):,} depth pictures have no pose and are skipped")
        )
    if colors and not paired:
        facts.append(
            Doubt(
                f"colours are left out: {len(colors):,} colour and {len(depths):,} depth pictures"
            )
        )
    return Layout(
        "redwood", tuple(frames), tuple(manifests), 1000.0, "convention of Redwood and Open3D", by,
        f"{trajectory.name}", facts=tuple(facts),
    )  # fmt: skip


def _log(path: Path) -> tuple[list[tuple[int, np.ndarray]], None]:
    """Read a .log: per pose a line of three whole numbers, then a 4 x 4 camera-to-world matrix."""
    rows = text.lines(path)
    if not rows or len(rows) % 5:
        raise malformed(path, f"it has {len(rows)} lines, and a pose takes five")
    found: list[tuple[int, np.ndarray]] = []
    for at in range(0, len(rows), 5):
        try:
            T = np.array(rows[at + 1 : at + 5], dtype=np.float64)
        except ValueError as exc:
            raise malformed(
                path, f"pose {at // 5} is no 4 x 4 matrix of numbers: {str(exc)[:80]}"
            ) from exc
        if T.shape != (4, 4):
            raise malformed(path, f"pose {at // 5} is no 4 x 4 matrix")
        found.append((at // 5, T))
    return found, None


def _json(path: Path) -> tuple[list[tuple[int, np.ndarray]], Intrinsics | None]:
    """Read Open3D's PinholeCameraTrajectory: world-to-camera matrices by column."""
    parameters = text.document(path).get("parameters")
    if not isinstance(parameters, list) or not parameters:
        raise malformed(path, "it has no list `parameters`")
    found: list[tuple[int, np.ndarray]] = []
    for k, each in enumerate(parameters):
        values = each.get("extrinsic") if isinstance(each, dict) else None
        T = _column_major(path, values, 4, f"extrinsic of parameters[{k}]")
        found.append((k, np.linalg.inv(T) if sound_pose(T) else np.full((4, 4), np.nan)))
    first = parameters[0].get("intrinsic")
    return found, _intrinsic(path, first) if isinstance(first, dict) else None


def _intrinsic(path: Path, values: dict[str, Any]) -> Intrinsics:
    """Read Open3D's PinholeCameraIntrinsic."""
    K = _column_major(path, values.get("intrinsic_matrix"), 3, "intrinsic_matrix")
    width, height = values.get("width"), values.get("height")
    if not isinstance(width, int) or not isinstance(height, int) or min(width, height) < 1:
        raise malformed(path, "it has no width and height")
    return Intrinsics(K[0, 0], K[1, 1], K[0, 2], K[1, 2], width, height)


def _column_major(path: Path, values: Any, size: int, name: str) -> np.ndarray:
    try:
        found = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        found = np.empty(0)
    if found.shape == (size, size):  # some tools write rows as lists
        return found
    if found.shape != (size * size,):
        raise malformed(path, f"{name} is no list of {size * size} numbers")
    return found.reshape(size, size).T
