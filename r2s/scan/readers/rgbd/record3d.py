"""Record3D's recordings: an `.r3d` file, which is a zip archive, or the folder it unpacks to.

`metadata` is JSON; `rgbd/N.depth`, `rgbd/N.conf` and `rgbd/N.jpg` are the frames. By the app's author (issues
27, 36, 64, 83 and 93 of github.com/marek-simonik/record3d): poses map camera to world with OpenGL axes, `K`
is that of the first frame and the numbers of `perFrameIntrinsicCoeffs` those of each, both for the colour
picture, and the world is the first camera's, so gravity is not in the file: up is found from the planes, near
the mean image up. Written from these and from programs that read such files; no real recording was at hand.
Not verified with one: that `dw`, `dh`, `w` and `h` are of the pictures as they are stored (upright for a
phone held upright), and whether newer versions of the app turn the world upright, which would not be used.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from r2s.core.rigid import quat_to_matrix, transform
from r2s.guard import archive
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
    sound_intrinsics,
    sound_pose,
)
from r2s.scan.readers.rgbd.packed import MOST_BYTES, unpacked_bytes

# (height, width) of the pictures of a LiDAR and a TrueDepth camera, for recordings that do not say it.
_SHAPES = ((192, 256), (480, 640))
_MOST_SIDE = 4096


def read(root: Path) -> Layout:
    """Return the frames of a recording. root: the `.r3d` file or the folder.

    Raises:
        R2SError: `metadata` is damaged, or no frame has a pose and a depth picture.
    """
    path = root / "metadata"
    top = text.document(path)
    held = _names(root)
    poses = _rows(path, top, "poses", 7)
    size = _size(path, top, "w", "h")
    cameras, by = _cameras(path, top, len(poses), size)
    numbered = [k for k in range(len(poses)) if f"rgbd/{k}.depth" in held]
    if not numbered:
        raise no_frames(
            root, f"metadata has {len(poses):,} poses, and rgbd/ has no N.depth of them"
        )
    shape = _depth_shape(root, top, numbered[0], size)

    def beside(k: int, suffix: str) -> Path | None:
        name = f"rgbd/{k}.{suffix}"
        return root / name if name in held else None

    frames: list[Frame] = []
    for k in numbered:
        T = _pose(poses[k])
        if T is not None:
            frames.append(
                Frame(
                    root / f"rgbd/{k}.depth",
                    beside(k, "jpg"),
                    beside(k, "conf"),
                    T,
                    cameras[k],
                    shape,
                )
            )
    lost = len(numbered) - len(frames)
    if not frames:
        raise no_frames(
            root, f"none of the {lost:,} poses of frames with depth is a rigid transform"
        )
    return Layout(
        "record3d", tuple(frames), (path,), 1.0, "Record3D's format: metres", by, "metadata",
        reach_m=PHONE_REACH_M,
        facts=_facts(frames, skipped(len(poses) - len(numbered), lost, 0, len(poses), what="of metadata")),
    )  # fmt: skip


def _facts(frames: list[Frame], facts: tuple[str, ...]) -> tuple[str, ...]:
    sure = sum(frame.confidence is not None for frame in frames)
    if sure:
        facts += ("only depth of the highest confidence is kept",)
    if sure < len(frames):
        facts += (
            f"{len(frames) - sure:,} of {len(frames):,} frames say nothing of their confidence",
        )
    still = all(np.array_equal(f.T_world_camera, frames[0].T_world_camera) for f in frames)
    if still and len(frames) > 1:
        facts += (
            Doubt(
                "all its poses are the same, as those of the front camera are: this is right only if the "
                "camera did not move"
            ),
        )
    return facts


def _names(root: Path) -> frozenset[str]:
    """Return the files of a recording by their names in it, links out of a folder left out."""
    if root.is_file():
        return archive.names(root)
    found = (f"rgbd/{name}" for name in text.entries(root / "rgbd"))
    return frozenset(name for name in found if text.inside(root, name) is not None)


def _pose(row: np.ndarray) -> np.ndarray | None:
    """Return T_world_camera (4, 4), optical axes, of qx qy qz qw tx ty tz; None where it is no pose."""
    if not np.isfinite(row).all() or np.linalg.norm(row[:4]) < 0.5:
        return None
    T = transform(quat_to_matrix(row[[3, 0, 1, 2]]), row[4:]) @ OPENGL_TO_OPTICAL
    return T if sound_pose(T) else None


def _cameras(
    path: Path, top: dict[str, Any], count: int, size: tuple[int, int]
) -> tuple[list[Intrinsics], str]:
    """Return the camera of each frame, for the colour picture of `size` (height, width), and who says it."""
    K = _rows(path, {"K": [top.get("K")]}, "K", 9)[0]  # by column
    one = (K[0], K[4], K[6], K[7])
    rows, by = np.tile(one, (count, 1)), "K of metadata, scaled to the depth"
    if top.get("perFrameIntrinsicCoeffs"):
        each = _rows(path, top, "perFrameIntrinsicCoeffs", 4)
        if len(each) == count and all(sound_intrinsics(row.tolist()) for row in each):
            rows, by = (
                each,
                "perFrameIntrinsicCoeffs of metadata (of the first frame), scaled to the depth",
            )
    if not sound_intrinsics(rows[0].tolist()):
        raise malformed(
            path, f"K is no camera: fx, fy, cx, cy are {', '.join(f'{v:g}' for v in one)}"
        )
    return [Intrinsics(*map(float, row), width=size[1], height=size[0]) for row in rows], by


def _depth_shape(
    root: Path, top: dict[str, Any], first: int, size: tuple[int, int]
) -> tuple[int, int]:
    """Return (height, width) of the depth pictures: as metadata says, else by the first one's bytes."""
    if "dw" in top or "dh" in top:
        return _size(root / "metadata", top, "dw", "dh")
    depth = root / f"rgbd/{first}.depth"
    pixels = unpacked_bytes(depth, archive.content(depth, MOST_BYTES)) // 4
    for height, width in _SHAPES:
        if pixels == height * width:
            return (height, width) if size[1] >= size[0] else (width, height)
    raise malformed(
        root / "metadata", f"it has no dw and dh, and no camera has {pixels:,} pixels of depth"
    )


def _size(path: Path, top: dict[str, Any], width: str, height: str) -> tuple[int, int]:
    """Return (height, width) in pixels."""
    w, h = _rows(path, {"size": [[top.get(width), top.get(height)]]}, "size", 2)[0].tolist()
    if not (1 <= w <= _MOST_SIDE and 1 <= h <= _MOST_SIDE):
        raise malformed(path, f"{width} and {height} are {w:g} and {h:g}, no size of a picture")
    return int(h), int(w)


def _rows(path: Path, top: dict[str, Any], name: str, columns: int) -> np.ndarray:
    """Return a list of lists of numbers as (n, columns) float64; null is NaN."""
    try:
        found = np.array(top.get(name), dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as exc:
        raise malformed(path, f"{name} is no table of numbers: {str(exc)[:80]}") from exc
    if found.ndim != 2 or found.shape[1] != columns or not len(found):
        raise malformed(path, f"{name} is no list of {columns} numbers each")
    return found
