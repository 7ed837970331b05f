"""The twin check where the truth is known: analytic solids take the place of the sensor's rays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from r2s.artifacts.geometry import Geom
from r2s.artifacts.reconstruction import Reconstruction, TwinAudit
from r2s.core.seeds import generator
from r2s.reconstruct.audit import MISSED_M
from r2s.reconstruct.parts import surface_samples
from r2s.reconstruct.solids import nearest_distance, sample_inside, signed_distance, volume

_SAMPLES = 60_000
_SPACING_M = 0.02
_UNEXPLAINED_M = 0.03


def audit_against_truth(
    reconstruction: Reconstruction,
    truth: Sequence[Geom],
    air: tuple[Sequence[float], Sequence[float]],
    *,
    seed: int = 0,
    seen: Sequence[bool] | None = None,
) -> TwinAudit:
    """Return the metrics of a twin against the solids it should be (`truth: true`).

    Args:
        truth: bounded primitives and planes; no hulls.
        air: (low (3,), high (3,)) box [m] in which free space is compared.
        seen: (t,) per truth solid: whether its surface counts for errors and missed (default all bounded).
    """
    geoms = [geom for body in reconstruction.info.bodies for geom in body.geoms]
    names = [body.name for body in reconstruction.info.bodies for _ in body.geoms]
    rng = generator(seed, "audit_against_truth")
    low, high = (np.asarray(corner, float) for corner in air)
    samples = low + rng.random((_SAMPLES, 3)) * (high - low)
    clearance, _ = nearest_distance(truth, (), samples, 1.0)
    free = clearance > 0
    depth, which = nearest_distance(geoms, reconstruction.hulls, samples, 1e-9)
    inside = (which >= 0) & (depth < 0)

    def blocked(least: float) -> float:
        open_air = free & (clearance >= least)
        return float((inside & open_air).sum()) / max(int(open_air.sum()), 1)

    counted = [
        geom
        for index, geom in enumerate(truth)
        if geom.shape != "plane" and (seen is None or seen[index])
    ]
    surface = surface_samples(tuple(counted), (), _SPACING_M) if counted else np.zeros((0, 3))
    surface = surface[np.all((surface >= low) & (surface <= high), axis=1)]
    others = np.full(len(surface), True)
    for geom in truth:  # a surface inside or against another solid is no surface
        others &= signed_distance(geom, (), surface) > -1e-4
    surface = surface[others]
    error = np.full(len(surface), 1.0)
    solid = np.full(len(surface), 1.0)
    for geom in geoms:
        d = signed_distance(geom, reconstruction.hulls, surface)
        error, solid = np.minimum(error, np.abs(d)), np.minimum(solid, d)
    worst = np.bincount(which[inside & free & (clearance > 0.05)], minlength=max(len(geoms), 1))
    return TwinAudit(
        twin_median_m=float(np.median(error)) if len(error) else None,
        twin_p95_m=float(np.quantile(error, 0.95)) if len(error) else None,
        unexplained_fraction=float((error > _UNEXPLAINED_M).mean()) if len(error) else 0.0,
        phantom_fraction=_phantom(geoms, reconstruction.hulls, truth),
        blocked_all=blocked(0.0),
        blocked_2cm=blocked(0.02),
        blocked_5cm=blocked(0.05),
        missed_2cm=float((solid > MISSED_M).mean()) if len(solid) else 0.0,
        rays=0,
        truth=True,
        worst_body=names[int(np.argmax(worst))] if worst.any() else "",
    )


def _phantom(geoms, hulls, truth: Sequence[Geom]) -> float | None:
    total, wrong = 0.0, 0.0
    for geom in geoms:
        v = volume(geom, hulls)
        if v <= 0:
            continue
        inside = sample_inside(geom, hulls, 0.01, 4000)
        nearest, _ = nearest_distance(truth, (), inside, 1.0)
        total += v
        wrong += v * float((nearest > 0).mean())
    return wrong / total if total > 0 else None
