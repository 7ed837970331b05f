"""What every RGB-D layout boils down to: pictures, poses, intrinsics, and the evidence for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from r2s.core.errors import R2SError
from r2s.guard.archive import archive_of
from r2s.guard.preflight import shown
from r2s.scan.capture import Doubt

# Structured light and time of flight: noise grows with the square of depth, 3 to 5 cm at 4 m.
CAMERA_REACH_M = 4.0
# ARKit's LiDAR: Apple's range; Polycam's format notes call anything beyond a guess.
PHONE_REACH_M = 5.0
# From OpenGL camera axes (x right, y up, z back) to optical ones (x right, y down, z forward).
OPENGL_TO_OPTICAL = np.diag([1.0, -1.0, -1.0, 1.0])


class Intrinsics(NamedTuple):
    """A pinhole camera [px], pixel centres at whole numbers; width 0: valid for the depth picture itself."""

    fx: float
    fy: float
    cx: float
    cy: float
    width: int = 0
    height: int = 0

    def at(self, shape: tuple[int, int]) -> Intrinsics:
        """Return the intrinsics of the same view in a picture of `shape` (height, width)."""
        height, width = shape
        if not self.width or (self.height, self.width) == shape:
            return self
        sx, sy = width / self.width, height / self.height
        return Intrinsics(
            self.fx * sx, self.fy * sy, (self.cx + 0.5) * sx - 0.5, (self.cy + 0.5) * sy - 0.5,
            width, height,
        )  # fmt: skip


@dataclass(frozen=True)
class Frame:
    """One depth picture.

    Attributes:
        depth: 16-bit PNG or PGM, or packed; color, confidence: pictures of the same view, or None. Paths
            may lead through an archive.
        T_world_camera: (4, 4) pose of the optical frame (x right, y down, z forward), metres.
        intrinsics: of this picture, or None where the folder does not say.
        packed: (height, width) where depth and confidence are packed as Record3D does it (`packed`).
    """

    depth: Path
    color: Path | None
    confidence: Path | None
    T_world_camera: np.ndarray
    intrinsics: Intrinsics | None
    packed: tuple[int, int] | None = None


@dataclass(frozen=True)
class Layout:
    """A folder of depth pictures as its manifests describe it; no picture is decoded yet.

    Attributes:
        name: `tum`, `redwood`, `scannet`, `7scenes`, `nerfstudio`, `polycam`, `stray`,
            `record3d`.
        frames: those whose picture and pose are there, in order.
        manifests: text files that were read.
        depth_per_m: stored depth of one metre; depth_by: who says so.
        intrinsics_by: who says what the intrinsics are.
        poses_by: where the poses come from.
        declared_up: up axis of the world frame, or "" where the layout has none; declared_by: who says so.
        holes: stored values that mean no depth, besides 0.
        reach_m: depth beyond this is dropped unless the user says otherwise.
        facts: what was skipped or is remarkable.
    """

    name: str
    frames: tuple[Frame, ...]
    manifests: tuple[Path, ...]
    depth_per_m: float
    depth_by: str
    intrinsics_by: str
    poses_by: str
    declared_up: Literal["", "+y", "+z"] = ""
    declared_by: str = ""
    holes: tuple[int, ...] = ()
    reach_m: float = CAMERA_REACH_M
    facts: tuple[str, ...] = ()

    @property
    def files(self) -> list[Path]:
        """Every file the capture uses."""
        pictures = (p for f in self.frames for p in (f.depth, f.color, f.confidence))
        return sorted({*self.manifests, *(p for p in pictures if p is not None)})


def sound_pose(T: np.ndarray) -> bool:
    """Whether a (4, 4) matrix is a finite rigid transform of sane size."""
    if T.shape != (4, 4) or not np.isfinite(T).all() or np.abs(T).max() > 1e6:
        return False
    rotation = T[:3, :3]
    return bool(
        np.abs(rotation @ rotation.T - np.eye(3)).max() < 0.01 and np.linalg.det(rotation) > 0
    )


def sound_intrinsics(values: Sequence[float]) -> bool:
    """Whether fx, fy, cx, cy can be those of a camera."""
    fx, fy, cx, cy = values
    finite = bool(np.isfinite([fx, fy, cx, cy]).all())
    return finite and 1 < fx < 1e5 and 1 < fy < 1e5 and abs(cx) < 1e5 and abs(cy) < 1e5


def skipped(absent: int, lost: int, unmatched: int, listed: int, *, what: str) -> tuple[str, ...]:
    """Return the fact sentence for frames that are not used, or nothing."""
    reasons = [
        f"{count:,} {words}"
        for count, words in (
            (absent, "whose pictures are not in the folder"),
            (lost, "without a usable pose (tracking was lost)"),
            (unmatched, "with no pose close enough in time"),
        )
        if count
    ]
    used = listed - absent - lost - unmatched
    if not reasons:
        return ()
    said = f"{used:,} of the {listed:,} frames {what} are used; skipped: {'; '.join(reasons)}"
    return (Doubt(said),)


def malformed(path: Path, why: str) -> R2SError:
    """Return the error for a manifest that cannot be read."""
    return R2SError(
        "R2S-SCAN-020", f"{path.name} of the folder cannot be read", where=shown(path), why=why,
        remedy="export or copy the folder again, whole",
    )  # fmt: skip


def no_frames(folder: Path, why: str) -> R2SError:
    """Return the error for a folder of a known layout that gives no frame."""
    return R2SError(
        "R2S-SCAN-021", "no frame of this folder can be used", where=shown(folder), why=why,
        remedy=f"ls '{shown(folder)}'    # copy the pictures the manifests name beside them",
    )  # fmt: skip


def broken(path: Path, why: str) -> R2SError:
    """Return the error for a picture that cannot be decoded."""
    archive = archive_of(path)
    command = f"rm '{shown(path)}'"
    if archive is not None:
        command = f"zip -d '{shown(archive)}' {path.relative_to(archive).as_posix()}"
    return R2SError(
        "R2S-SCAN-022", f"the picture {path.name} is damaged", where=shown(path), why=why,
        remedy=f"copy it again, or delete it: a frame without its picture is skipped    {command}",
    )  # fmt: skip
