"""Sensors that walk through a ground-truth MJCF: a LiDAR on stations, a hand-held depth camera, a phone.

    python samples/sensors.py room.xml --sensor handheld --noise-mm 5 -o scans/

Each returns a `Capture`: what the sensor wrote, and, for measuring against the truth, the surface points
that its
rays really met. `noise_m` is one standard deviation of range: of the LiDAR at any range, of the cameras
at 2 m
(theirs grows with the square of the distance).

- **LiDAR**: full turns from up to three stations on a tripod, 0.4 deg apart; range noise, mixed pixels
  at edges,
  dropouts where the beam grazes, registration of the stations wrong by a fifth of the noise. One E57
  with poses.
- **Hand-held depth camera**: a path between the places to stand, looking around and down; depth in
  millimetres,
  noise, dropouts, poses with small errors. A Redwood/Open3D folder.
- **Phone**: the same walk by half the places, with pose drift that grows along the way, fused as phone
  apps do:
  one averaged point per 12 mm, no poses, a cloud that covers what it covers. One PLY.

The source frame is the room's turned about z, and moved: for a reader to find the floor again.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np
from PIL import Image
from rooms import GLASS_GROUP
from simulate_scan import GRAZING, RANDOM_DROPOUT, cast, flying_pixels

LIDAR_HEIGHT_M, LIDAR_STEP_DEG, LIDAR_LOWEST_DEG = 1.5, 0.4, -65.0
LIDAR_STATIONS = 3
MIXED_SHARE = 0.003
CAMERA_SHAPE, CAMERA_FOV_DEG = (180, 240), 50.0  # rows, columns; vertical
CAMERA_RANGE_M = (0.3, 5.0)
FRAMES, PHONE_FRAMES = 72, 48
PHONE_VOXEL_M = 0.012


@dataclass(frozen=True)
class Walk:
    """The truth, ready for rays. `stands` (k, 2) are places to stand, `T_source_truth` (4, 4)."""

    model: mujoco.MjModel
    data: mujoco.MjData
    stands: np.ndarray
    T_source_truth: np.ndarray


@dataclass(frozen=True)
class Capture:
    """Attributes:
    path: what the sensor wrote; `r2s scan` reads it.
    met: (n, 3) float32 where its rays met a surface, truth frame, without noise.
    """

    path: Path
    met: np.ndarray


def walk(mjcf: str, seed: int) -> Walk:
    """Compile a room and choose the source frame."""
    model = mujoco.MjModel.from_xml_string(mjcf)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    sites = [k for k in range(model.nsite) if model.site(k).name.startswith("stand_")]
    rng = np.random.Generator(np.random.PCG64([seed, 21]))
    yaw = rng.uniform(-np.pi, np.pi)
    c, s = np.cos(yaw), np.sin(yaw)
    T = np.eye(4)
    T[:2, :2] = [[c, -s], [s, c]]
    T[:3, 3] = rng.uniform(-2, 2, 3)
    return Walk(model, data, data.site_xpos[sites][:, :2].copy(), T)


def lidar(
    room: Walk, folder: Path, *, noise_m: float, seed: int, step_deg: float = LIDAR_STEP_DEG
) -> Capture:
    """Scan from up to three stations, rays `step_deg` apart, and write one E57."""
    import pye57

    rng = np.random.Generator(np.random.PCG64([seed, 22]))
    azimuth = np.radians(np.arange(0, 360, step_deg))
    elevation = np.radians(np.arange(LIDAR_LOWEST_DEG, 90, step_deg))
    e, a = np.meshgrid(elevation, azimuth, indexing="ij")
    rays = np.stack([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)], axis=-1)
    path, met = folder / "lidar.e57", []
    path.unlink(missing_ok=True)
    with pye57.E57(str(path), mode="w") as out:
        for x, y in room.stands[:LIDAR_STATIONS]:
            eye = np.array([x, y, LIDAR_HEIGHT_M])
            depth, cosine = _ranges(room, eye, rays)
            mixed = np.where(
                rng.random(e.shape) < MIXED_SHARE / 0.35, flying_pixels(depth, rng), depth
            )
            keep = _kept(cosine, depth, (0.3, 60.0), rng)
            measured = mixed + noise_m * rng.standard_normal(e.shape)
            met.append((eye + rays * depth[..., None])[keep])
            turn = rng.uniform(-np.pi, np.pi)  # a tripod is set up at any azimuth
            own = (rays * measured[..., None])[keep] @ _about_z(-turn).T
            wrong = _perturbed(noise_m / 5, np.radians(0.02) * noise_m / 0.005, rng)
            T = room.T_source_truth @ _at(eye) @ wrong @ _rigid(_about_z(turn))
            names = ("cartesianX", "cartesianY", "cartesianZ")
            out.write_scan_raw(
                dict(zip(names, own.T, strict=True)),
                rotation=_quaternion(T[:3, :3]),
                translation=T[:3, 3],
            )
    return Capture(path, np.concatenate(met).astype(np.float32))


def handheld(room: Walk, folder: Path, *, noise_m: float, seed: int) -> Capture:
    """Walk with a depth camera and write a Redwood/Open3D folder."""
    rng = np.random.Generator(np.random.PCG64([seed, 23]))
    (folder / "depth").mkdir(parents=True, exist_ok=True)
    height, width = CAMERA_SHAPE
    focal, rays = _camera()
    lines, met = [], []
    for k, pose in enumerate(_path(room, FRAMES, rng)):
        depth, seen = _frame(room, pose, rays, noise_m, rng)
        met.append(seen)
        Image.fromarray(np.rint(depth * 1000).astype(np.uint16)).save(folder / f"depth/{k:06d}.png")
        written = room.T_source_truth @ pose @ _perturbed(noise_m / 5, np.radians(0.05), rng)
        lines.append(
            f"{k} {k} {k + 1}\n" + "\n".join(" ".join(f"{v:.9f}" for v in row) for row in written)
        )
    (folder / "trajectory.log").write_text("\n".join(lines) + "\n")
    matrix = [focal, 0, 0, 0, focal, 0, (width - 1) / 2, (height - 1) / 2, 1]
    (folder / "intrinsic.json").write_text(
        f'{{"width": {width}, "height": {height}, "intrinsic_matrix": {matrix}}}\n'
    )
    return Capture(folder, np.concatenate(met))


def phone(room: Walk, folder: Path, *, noise_m: float, seed: int) -> Capture:
    """Walk by half the places with a phone whose pose drifts, and write its fused cloud as PLY."""
    rng = np.random.Generator(np.random.PCG64([seed, 24]))
    _, rays = _camera()
    half = Walk(
        room.model, room.data, room.stands[: max(2, len(room.stands) // 2)], room.T_source_truth
    )
    drift, met, points = np.eye(4), [], []
    for pose in _path(half, PHONE_FRAMES, rng):
        depth, seen = _frame(room, pose, rays, noise_m, rng)
        met.append(seen)
        drift = drift @ _perturbed(noise_m / 10, np.radians(0.01), rng)
        T = room.T_source_truth @ pose @ drift
        good = depth > 0
        points.append((rays * depth[..., None])[good] @ T[:3, :3].T + T[:3, 3])
    cloud = _averaged(np.concatenate(points), PHONE_VOXEL_M)
    path = folder / "phone.ply"
    head = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(cloud)}\n"
    head += "".join(f"property float {axis}\n" for axis in "xyz") + "end_header\n"
    path.write_bytes(head.encode() + cloud.astype("<f4").tobytes())
    return Capture(path, np.concatenate(met))


SENSORS = {"lidar": lidar, "handheld": handheld, "phone": phone}


def _ranges(room: Walk, eye: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return distance along unit rays (h, w, 3), NaN for a miss, and |cosine| of incidence, (h, w) each."""
    groups = np.ones(6, np.uint8)
    groups[GLASS_GROUP] = 0
    flat = rays.reshape(-1, 3)
    geom, distance, normals = cast(room.model, room.data, eye, flat, groups)
    cosine = np.abs(np.einsum("ij,ij->i", normals, flat))
    return np.where(geom >= 0, distance, np.nan).reshape(rays.shape[:2]), cosine.reshape(
        rays.shape[:2]
    )


