"""The colours of the place's surfaces, in one texture, from the points or from the captured one."""

from __future__ import annotations

from typing import Any

import numpy as np

from r2s.artifacts.pictures import NO_TEXTURE
from r2s.artifacts.reconstruction import Skin
from r2s.artifacts.scan import Scan
from r2s.core.atlas import sampled, unwrap
from r2s.core.native import open3d
from r2s.reconstruct.cloud import Cloud
from r2s.reconstruct.implicit import Mesh

_COLORED_BY = 3  # nearest points


def painted(
    meshes: list[Mesh], scan: Scan, cloud: Cloud, most_side: int
) -> tuple[list[Skin], np.ndarray]:
    """Return meshes (v, 3) and (f, 3) with their places in one texture, and that (h, w, 3) uint8.

    Args:
        most_side: of the texture, in texels.
    """
    corners = np.concatenate([np.zeros((0, 3, 3)), *(v[f] for v, f in meshes)])
    source: Any = None
    if scan.texture.image.size:
        source = _Captured(scan)
    elif len(cloud.colors):
        source = _Points(cloud)
    uv, image = np.zeros((len(corners), 3, 2), np.float32), NO_TEXTURE.image
    if source is not None and len(corners):
        atlas = unwrap(corners, source.texel_m, most_side)
        uv = atlas.uv
        image = atlas.painted(
            lambda face, weights: source.colors(np.einsum("nk,nki->ni", weights, corners[face]))
        )
    ends = np.cumsum([len(f) for _, f in meshes])
    skins = [
        Skin(v.astype(np.float32), f.astype(np.int32), uv[end - len(f) : end])
        for (v, f), end in zip(meshes, ends, strict=True)
    ]
    return skins, image


class _Points:
    """The mean colour of the nearest points."""

    def __init__(self, cloud: Cloud):
        from scipy.spatial import KDTree

        self.texel_m = cloud.spacing_m
        self._tree, self._of = KDTree(cloud.points), cloud.colors
        self._nearest = min(_COLORED_BY, len(cloud.points))

    def colors(self, places: np.ndarray) -> np.ndarray:
        """Return (n, 3) uint8 at places (n, 3)."""
        _, index = self._tree.query(places, k=self._nearest, workers=-1)
        mean = self._of[np.reshape(index, (len(places), -1))].mean(axis=1)
        return np.rint(mean).astype(np.uint8)


class _Captured:
    """The colour of the captured mesh at its nearest place."""

    def __init__(self, scan: Scan):
        self._tensor = open3d().core.Tensor
        self._scene = open3d().t.geometry.RaycastingScene()
        self._scene.add_triangles(
            self._tensor(scan.mesh_vertices.astype(np.float32)),
            self._tensor(scan.mesh_faces.astype(np.uint32)),
        )
        self._uv, self._image = scan.texture
        a, b, c = np.moveaxis(scan.mesh_vertices[scan.mesh_faces], 1, 0)
        u, v = np.moveaxis(self._uv[:, 1:] - self._uv[:, :1], 1, 0) * self._image.shape[1::-1]
        covered = np.abs(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
        self.texel_m = float(np.sqrt(area.sum() / max(float(covered.sum()), 1.0)))

    def colors(self, places: np.ndarray) -> np.ndarray:
        """Return (n, 3) uint8 at places (n, 3)."""
        found = self._scene.compute_closest_points(self._tensor(places.astype(np.float32)))
        face = found["primitive_ids"].numpy().astype(np.int64)
        b, c = found["primitive_uvs"].numpy().T[:, :, None]
        uv = self._uv[face]
        at = (1 - b - c) * uv[:, 0] + b * uv[:, 1] + c * uv[:, 2]
        return np.rint(sampled(self._image, at)).astype(np.uint8)
