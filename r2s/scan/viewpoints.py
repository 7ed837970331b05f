"""Where the sensor was, and whether the capture is one camera's view."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from r2s.scan.capture import Capture
from r2s.scan.gravity import Camera

# A camera sees at most this far off its axis (tangent); wider is a LiDAR.
WIDEST_TANGENT = 1.5
# More lines of sight that hold two ranges than this, and the sensor was elsewhere.
MOST_LAYERED = 0.15
# Cells of the view from a point; 0.5 deg of azimuth and of elevation.
_CELL = np.radians(0.5)


class Viewpoint(NamedTuple):
    """A sensor position in the source frame, file units, or None where it is unknown."""

    position: np.ndarray | None
    source: Literal["file", "estimated", "unknown"]
    evidence: str


def find_camera(capture: Capture, sample: np.ndarray) -> Camera | None:
    """Return the optical axes if the capture is one depth camera's view from its viewpoint."""
    if capture.mesh is not None or capture.surveyed:
        return None
    if capture.viewpoints is not None:
        return capture.axes
    if capture.in_place:
        return None
    eye = np.zeros(3) if capture.viewpoint is None else capture.viewpoint
    if capture.organized is not None:
        return _of_image(capture, eye)
    p = sample - eye
    forward = np.array([0.0, 0.0, 1.0])
    if (p[:, 2] <= 0).mean() > 0.001:
        return None
    tangent = p[:, :2] / np.maximum(p[:, 2:], 1e-12)
    low, middle, high = np.quantile(tangent, [0.01, 0.5, 0.99], axis=0)
    inside = np.abs([low, high]).max() < 1.0 and np.abs(middle).max() < 0.3
    # A thing in front of the camera spans little of its view; a LiDAR map is never a narrow cone.
    if not inside or (low > 0.05).any() or (high < -0.05).any():
        return None
    return Camera(
        forward, np.array([0.0, 1.0, 0.0]),
        "all points lie in a narrow cone around +z of the origin: a camera's frame, up near -y",
    )  # fmt: skip


def _of_image(capture: Capture, eye: np.ndarray) -> Camera | None:
    """Fit ray direction = f(row, column) of an organised cloud."""
    height, width = capture.organized or (1, 1)
    step = max(1, int(np.sqrt(height * width / 40_000)))
    points = capture.points.reshape(height, width, 3)[::step, ::step] - eye
    rows, columns = np.mgrid[0:height:step, 0:width:step]
    good = np.isfinite(points).all(axis=-1) & points.any(axis=-1)
    if good.sum() < 100:
        return None
    rays = points[good] / np.linalg.norm(points[good], axis=1, keepdims=True)
    basis = np.stack([np.ones(good.sum()), rows[good] - height / 2, columns[good] - width / 2], 1)
    (axis, down, right), *_ = np.linalg.lstsq(basis, rays, rcond=None)
    error = np.sqrt(np.mean((basis @ [axis, down, right] - rays) ** 2))
    forward = axis / max(float(np.linalg.norm(axis)), 1e-12)
    if error > 0.06 or float((rays @ forward).min()) < 1 / np.hypot(1, WIDEST_TANGENT):
        return None
    down = down - forward * (down @ forward)
    down /= np.linalg.norm(down)
    word = _axis_word(-down)
    return Camera(
        forward, down,
        f"an organised {width}x{height} depth image seen from the origin, image up near {word}",
    )  # fmt: skip


def _axis_word(v: np.ndarray) -> str:
    i = int(np.argmax(np.abs(v)))
    return ("+" if v[i] > 0 else "-") + "xyz"[i]


def find_viewpoint(capture: Capture, sample: np.ndarray, camera: Camera | None) -> Viewpoint:
    """Return the sensor position: the file's, or the origin where the points agree with it."""
    stated = capture.viewpoint
    if capture.viewpoints is not None:
        return Viewpoint(None, "file", capture.viewpoints_by)
    if capture.in_place:
        return Viewpoint(
            None,
            "unknown",
            "the points are in a frame of the place, and nothing says from where they were seen",
        )
    if capture.mesh is not None:
        return Viewpoint(None, "unknown", "a mesh does not say from where it was seen")
    if stated is not None and not capture.viewpoint_is_default:
        by = capture.viewpoint_by or "VIEWPOINT of the file"
        return Viewpoint(stated, "file", f"{by}: {stated.tolist()}")
    if camera is not None:
        if stated is not None:
            return Viewpoint(
                stated, "file",
                "VIEWPOINT of the file, the origin, and the points fill a camera's view from there",
            )  # fmt: skip
        return Viewpoint(np.zeros(3), "estimated", f"the origin: {camera.evidence}")
    inside = bool(np.all((sample.min(0) < 0) & (sample.max(0) > 0)))
    layered = layered_share(sample)
    if inside and layered < MOST_LAYERED:
        nearest = float(np.linalg.norm(sample, axis=1).min())
        return Viewpoint(
            np.zeros(3), "estimated",
            f"the origin: no point is nearer to it than {nearest:.3g} file units, and only "
            f"{100 * layered:.0f} % of its lines of sight pass one surface to reach another",
        )  # fmt: skip
    return Viewpoint(
        None, "unknown",
        "the file states no sensor position, and the origin is not it: "
        + (f"{100 * layered:.0f} % of its lines of sight pass one surface to reach another" if inside
           else "it lies outside the capture"),
    )  # fmt: skip


def layered_share(points: np.ndarray) -> float:
    """Return the share of lines of sight from the origin that hold points at clearly different ranges.

    Seen from the sensor that made them, points have one range per direction.
    """
    distance = np.linalg.norm(points, axis=1)
    azimuth = np.floor(np.arctan2(points[:, 1], points[:, 0]) / _CELL).astype(np.int64)
    sine = np.clip(points[:, 2] / np.maximum(distance, 1e-12), -1, 1)
    elevation = np.floor(np.arcsin(sine) / _CELL).astype(np.int64)
    key = azimuth * 10_000 + elevation
    order = np.lexsort((distance, key))
    key, distance = key[order], distance[order]
    starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    ends = np.append(starts[1:], len(key)) - 1
    many = ends > starts
    if not many.any():
        return 1.0
    return float((distance[ends[many]] > 1.3 * distance[starts[many]]).mean())