def _kept(cosine: np.ndarray, depth: np.ndarray, reach_m, rng) -> np.ndarray:
    share = np.clip((cosine - GRAZING[0]) / (GRAZING[1] - GRAZING[0]), 0, 1)
    keep = (
        np.isfinite(depth)
        & (rng.random(depth.shape) < share)
        & (rng.random(depth.shape) > RANDOM_DROPOUT)
    )
    with np.errstate(invalid="ignore"):
        return keep & (depth > reach_m[0]) & (depth < reach_m[1])


def _camera() -> tuple[float, np.ndarray]:
    """Return the focal length [pixels] and rays (h, w, 3) with z = 1, optical frame."""
    height, width = CAMERA_SHAPE
    focal = height / 2 / np.tan(np.radians(CAMERA_FOV_DEG) / 2)
    rows, columns = np.mgrid[0:height, 0:width]
    x, y = (columns - (width - 1) / 2) / focal, (rows - (height - 1) / 2) / focal
    return float(focal), np.stack([x, y, np.ones(x.shape)], axis=-1)


def _frame(room: Walk, pose: np.ndarray, rays: np.ndarray, noise_m: float, rng):
    """Return depth (h, w) [m], 0 where nothing came back, and the surface points met (n, 3) float32."""
    length = np.linalg.norm(rays, axis=-1)
    directions = rays @ pose[:3, :3].T / length[..., None]
    reach, cosine = _ranges(room, pose[:3, 3], directions)
    true = reach / length
    keep = _kept(cosine, true, CAMERA_RANGE_M, rng)
    edges = flying_pixels(true, rng)
    flying = np.where(rng.random(true.shape) < 0.05, edges, true)
    sigma = noise_m * np.maximum(0.2, (true / 2) ** 2)
    depth = np.where(keep, flying + sigma * rng.standard_normal(true.shape), 0.0)
    met = pose[:3, 3] + directions[keep] * reach[keep][:, None]
    return np.maximum(np.nan_to_num(depth), 0.0), met.astype(np.float32)


