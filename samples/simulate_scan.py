"""Simulate a depth camera over a ground-truth MJCF and write what it sees as a PCD file.

    python samples/simulate_scan.py                        # rewrites samples/workbench.pcd
    python samples/simulate_scan.py --camera depth left right -o three_views.pcd
    python samples/simulate_scan.py my_room.xml --camera front -o my_room.pcd --seed 7

One camera gives an organised cloud in the camera's optical frame (x right, y down, z forward), as
a real depth camera does: which way is up is for the reader to find. Several cameras give one
unorganised cloud in the world frame, z up. The same arguments give the same bytes.

What is simulated, as in a structured-light sensor:

- occlusion: rays stop at the first surface, and points that the projector, BASELINE_M to the right
  of the camera, cannot see are missing;
- range noise that grows with distance (Nguyen, Izadi, Lovell 2012: 1.2 mm + 1.9 mm/m^2 (z - 0.4 m)^2);
- depth quantized in steps of 1/8 pixel of disparity;
- dropouts where light grazes a surface, and a few at random;
- flying pixels: at depth edges some points hang between front and back.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import mujoco
import numpy as np

HERE = Path(__file__).parent
WIDTH, HEIGHT = 480, 360
BASELINE_M = 0.075
RANGE_M = (0.4, 4.0)
DISPARITY_STEPS_PER_PIXEL = 8
# Cosine of incidence below which nothing comes back, and above which everything does.
GRAZING = (0.08, 0.25)
RANDOM_DROPOUT = 0.004
FLYING_SHARE, EDGE_M = 0.35, 0.03


def camera_pose(model: mujoco.MjModel, name: str) -> np.ndarray:
    """Return the (4, 4) pose of a camera's optical frame (z forward, y down) in the world."""
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    camera = data.camera(name)
    pose = np.eye(4)
    # MuJoCo's cameras look along -z with y up.
    pose[:3, :3] = camera.xmat.reshape(3, 3) @ np.diag([1.0, -1.0, -1.0])
    pose[:3, 3] = camera.xpos
    return pose


