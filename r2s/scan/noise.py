"""Range noise, from small patches: neither bending nor registration of large surfaces counts."""

from __future__ import annotations

import numpy as np

from r2s.core.seeds import generator

_PATCHES = 400
_NEIGHBORS = (60, 120, 240)
# Of a patch narrower than this many sigma a ball of neighbours cuts off the noise it should measure.
_LEAST_RADIUS_SIGMAS = 6.0
# Patches up to 0.3 m are surface and noise. A sparse sweep (25,000 points on a street) has none so
# small: there
# road and walls within 1.5 m still are. Wider patches measure the relief of the ground, not the sensor.
_LARGEST_RADII_M = (0.3, 1.5)
# A patch this much flatter than wide lies on one step of a quantised depth: look at a wider one.
_ONE_STEP = 1e-3
_FLAT = 0.35  # thickness over second extent of a patch that counts as flat
_LEAST_PATCHES = 12
_QUADRIC_TERMS = 6


def range_noise(points: np.ndarray, seed: int) -> float:
    """Return the range noise [m] of raw points (n, 3): the median over small flat patches; 0 if unknown.

    A patch is the 60 nearest raw points of a seeded point, more where that is no wider than the noise
    or lies on one step of a quantised depth, none wider than 0.3 m, or 1.5 m where too few are so small.
    Its sigma is the rms distance from
    the quadric z = a + bx + cy + dx2 + exy + fy2 over its own plane, with the degrees of freedom taken
    off, so that a curved or bent surface measures like a flat one. Noise that grows with range is
    reported at the range of the median patch. Depth quantisation counts where a patch spans several of
    its steps.
    """
    from scipy.spatial import KDTree

    if len(points) < 2 * _NEIGHBORS[0]:
        return 0.0
    tree = KDTree(points)
    rng = generator(seed, "noise")
    centres = points[rng.choice(len(points), min(_PATCHES, len(points)), replace=False)]
    for largest_m in _LARGEST_RADII_M:
        sigma = _of_patches(points, tree, centres, largest_m)
        if sigma > 0:
            return sigma
    return 0.0


def _of_patches(points: np.ndarray, tree, centres: np.ndarray, largest_m: float) -> float:
    """Return the noise from patches around `centres` no wider than `largest_m`, 0 where these are too few."""
    sigma = 0.0
    for neighbors in _NEIGHBORS:
        if neighbors > len(points):
            break
        distance, index = tree.query(centres, k=neighbors, workers=-1)
        radius = np.asarray(distance)[:, -1]
        small = radius <= largest_m
        residual, flat = _about_quadric(points[np.asarray(index)[small]])
        if flat.sum() >= _LEAST_PATCHES:
            sigma = float(np.median(residual[flat]))
        wide = radius[small] >= _LEAST_RADIUS_SIGMAS * sigma
        many = flat.sum() >= max(_LEAST_PATCHES, 0.3 * len(flat))
        if many and wide.mean() > 0.5 and sigma > _ONE_STEP * float(np.median(radius)):
            break
    return sigma


def _about_quadric(patches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return per patch (m, k, 3) the sigma (m,) about its quadric, and whether it is flat (m,) bool."""
    if not len(patches):
        return np.zeros(0), np.zeros(0, bool)
    count = patches.shape[1]
    offset = patches - patches.mean(axis=1, keepdims=True)
    values, axes = np.linalg.eigh(np.einsum("mki,mkj->mij", offset, offset) / count)
    extent = np.sqrt(np.maximum(values, 0.0))
    z, y, x = np.moveaxis(np.einsum("mki,mij->mkj", offset, axes), 2, 0)
    scale = np.maximum(extent[:, 2:3], 1e-12)
    x, y = x / scale, y / scale
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=2)
    fit = np.linalg.pinv(terms) @ z[..., None]
    left = z - (terms @ fit)[..., 0]
    sigma = np.sqrt((left**2).sum(axis=1) / (count - _QUADRIC_TERMS))
    return sigma, extent[:, 0] < _FLAT * extent[:, 1]
