"""Which capture a folder is, by the files in it; and the files it consists of."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

from r2s.core.errors import R2SError
from r2s.guard.preflight import shown
from r2s.scan.capture import Capture
from r2s.scan.readers.asked import Asked, Told, check_units, unheard
from r2s.scan.readers.rgbd import open3d_folder, phone, record3d, scannet, text, transforms, tum
from r2s.scan.readers.rgbd.frames import Layout
from r2s.scan.readers.rgbd.pixels import depth_shape

FOLDERS_TEXT = (
    "TUM RGB-D, Redwood/Open3D, ScanNet, 7-Scenes, nerfstudio with depth, Polycam raw, Stray Scanner, "
    "Record3D, rosbag2, several overlapping clouds"
)
_CLOUDS = {".pcd", ".ply", ".las", ".laz", ".e57", ".ptx", ".xyz", ".pts"}

_LAYOUTS: dict[str, Callable[[Path], Layout]] = {
    "tum": tum.read,
    "redwood": open3d_folder.read,
    "scannet": scannet.read_exported,
    "7scenes": scannet.read_numbered,
    "nerfstudio": transforms.read,
    "polycam": phone.read_polycam,
    "stray": phone.read_stray,
    "record3d": record3d.read,
}


def sniff_folder(folder: Path) -> str:
    """Return the layout of a folder by the names in it, or `unknown`.

    Answers that only say what is missing: `exr` (Record3D's export of pictures nothing decodes), `sequences`
    (7-Scenes, one level too high), `no-poses` (depth pictures, and nothing says from where), `loose` (a
    depth picture among other files).
    """
    names = set(text.entries(folder))
    if "metadata.yaml" in names:
        return "rosbag2"
    depth = bool({"depth.txt", *tum.ASSOCIATIONS} & names)
    if depth and "groundtruth.txt" in names:
        return "tum"
    if "keyframes" in names and (folder / "keyframes" / "depth").is_dir():
        return "polycam"
    if {"odometry.csv", "camera_matrix.csv", "depth"} <= names:
        return "stray"
    if {"metadata", "rgbd"} <= names:
        return "record3d"
    if "EXR_RGBD" in names:
        return "exr"
    if {"depth", "pose"} <= names:
        return "scannet"
    if "depth" in names and open3d_folder.trajectory_of(folder) is not None:
        return "redwood"
    if "transforms.json" in names:
        return "nerfstudio"
    if any(re.fullmatch(r"frame-\d+\.depth\.(png|pgm)", name) for name in names):
        return "7scenes"
    if any(re.fullmatch(r"seq-\d+", name) for name in names):
        return "sequences"
    if depth or "depth" in names:
        return "no-poses"
    if len(clouds_of(folder)) > 1:
        return "clouds"
    return "loose" if _loose_depth(folder) else "unknown"


def clouds_of(folder: Path) -> list[Path]:
    """Return the cloud files right in the folder, `cloud_2` before `cloud_10`."""
    found = [folder / n for n in text.entries(folder) if Path(n).suffix.lower() in _CLOUDS]
    return sorted((p for p in found if p.is_file()), key=_in_counting_order)


def _in_counting_order(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", path.name)
    return [(int(p), "") if p.isdigit() else (-1, p) for p in parts]


def _loose_depth(folder: Path) -> str:
    """Return the name of a 16-bit PNG or PGM lying in the folder, or ""."""
    for path in text.pictures(folder, ".png", ".pgm")[:20]:
        with contextlib.suppress(R2SError, OSError):
            depth_shape(path)
            return path.name
    return ""


def read_folder(folder: Path, asked: Asked, told: Told = unheard) -> Capture:
    """Open a folder that is one capture.

    Raises:
        R2SError: its layout is not known or not read, or its manifests are damaged.
    """
    from r2s.scan.readers.rgbd.stream import capture_of

    kind = sniff_folder(folder)
    if kind == "clouds":
        from r2s.scan.readers import read_all

        return read_all(clouds_of(folder), asked, told)
    check_units(asked, 1, folder)
    if kind == "rosbag2":
        from r2s.scan.readers.ros.recording import read_recording, recording_files

        recording_files(folder)  # the manifest is checked before rosbags sees it
        return read_recording(folder, "rosbag2", asked)
    return capture_of(_layout(folder), asked, folder)


def folder_files(folder: Path) -> list[Path]:
    """Return every file a folder capture uses, and none that it does not.

    Raises:
        R2SError: as `read_folder`.
    """
    if sniff_folder(folder) == "rosbag2":
        from r2s.scan.readers.ros.recording import recording_files

        return recording_files(folder)
    if sniff_folder(folder) == "clouds":
        return clouds_of(folder)
    return _layout(folder).files


def _layout(folder: Path) -> Layout:
    kind = sniff_folder(folder)
    if kind in _LAYOUTS:
        return _LAYOUTS[kind](folder)
    raise _refusal(kind, folder)


def _refusal(kind: str, folder: Path) -> R2SError:
    where = shown(folder)
    match kind:
        case "exr":
            return R2SError(
                "R2S-SCAN-027", "this is Record3D's export as EXR and JPG; r2s does not read its depth",
                where=where, why="nothing here decodes EXR pictures",
                remedy="in Record3D, export the recording in its internal format (.r3d), and name that file",
            )  # fmt: skip
        case "sequences":
            first = next(n for n in text.entries(folder) if re.fullmatch(r"seq-\d+", n))
            return R2SError(
                "R2S-SCAN-027", "this folder holds several sequences of 7-Scenes", where=where,
                why="a scan is made of one", remedy=f"r2s scan '{where}/{first}'",
            )  # fmt: skip
        case "loose":
            return R2SError(
                "R2S-SCAN-024", "the intrinsics of the depth camera are not known", where=where,
                why=f"the folder holds the depth picture {shown(Path(_loose_depth(folder)))}, and no file "
                "says what camera took it or from where; without that depth is not a shape",
                remedy=f"r2s scan '{where}/{shown(Path(_loose_depth(folder)))}' --intrinsics FX,FY,CX,CY"
                "    (pixels of the depth picture)",
            )  # fmt: skip
        case "no-poses":
            return R2SError(
                "R2S-SCAN-027", "this folder holds depth pictures without camera poses", where=where,
                why="without poses they cannot be put together; r2s looked for groundtruth.txt, "
                "trajectory.log, trajectory.json, pose/, odometry.csv, keyframes/ and transforms.json",
                remedy="add the trajectory as trajectory.log (Open3D's format), or scan one picture: "
                f"r2s scan '{where}/depth/NAME.png' --intrinsics FX,FY,CX,CY",
            )  # fmt: skip
    return R2SError(
        "R2S-FILE-002", "this is a folder of no layout r2s knows, not a file", where=where,
        why=f"a capture is one file, or a folder in one of these layouts: {FOLDERS_TEXT}",
        remedy=f"ls '{where}'    # and name one file of it, or the folder inside it that has such a layout",
    )  # fmt: skip
