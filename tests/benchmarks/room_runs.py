"""One measured run: a generated room, scanned by a simulated sensor, through the real scan and
reconstruct stages."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from r2s.core.memory import peak_bytes

SAMPLES = Path(__file__).parents[2] / "samples"
sys.path[:0] = [str(SAMPLES), str(Path(__file__).parent)]


def run(
    seed: int,
    sensor: str,
    noise_m: float,
    *,
    explain: bool = False,
    others: bool = False,
    options: dict[str, Any] | None = None,
    **config: Any,
) -> dict[str, Any]:
    """Return the measures of one room; a stage's error is one of them.

    Args:
        explain: also name the bodies that block and the things that are missed.
        others: also decompose the same scan as others do (minutes).
        options: of the sensor. config: of the reconstruct stage.
    """
    import rooms
    import sensors

    from r2s.core.errors import R2SError

    walk = sensors.walk(rooms.make_room(seed), seed)
    with tempfile.TemporaryDirectory() as folder:
        capture = sensors.SENSORS[sensor](
            walk, Path(folder), noise_m=noise_m, seed=seed, **(options or {})
        )
        row: dict[str, Any] = {"seed": seed, "sensor": sensor, "noise_mm": 1e3 * noise_m}
        try:
            scan, twin, cost = twin_and_cost(capture.path, Path(folder), config)
        except R2SError as error:
            return row | {"error": f"{error.code} {error.what}"}
    return row | cost | measure(walk, capture.met, scan, twin, seed, explain=explain, others=others)


def twin_and_cost(path: Path, scratch: Path, config: dict[str, Any]):
    """Return the scan, its twin, and seconds and megabytes that they took."""
    from r2s.core.context import StageContext
    from r2s.reconstruct import stage as reconstruct
    from r2s.scan import stage as scan_stage

    _forget_peak()
    clock = time.perf_counter()
    scan = scan_stage.run({}, scan_stage.Config(), StageContext(scratch, sources={"capture": path}))
    scanned = time.perf_counter()
    limits = {"max_blocked_5cm": 0.01, "max_missed_2cm": 0.05} | config
    twin = reconstruct.run({"scan": scan}, reconstruct.Config(**limits), StageContext(scratch))
    done = time.perf_counter()
    cost = {
        "scan_s": scanned - clock, "reconstruct_s": done - scanned, "peak_mb": _peak_mb(),
        "sigma_mm": 1e3 * scan.info.noise_sigma_m, "voxel_mm": 1e3 * scan.info.voxel_m, "points":
        len(scan.points),
    }  # fmt: skip
    return scan, twin, cost


def measure(
    walk,
    met: np.ndarray,
    scan,
    reconstruction,
    seed: int,
    *,
    explain: bool = False,
    others: bool = False,
) -> dict[str, Any]:
    """Return a twin's distance from the truth; see `room_truth`."""
    import room_truth as rt

    from r2s.core.rigid import inverse

    truth = rt.truth_of(walk.model, walk.data)
    T_world_truth = np.asarray(scan.info.T_world_source) @ walk.T_source_truth
    T = inverse(T_world_truth)
    twin = rt.moved(reconstruction, T)
    surface = rt.seen_surface(met, truth)
    points = np.asarray(scan.points, float) @ T[:3, :3].T + T[:3, 3]
    normals = np.asarray(scan.normals, float) @ T[:3, :3].T
    mesh_vertices, mesh_faces, _ = reconstruction.surface
    mesh_vertices = np.asarray(mesh_vertices, float) @ T[:3, :3].T + T[:3, 3]
    static = [g for g, b in zip(twin.geoms, twin.owner, strict=True) if b.mobility == "static"]
    row: dict[str, Any] = {
        "floor_mm": 1e3 * abs(float(T_world_truth[2, 3])),
        "level_deg": float(np.degrees(np.arccos(np.clip(T_world_truth[2, 2], -1, 1)))),
        **rt.planes(truth, twin),
        **rt.surface_quality(truth, points, normals, surface),
        **rt.mesh_quality(truth, *rt.colliders_mesh(twin), surface),
        **rt.mesh_f_score(truth, mesh_vertices, mesh_faces, surface),
        **rt.occupancy(truth, twin.geoms, twin.hulls, surface, seed),
        **rt.objects(truth, twin, surface),
        **rt.doors_passable(truth, twin),
        "geoms": len(twin.geoms),
        "static_geoms": len(static),
        "own_blocked_5cm": reconstruction.info.audit.blocked_5cm,
        "own_missed_2cm": reconstruction.info.audit.missed_2cm,
    }
    if others:
        import decompositions

        row["others"] = decompositions.compare(scan, reconstruction, T, truth, surface, seed)
    if explain:
        row["worst_blocked"], row["worst_missed"] = rt.blame(truth, twin, surface, seed)
    return row


def _forget_peak() -> None:
    """Reset this process's peak of resident memory (Linux; elsewhere the peak is the process's whole
    life's)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _peak_mb() -> float:
    return peak_bytes() / 2**20
