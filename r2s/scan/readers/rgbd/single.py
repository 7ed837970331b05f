"""One depth picture as a capture: with its camera's intrinsics it is a shape, without them it is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from r2s.guard.child import run_limited
from r2s.guard.limits import LIMITS
from r2s.guard.preflight import shown
from r2s.scan.capture import Capture, Doubt, rows_of
from r2s.scan.readers.asked import Asked
from r2s.scan.readers.rgbd.frames import CAMERA_REACH_M
from r2s.scan.readers.rgbd.pixels import GRAZING_DEG, depth_shape
from r2s.scan.readers.rgbd.stream import given_intrinsics, no_intrinsics

MILLIMETRES = 1000.0


def read_depth(path: Path, kind: str, asked: Asked) -> Capture:
    """Open one depth picture, seen from the origin of its optical frame.

    Raises:
        R2SError: it is no depth picture, or its intrinsics were not given.
    """
    height, width = depth_shape(path)
    where = shown(path)
    if asked.intrinsics is None:
        suffix = path.suffix.lower()
        claim = (
            "" if suffix in (".png", ".pgm") else f", although it is named {suffix or 'otherwise'}"
        )
        raise no_intrinsics(
            where,
            f"this is a {kind.upper()} picture{claim}: one depth picture of {width} x {height} pixels, and "
            "nothing beside it says what camera took it; for a phone's LiDAR take those of the colour "
            "picture, scaled to this size",
        )
    camera = given_intrinsics(asked.intrinsics, where)
    per_m, far_m = asked.depth_per_m or MILLIMETRES, asked.depth_max_m or CAMERA_REACH_M
    loaded = run_limited(
        "r2s.scan.readers.rgbd.pixels:load",
        (path, None, None, tuple(camera[:4]), np.eye(4), float(per_m), float(far_m), (65535,)),
        limits=LIMITS.parse,
        what=f"Pillow reading {where}",
    )
    said = "given by the user (--depth-per-m)" if asked.depth_per_m else "assumed: millimetres"
    return Capture(
        "depth", height * width, rows_of(loaded["points"]), organized=(height, width),
        viewpoint=np.zeros(3), declared_unit="m",
        declared_by=f"a depth picture with {per_m:g} per metre ({said})",
        facts=(
            f"intrinsics fx {camera.fx:g} fy {camera.fy:g} cx {camera.cx:g} cy {camera.cy:g}: given by "
            "the user (--intrinsics)",
            *([] if asked.depth_per_m else [Doubt(f"depth stored {per_m:g} per metre: {said}")]),
            f"depth beyond {far_m:g} m is dropped (--depth-max-m), and pixels at depth edges, where a "
            f"surface would be seen at less than {GRAZING_DEG:g} deg; both count as non_finite",
        ),
    )  # fmt: skip