def _path(room: Walk, frames: int, rng) -> list[np.ndarray]:
    """Return camera poses (4, 4), optical frame to truth: at each place a turn, tilted down and up in
    turns."""
    poses, per = [], frames // len(room.stands)
    for k, (x, y) in enumerate(room.stands):
        for j in range(per):
            yaw = 2 * np.pi * (j / per) + k + rng.normal(0, 0.05)
            pitch = (0.55, 0.0, -0.45)[j % 3] + rng.normal(0, 0.05)
            eye = np.array([x, y, 1.45]) + rng.normal(0, 0.06, 3)
            forward = np.array(
                [np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), -np.sin(pitch)]
            )
            right = np.cross(forward, [0, 0, 1.0])
            right /= np.linalg.norm(right)
            T = np.eye(4)
            T[:3, :3] = np.column_stack([right, np.cross(forward, right), forward])
            T[:3, 3] = eye
            poses.append(T)
    return poses


def _averaged(points: np.ndarray, voxel: float) -> np.ndarray:
    _, inverse, count = np.unique(
        np.floor(points / voxel).astype(np.int64), axis=0, return_inverse=True, return_counts=True
    )
    inverse = inverse.ravel()
    mean = np.column_stack([np.bincount(inverse, points[:, i]) for i in range(3)]) / count[:, None]
    return mean[count >= 2]  # an app leaves out what only one ray saw


def _perturbed(move_m: float, turn_rad: float, rng) -> np.ndarray:
    """Return a small random motion (4, 4)."""
    x, y, z = rng.normal(0, turn_rad, 3)
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    u, _, v = np.linalg.svd(np.eye(3) + skew)
    T = _rigid(u @ v)
    T[:3, 3] = rng.normal(0, move_m, 3)
    return T


def _about_z(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def _rigid(rotation: np.ndarray) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3] = rotation
    return T


def _at(position: np.ndarray) -> np.ndarray:
    T = np.eye(4)
    T[:3, 3] = position
    return T


def _quaternion(rotation: np.ndarray) -> np.ndarray:
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, np.ascontiguousarray(rotation).ravel())
    return quaternion


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mjcf", type=Path, help="a room made by rooms.py")
    parser.add_argument("--sensor", choices=sorted(SENSORS), default="lidar")
    parser.add_argument("--noise-mm", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("scans"), help="folder to write into"
    )
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    room = walk(args.mjcf.read_text(), args.seed)
    capture = SENSORS[args.sensor](room, args.output, noise_m=args.noise_mm / 1e3, seed=args.seed)
    print(
        f"{capture.path}: {len(capture.met):,} points, T_source_truth\n{room.T_source_truth.round(6)}"
    )


if __name__ == "__main__":
    main()
