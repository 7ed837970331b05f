"""Which way is up: the format's word, the camera's pose, and what the planes of the place say."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from r2s.core.errors import R2SError, UsageError
from r2s.scan.planes import Plane

AXES = {
    sign + name: (1 if sign == "+" else -1) * np.eye(3)[i]
    for i, name in enumerate("xyz")
    for sign in "+-"
}
# A plane counts as level or upright within this angle of it.
LEVEL_DEG = 6.0
# Rolling a camera is rare; a roll of this much costs as much as a third of the seen area.
ROLL_DEG = 20.0
# A direction needs planes with this share of the seen area, and more the farther it is from image up
# (times 1 - cosine): a camera pitched by 35 deg needs 18 %, one pitched by 54 deg 37 %.
LEAST_SHARE, SHARE_PER_TILT = 0.04, 0.8
# A room is at least this high [m]; a corridor may be narrower, and its walls are no floors.
ROOM_HEIGHT_M = 1.8
# A cloud that may be +y up is taken so only where it is this much lower along y than along x and z: a
# room 2.6 m high is 3.7 m wide or more, and a corridor narrower than that keeps +z up.
Y_UP_FLATNESS = 0.7
# An instrument that measures up (motion capture, a phone's accelerometer) is righter than a plane that
# leans more than this from its axis: depth bends planes by degrees.
MEASURED_DEG = 2.0
# Two axes are as likely where both have level planes, of like area, in a capture as long along one as
# the other.
TIE_LEAST, TIE_AREA, TIE_SHAPE = 0.15, 1.2, 1.1
# A level plane says where down is from this part of the largest one's area on: less of it leans by chance.
FLOOR_SHARE = 0.3
# Confidence where no level plane was seen.
ONLY_WALLS = 0.45


@dataclass(frozen=True)
class Up:
    """Direction of up in the source frame.

    Attributes:
        direction: (3,) unit.
        evidence: one sentence.
        confidence: 0..1.
        exact: the user's word: never refined.
    """

    direction: np.ndarray
    evidence: str
    confidence: float
    exact: bool = False

    @property
    def name(self) -> str:
        """`+z`, or the direction in numbers where it is no axis."""
        for axis, vector in AXES.items():
            if float(vector @ self.direction) > 1 - 1e-9:
                return axis
        return f"({', '.join(f'{v:.4f}' for v in self.direction + 0.0)})"


@dataclass(frozen=True)
class Camera:
    """Axes of the optical frame in source coordinates: forward and image-down, (3,) unit each."""

    forward: np.ndarray
    down: np.ndarray
    evidence: str


def mean_axes(rotations: np.ndarray) -> Camera:
    """Return the mean optical axes of cameras (n, 3, 3), columns right, down, forward.

    People hold cameras upright, so image up is near up.
    """
    forward, down = rotations[:, :, 2].mean(axis=0), rotations[:, :, 1].mean(axis=0)
    if np.linalg.norm(down) < 0.3:  # turned every way: the first one is as good as any
        down = rotations[0, :, 1]
    down = down / np.linalg.norm(down)
    forward = forward - down * (forward @ down)
    if np.linalg.norm(forward) < 0.1:
        forward = rotations[0, :, 2] - down * (rotations[0, :, 2] @ down)
    if np.linalg.norm(forward) < 1e-6:
        forward = np.cross(down, rotations[0, :, 0])
    return Camera(
        forward / np.linalg.norm(forward), down,
        f"poses in a frame of their own; the mean image up of {len(rotations)} cameras is near up",
    )  # fmt: skip


def parse_up(text: str) -> np.ndarray:
    """Return the unit vector of `+z`, `-y`, ... or `x,y,z`."""
    named = AXES.get(text.lower() if text[:1] in "+-" else "+" + text.lower())
    if named is not None:
        return named
    numbers = re.split(r"[,\s]+", text.strip().strip("()"))
    try:
        vector = np.array([float(v) for v in numbers])
    except ValueError:
        vector = np.zeros(0)
    if vector.shape != (3,) or not np.isfinite(vector).all() or np.linalg.norm(vector) < 1e-9:
        raise UsageError(
            "R2S-SCAN-011", f"up cannot be {text[:60]!r}", where="--up",
            why="up is an axis of the file or a direction in it: +x -x +y -y +z -z, or three numbers",
            remedy="r2s scan FILE --up=-y    or    r2s scan FILE --up=0.0,-0.82,-0.57",
        )  # fmt: skip
    return vector / np.linalg.norm(vector)


def find_up(
    planes: list[Plane], *, given: str | None, declared: str, declared_by: str, camera: Camera | None,
    extent: np.ndarray, is_mesh: bool = False, sensor_known: bool = False, may_be_y_up: bool = False,
    plumb: bool = False, measured: bool = False, where: str = "FILE",
) -> Up:  # fmt: skip
    """Return up for a capture.

    planes: of the source frame, normals towards the sensor where it is known.
    extent: (3,) size along the source axes.
    is_mesh: whether the capture is a mesh, whose files are +y up as often as +z up.
    sensor_known: whether the sensor's place is known; such clouds come from LiDARs, not from phone apps.
    may_be_y_up: whether apps write clouds of this kind with +y up.
    plumb: whether the declared up is a survey's, exact however the ground slopes.
    measured: whether the declared up was measured, so that planes may turn it by `MEASURED_DEG` only.
    where: the file, for an error.
    """
    if given is not None:
        return Up(parse_up(given), f"given by the user (--up={given})", 1.0, exact=True)
    if camera is not None:
        return _of_camera(planes, camera)
    if declared and plumb:
        return Up(
            parse_up(declared),
            f"{declared_by}, whose heights are plumb: no slope of the ground turns it",
            0.9, exact=True,
        )  # fmt: skip
    if declared and measured:
        return _measured(planes, AXES[declared], f"{declared_by} has {declared} up, as measured")
    if declared:
        return _near_axis(planes, parse_up(declared), f"{declared_by} has {declared} up", 0.75)
    z_up = _near_axis(planes, AXES["+z"], "no declaration; LiDAR and survey files have +z up", 0.4)
    if is_mesh:
        return _mesh_axis(planes, z_up, extent, where)
    low_along_y = extent[1] < 0.6 * extent[2] and extent[1] <= extent[0]
    lowest = extent[1] <= Y_UP_FLATNESS * min(extent[0], extent[2])
    if may_be_y_up and not sensor_known and lowest and extent[1] >= ROOM_HEIGHT_M:
        found = _mesh_axis(planes, z_up, extent, where)
        if float(found.direction @ AXES["+y"]) > 0.5:
            return replace(
                found, confidence=min(found.confidence, ONLY_WALLS),
                evidence=f"{found.evidence}; it is also lower along y than along x and z",
            )  # fmt: skip
    if not sensor_known and low_along_y:
        return replace(
            z_up, confidence=min(z_up.confidence, ONLY_WALLS),
            evidence=f"{z_up.evidence}; but it is lower along y than along z, as files with +y up are",
        )  # fmt: skip
    return z_up


def _mesh_axis(planes: list[Plane], z_up: Up, extent: np.ndarray, where: str) -> Up:
    """Return +z or +y up for a mesh whose format says neither: phones write +y, CAD +z.

    The axis with more level area wins; a place is less high than wide, which breaks near ties.
    """
    y_up = _near_axis(planes, AXES["+y"], "no declaration; phone apps write files with +y up", 0.4)
    level_z, level_y = (_shares(planes, up.direction)[0] for up in (z_up, y_up))
    if _a_tie(level_y, level_z, extent):
        raise R2SError(
            "R2S-SCAN-047", "up cannot be told: +z and +y are as likely", where=where,
            why=f"its format says neither, level planes hold {100 * level_z:.0f} % of it with +z up and "
            f"{100 * level_y:.0f} % with +y up, and it is as long along y as along z; a wrong guess lays the "
            "place on its side",
            remedy=f"r2s scan '{where}' --up +y   (phone apps, glTF)   or   --up +z   (CAD, ROS, surveys)",
        )  # fmt: skip
    level_z += 0.1 if extent[2] <= extent.min() else 0.0
    level_y += 0.1 if extent[1] <= extent.min() else 0.0
    if level_y > 1.2 * level_z + 0.05:
        return replace(y_up, confidence=min(y_up.confidence, 0.6))
    return replace(z_up, confidence=min(z_up.confidence, 0.6))


def _a_tie(level_y: float, level_z: float, extent: np.ndarray) -> bool:
    """Whether neither level area nor shape prefers +y or +z up."""
    low, high = sorted((level_y, level_z))
    short, long = sorted(extent[1:])
    return low > TIE_LEAST and high < TIE_AREA * low and long < TIE_SHAPE * short


def _of_camera(planes: list[Plane], camera: Camera) -> Up:
    prior, side = -camera.down, np.cross(camera.down, camera.forward)
    best: tuple[float, np.ndarray] | None = None
    others: list[tuple[float, np.ndarray]] = []
    for u in _candidates(planes, prior):
        toward = float(u @ prior)
        if toward < np.cos(np.radians(80)):
            continue
        level, upright = _shares(planes, u)
        if level + upright < LEAST_SHARE + SHARE_PER_TILT * (1 - toward) and u is not prior:
            continue
        above = sum(p.share for p in planes if p.normal @ u > np.cos(np.radians(LEVEL_DEG)))
        roll = np.degrees(np.arcsin(np.clip(abs(float(u @ side)), 0, 1)))
        score = (
            (level + 0.7 * upright + 0.3 * above) / max(sum(p.share for p in planes), 0.05)
            + 0.6 * toward - 0.33 * (roll / ROLL_DEG) ** 2
        )  # fmt: skip
        others.append((score, u))
        if best is None or score > best[0]:
            best = (score, u)
    assert best is not None  # the prior itself is a candidate
    u = _refined(planes, best[1])
    level, upright = _shares(planes, u)
    pitch = np.degrees(np.arcsin(np.clip(float(-(camera.forward @ u)), -1, 1)))
    apart = [score for score, v in others if float(v @ u) < np.cos(np.radians(15))]
    rival = max(apart, default=best[0] - 1)
    confidence = _confidence(level, upright, best[0] - rival, float(u @ prior))
    if level < 0.01:  # walls alone leave a turn about their normal open
        confidence = min(confidence, ONLY_WALLS)
    if level + upright < 0.05:
        return Up(
            prior,
            f"{camera.evidence}; no plane says more, so the camera is taken as level",
            0.2,
        )
    return Up(
        u,
        f"{camera.evidence}; level planes hold {100 * level:.0f} % of the seen area and upright ones "
        f"{100 * upright:.0f} %, so the camera looks {abs(pitch):.0f} deg "
        f"{'down' if pitch >= 0 else 'up'}",
        confidence,
    )


def _measured(planes: list[Plane], axis: np.ndarray, said: str) -> Up:
    """Return a measured axis, turned to the planes where they lean no more than it may be off."""
    found = _near_axis(planes, axis, said, 0.9)
    tilt = float(np.degrees(np.arccos(np.clip(float(found.direction @ axis), -1, 1))))
    if tilt <= MEASURED_DEG:
        return found
    if _shares(planes, found.direction)[0] < 0.05:
        return Up(axis, f"{said}; no level plane of the capture says more", 0.8)
    return Up(
        axis,
        f"{said}, and it is kept: the level planes lean {tilt:.1f} deg from it, more than the "
        f"{MEASURED_DEG:g} deg it may be off (--up overrides it)",
        0.6,
    )


def _near_axis(planes: list[Plane], prior: np.ndarray, said: str, base: float) -> Up:
    """Return the prior axis turned to the planes near it. base: confidence where no plane speaks."""
    near = np.cos(np.radians(15))
    options = [u for u in _candidates(planes, prior) if float(u @ prior) > near]
    scored = [(sum(_shares(planes, u)), float(u @ prior), i) for i, u in enumerate(options)]
    _, _, i = max(scored)
    u = _refined(planes, options[i])
    level, upright = _shares(planes, u)
    tilt = np.degrees(np.arccos(np.clip(float(u @ prior), -1, 1)))
    if level + upright < 0.05:
        return Up(prior, f"{said}; no plane of the capture says more", base)
    confidence = min(1.0, base + 0.6 * (level + upright) * (1 - tilt / 30))
    return Up(u,         f"{said}; level planes hold {100 * level:.0f} % of the seen area, upright ones "
        f"{100 * upright:.0f} %; they lean {tilt:.1f} deg from that axis", confidence,
    )  # fmt: skip


def _candidates(planes: list[Plane], prior: np.ndarray) -> list[np.ndarray]:
    """Plane normals and what is upright to two planes, both ways; the prior, also upright to each plane."""
    found = [prior]
    for i, a in enumerate(planes):
        found += [a.normal, -a.normal]
        flat = prior - a.normal * (a.normal @ prior)
        if (length := float(np.linalg.norm(flat))) > np.cos(np.radians(30)):
            found.append(flat / length)
        for b in planes[:i]:
            across = np.cross(a.normal, b.normal)
            if (length := float(np.linalg.norm(across))) > np.sin(np.radians(60)):
                found += [across / length, -across / length]
    return found


def _shares(planes: list[Plane], u: np.ndarray) -> tuple[float, float]:
    """Return the shares of the seen area that are level and upright if `u` is up."""
    cosines = np.array([abs(float(p.normal @ u)) for p in planes])
    shares = np.array([p.share for p in planes])
    level = shares[cosines > np.cos(np.radians(LEVEL_DEG))].sum()
    upright = shares[cosines < np.sin(np.radians(LEVEL_DEG))].sum()
    return float(level), float(upright)


def _refined(planes: list[Plane], u: np.ndarray) -> np.ndarray:
    """Return u turned to the floor, or upright to the walls where nothing is level.

    The floor is the lowest of the large level planes: ceilings are hung, and tops of furniture stand askew.
    """
    level = [p for p in planes if abs(float(p.normal @ u)) > np.cos(np.radians(LEVEL_DEG))]
    if level:
        least = FLOOR_SHARE * max(p.share for p in level)
        best = min((p for p in level if p.share >= least), key=lambda p: float(p.center @ u))
        return best.normal * np.sign(best.normal @ u)
    upright = [p for p in planes if abs(float(p.normal @ u)) < np.sin(np.radians(LEVEL_DEG))]
    spread = sum((p.share * np.outer(p.normal, p.normal) for p in upright), np.zeros((3, 3)))
    values, vectors = np.linalg.eigh(spread)
    if not upright:
        return u
    if values[1] < 0.05 * values[2]:  # walls of one direction: upright to them, no turn about it
        normal = vectors[:, 2]
        flat = u - normal * (normal @ u)
        return flat / np.linalg.norm(flat)
    return vectors[:, 0] * np.sign(vectors[:, 0] @ u)


def _confidence(level: float, upright: float, margin: float, toward: float) -> float:
    """0..1 from the explained share of the area, the lead over the next candidate and the prior."""
    explained = min(1.0, (level + upright) / 0.6)
    return float(np.clip(0.45 * explained + 0.35 * min(1.0, margin / 0.5) + 0.2 * toward, 0, 1))