def capture(model: mujoco.MjModel, name: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (HEIGHT, WIDTH, 3) points in the optical frame, NaN where nothing is seen, and colours."""
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    random = np.random.Generator(np.random.PCG64(seed))
    pose = camera_pose(model, name)
    focal = HEIGHT / 2 / np.tan(np.radians(model.camera(name).fovy[0]) / 2)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    rays = np.stack(
        [
            (columns + 0.5 - WIDTH / 2) / focal,
            (rows + 0.5 - HEIGHT / 2) / focal,
            np.ones(rows.shape),
        ],
        axis=-1,
    ).reshape(-1, 3)
    length = np.linalg.norm(rays, axis=1)
    directions = (rays / length[:, None]) @ pose[:3, :3].T
    geom, distance, normals = cast(model, data, pose[:3, 3], directions)
    hit = geom >= 0
    depth = np.where(hit, distance / length, np.nan)

    depth = flying_pixels(depth.reshape(HEIGHT, WIDTH), random).ravel()
    sigma = 0.0012 + 0.0019 * (depth - 0.4) ** 2
    noisy = depth + sigma * random.standard_normal(len(depth))
    step = DISPARITY_STEPS_PER_PIXEL
    disparity = np.round(focal * BASELINE_M / noisy * step) / step
    noisy = focal * BASELINE_M / disparity

    cosine = np.abs(np.einsum("ij,ij->i", normals, directions))
    share = np.clip((cosine - GRAZING[0]) / (GRAZING[1] - GRAZING[0]), 0, 1)
    keep = hit & (random.random(len(depth)) < share) & (random.random(len(depth)) > RANDOM_DROPOUT)
    keep &= (depth > RANGE_M[0]) & (depth < RANGE_M[1])
    keep &= lit(model, data, pose, directions, distance, hit)
    points = np.where(keep[:, None], rays * noisy[:, None], np.nan)
    shade = 0.35 + 0.65 * np.clip(normals @ np.array([0.3, -0.5, 0.8]), 0, 1)
    colours = np.where(keep[:, None], model.geom_rgba[np.maximum(geom, 0), :3] * shade[:, None], 0)
    return points.reshape(HEIGHT, WIDTH, 3), colours.reshape(HEIGHT, WIDTH, 3)


def cast(model, data, origin: np.ndarray, directions: np.ndarray, groups: np.ndarray | None = None):
    """Return geom ids (n,), -1 for a miss, distances [m] and unit normals (n, 3) of rays from a point.

    groups: (6,) uint8, geom groups that a ray sees; all by default.
    """
    count = len(directions)
    geom, distance = np.full(count, -1, np.int32), np.zeros(count)
    normals = np.zeros(3 * count)
    mujoco.mj_multiRay(
        model, data, origin, np.ascontiguousarray(directions).ravel(), groups, 1, -1, geom, distance,
        normals, count, 100.0,
    )  # fmt: skip
    return geom, distance, normals.reshape(-1, 3)


def lit(model, data, pose, directions, distance, hit) -> np.ndarray:
    """Return (n,) bool: the projector, BASELINE_M to the right of the camera, sees the point too."""
    projector = pose[:3, 3] + BASELINE_M * pose[:3, 0]
    target = pose[:3, 3] + directions * distance[:, None]
    towards = target - projector
    length = np.linalg.norm(towards, axis=1)
    towards = towards / np.maximum(length, 1e-9)[:, None]
    found, seen, _ = cast(model, data, projector, np.where(hit[:, None], towards, [0.0, 0.0, 1.0]))
    return hit & (found >= 0) & (seen > length - 1e-3)


def flying_pixels(depth: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return (h, w) depth in which some pixels beside an edge lie between its two sides."""
    result = depth.copy()
    for axis in (0, 1):
        other = np.roll(depth, 1, axis=axis)
        edge = np.abs(depth - other) > EDGE_M
        edge[(0, slice(None)) if axis == 0 else (slice(None), 0)] = False
        chosen = edge & (random.random(depth.shape) < FLYING_SHARE)
        mix = random.random(depth.shape)
        result = np.where(chosen, mix * depth + (1 - mix) * other, result)
    return result


def pcd_bytes(points: np.ndarray, colours: np.ndarray, comment: str) -> bytes:
    """Return binary PCD of (h, w, 3) or (n, 3) points [m] with colours 0..1."""
    height, width = (1, len(points)) if points.ndim == 2 else points.shape[:2]
    record = np.zeros(
        height * width, dtype=[("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("rgb", "<u4")]
    )
    for index, key in enumerate("xyz"):
        record[key] = points.reshape(-1, 3)[:, index]
    r, g, b = np.round(255 * np.clip(colours.reshape(-1, 3), 0, 1)).astype(np.uint32).T
    record["rgb"] = (r << 16) | (g << 8) | b
    header = (
        f"# .PCD v0.7\n# {comment}\nVERSION 0.7\nFIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F U\n"
        f"COUNT 1 1 1 1\nWIDTH {width}\nHEIGHT {height}\nVIEWPOINT 0 0 0 1 0 0 0\n"
        f"POINTS {len(record)}\nDATA binary\n"
    )
    return header.encode() + record.tobytes()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mjcf", nargs="?", type=Path, default=HERE / "workbench.xml")
    parser.add_argument("--camera", nargs="+", default=["depth"], help="names in the MJCF")
    parser.add_argument("-o", "--output", type=Path, help="default: the MJCF's name with .pcd")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    model = mujoco.MjModel.from_xml_path(str(args.mjcf))
    views = [capture(model, name, args.seed + k) for k, name in enumerate(args.camera)]
    points, colours = views[0]
    if len(views) > 1:
        seen, shades = [], []
        for name, (view, shade) in zip(args.camera, views, strict=True):
            pose = camera_pose(model, name)
            good = np.isfinite(view).all(axis=-1)
            seen.append(view[good] @ pose[:3, :3].T + pose[:3, 3])
            shades.append(shade[good])
        points, colours = np.concatenate(seen), np.concatenate(shades)
    output = args.output or args.mjcf.with_suffix(".pcd")
    comment = (
        f"SIMULATED depth camera over {args.mjcf.name} by simulate_scan.py; not a real capture"
    )
    output.write_bytes(pcd_bytes(points, colours, comment))
    valid = int(np.isfinite(points).all(axis=-1).sum())
    print(f"{output}: {valid} points of {points.size // 3}, {output.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
