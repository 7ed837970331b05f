"""The TUM RGB-D layout: lists of pictures by time, and a trajectory by time."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from r2s.core.rigid import transform_of_pose
from r2s.scan.readers.rgbd import text
from r2s.scan.readers.rgbd.frames import Frame, Intrinsics, Layout, malformed, no_frames, skipped

# The data set's own tool pairs pictures within this time [s].
PAIR_S = 0.02
# A pose is interpolated between two at most this far apart, or the nearest within PAIR_S is taken [s].
GAP_S = 0.1
ASSOCIATIONS = ("associate.txt", "associations.txt", "association.txt", "associated.txt")
# Colour calibration of the three cameras; depth is registered to colour. Sturm et al., IROS 2012, and
# the data set's page on intrinsics, which also says that depth is already corrected.
FREIBURG = {
    "1": (517.3, 516.5, 318.6, 255.3),
    "2": (520.9, 521.0, 325.1, 249.7),
    "3": (535.4, 539.2, 320.1, 247.6),
}


def read(folder: Path) -> Layout:
    """Return the frames of a TUM folder whose pictures and poses exist."""
    manifests = [folder / "groundtruth.txt"]
    pairs, listed_by = _pairs(folder, manifests)
    stamps, poses = _trajectory(folder / "groundtruth.txt")
    intrinsics, by = _intrinsics(folder, manifests)
    frames: list[Frame] = []
    absent = unmatched = interpolated = 0
    for stamp, depth_name, color_name in pairs:
        depth = text.inside(folder, depth_name)
        color = text.inside(folder, color_name) if color_name else None
        if depth is None or (color_name and color is None):
            absent += 1
            continue
        T, between = pose_at(stamp, stamps, poses)
        if T is None:
            unmatched += 1
            continue
        interpolated += between
        frames.append(Frame(depth, color, None, T, intrinsics))
    if not frames:
        raise no_frames(
            folder,
            f"{listed_by} lists {len(pairs):,} frames: {absent:,} without their pictures, "
            f"{unmatched:,} without a pose within {PAIR_S:g} s",
        )
    return Layout(
        "tum", tuple(frames), tuple(manifests), 5000.0, "convention of TUM RGB-D", by,
        f"groundtruth.txt (motion capture), {interpolated:,} interpolated between poses at most "
        f"{GAP_S:g} s apart, the rest nearest within {PAIR_S:g} s",
        declared_up="+z", declared_by="the motion capture of TUM RGB-D",
        facts=skipped(absent, 0, unmatched, len(pairs), what=f"that {listed_by} lists"),
    )  # fmt: skip


def pose_at(stamp: float, stamps: np.ndarray, poses: np.ndarray) -> tuple[np.ndarray | None, bool]:
    """Return the pose at a time and whether it was interpolated; None where none is close enough.

    stamps: (n,) s, ascending; poses: (n, 7) tx ty tz qx qy qz qw.
    """
    after = int(np.searchsorted(stamps, stamp))
    if 0 < after < len(stamps) and stamps[after] - stamps[after - 1] <= GAP_S:
        a, b = poses[after - 1], poses[after]
        share = (stamp - stamps[after - 1]) / (stamps[after] - stamps[after - 1])
        return transform_of_pose(_between(a, b, float(share))), True
    near = [i for i in (after - 1, after) if 0 <= i < len(stamps)]
    best = min(near, key=lambda i: abs(stamps[i] - stamp))
    return (
        (transform_of_pose(poses[best]), False)
        if abs(stamps[best] - stamp) <= PAIR_S
        else (None, False)
    )


def _between(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    """Interpolate two poses: position on the line, rotation on the short arc."""
    qa, qb = a[3:] / np.linalg.norm(a[3:]), b[3:] / np.linalg.norm(b[3:])
    qb = qb if qa @ qb >= 0 else -qb
    angle = float(np.arccos(np.clip(qa @ qb, -1, 1)))
    if angle < 1e-6:
        q = qa + share * (qb - qa)
    else:
        q = (np.sin((1 - share) * angle) * qa + np.sin(share * angle) * qb) / np.sin(angle)
    return np.concatenate([a[:3] + share * (b[:3] - a[:3]), q])


def _trajectory(path: Path) -> tuple[np.ndarray, np.ndarray]:
    table = text.numbers(path, 8)
    good = np.isfinite(table).all(axis=1) & (np.linalg.norm(table[:, 4:], axis=1) > 0.5)
    table = table[good]
    if not len(table):
        raise malformed(path, "it holds no finite pose")
    table = table[np.unique(table[:, 0], return_index=True)[1]]
    return table[:, 0], table[:, 1:]


def _pairs(folder: Path, manifests: list[Path]) -> tuple[list[tuple[float, str, str]], str]:
    """Return (time of the depth picture, its name, colour's name or "") and the list they come from."""
    for name in ASSOCIATIONS:
        if (folder / name).is_file():
            manifests.append(folder / name)
            return _associated(folder / name), name
    depth = _listed(folder / "depth.txt")
    manifests.append(folder / "depth.txt")
    if not (folder / "rgb.txt").is_file():
        return [(stamp, name, "") for stamp, name in depth], "depth.txt"
    manifests.append(folder / "rgb.txt")
    color = sorted(_listed(folder / "rgb.txt"))
    stamps = np.array([stamp for stamp, _ in color])
    found: list[tuple[float, str, str]] = []
    for stamp, name in depth:
        after = int(np.clip(np.searchsorted(stamps, stamp), 1, max(len(stamps) - 1, 1)))
        i = (
            after
            if after < len(stamps) and stamps[after] - stamp < stamp - stamps[after - 1]
            else after - 1
        )
        found.append((stamp, name, color[i][1] if abs(stamps[i] - stamp) <= PAIR_S else ""))
    return found, "depth.txt"


def _associated(path: Path) -> list[tuple[float, str, str]]:
    found: list[tuple[float, str, str]] = []
    for words in text.lines(path):
        if len(words) != 4:
            raise malformed(path, f"a line has {len(words)} entries, not time, name, time, name")
        stamps = [_stamp(path, words[0]), _stamp(path, words[2])]
        names = [words[1], words[3]]
        # Both orders are in use: colour first, as the data set's tool is usually called, or depth first.
        depth = 0 if names[0].startswith("depth") else 1
        found.append((stamps[depth], names[depth], names[1 - depth]))
    if not found:
        raise malformed(path, "it lists nothing")
    return found


def _listed(path: Path) -> list[tuple[float, str]]:
    found = [(words[0], words[1]) for words in text.lines(path) if len(words) >= 2]
    if not found:
        raise malformed(path, "it lists nothing")
    return [(_stamp(path, stamp), name) for stamp, name in found]


def _stamp(path: Path, word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise malformed(path, f"{word[:20]!r} is no time")
    return value


def _intrinsics(folder: Path, manifests: list[Path]) -> tuple[Intrinsics | None, str]:
    """Return the camera the lists name: they quote the recording, `rgbd_dataset_freiburg1_desk.bag`."""
    for name in ("depth.txt", "rgb.txt", "groundtruth.txt"):
        path = folder / name
        if not path.is_file():
            continue
        head = "\n".join(text.text(path).splitlines()[:5])
        named = re.search(r"freiburg([123])", head)
        if named:
            manifests += [path] if path not in manifests else []
            return Intrinsics(*FREIBURG[named[1]], 640, 480), (
                f"published colour calibration of the freiburg{named[1]} camera, which {name} names "
                f"({named[0]}); a convention of the data set, not in the folder: "
                "--intrinsics FX,FY,CX,CY overrides it"
            )
    return None, "no list names a freiburg camera, and the layout has no place for intrinsics"
