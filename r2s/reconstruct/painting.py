"""The colours of the place's surfaces, in one texture, from the points or from the captured one."""

from __future__ import annotations

import numpy as np

from r2s.artifacts.pictures import NO_TEXTURE, Texture
from r2s.artifacts.reconstruction import Skin
from r2s.artifacts.scan import Scan
from r2s.core.atlas import sampled, unwrap
from r2s.core.native import open3d
from r2s.reconstruct.cloud import Cloud
from r2s.reconstruct.implicit import Mesh

_COLORED_BY = 3  # nearest points


def painted(
    whole: Mesh, own: list[Mesh], scan: Scan, cloud: Cloud, most_side: int
) -> tuple[Skin, list[Skin], np.ndarray]:
    """Return the place's surface and the bodies' own with their places in one texture, and that.

    Args:
        whole, own: vertices (v, 3), faces (f, 3).
        most_side: of the texture (h, w, 3), in texels.
    """
    captured = scan.texture if scan.texture.image.size else None
    if captured is not None and _fits(captured, whole, most_side):
        texture = _stacked(captured, _drawn(own, _Captured(scan), most_side))
    else:
        source = _Captured(scan) if captured is not None else _Points(cloud)
        texture = _drawn([whole, *own], source, most_side)
    meshes = [whole, *own]
    ends = np.cumsum([len(f) for _, f in meshes])
    first, *others = (
        Skin(v.astype(np.float32), f.astype(np.int32), texture.uv[end - len(f) : end])
        for (v, f), end in zip(meshes, ends, strict=True)
    )
    return first, others, texture.image


def _fits(captured: Texture, whole: Mesh, most_side: int) -> bool:
    """Whether the captured picture can stay: the surface is the captured one, face by face."""
    return len(whole[1]) == len(captured.uv) and max(captured.image.shape) <= most_side


def _drawn(meshes: list[Mesh], source: _Captured | _Points, most_side: int) -> Texture:
    """Return the texture of meshes, coloured by a source; no picture where that has no colours."""
    corners = np.concatenate([np.zeros((0, 3, 3)), *(v[f] for v, f in meshes)])
    if not len(corners) or not source.is_colored:
        return Texture(np.zeros((len(corners), 3, 2), np.float32), NO_TEXTURE.image)
    atlas = unwrap(corners, source.texel_m, most_side)
    return Texture(
        atlas.uv,
        atlas.painted(
            lambda face, weights: source.colors(np.einsum("nk,nki->ni", weights, corners[face]))
        ),
    )


def _stacked(upper: Texture, lower: Texture) -> Texture:
    """Return two textures as one, the second below the first."""
    if not lower.image.size:
        return upper
    images = (upper.image, lower.image)
    width, height = max(i.shape[1] for i in images), sum(len(i) for i in images)
    image = np.zeros((height, width, 3), np.uint8)
    uv, row = [], 0
    for part in (upper, lower):
        h, w = part.image.shape[:2]
        image[row : row + h, :w] = part.image
        uv.append((part.uv * (w, h) + (0, row)) / (width, height))
        row += h
    return Texture(np.concatenate(uv).astype(np.float32), image)


class _Points:
    """The mean colour of the nearest points."""

    def __init__(self, cloud: Cloud):
        from scipy.spatial import KDTree

        self.texel_m, self.is_colored = cloud.spacing_m, len(cloud.colors) > 0
        self._tree, self._of = KDTree(cloud.points), cloud.colors
        self._nearest = min(_COLORED_BY, len(cloud.points))

    def colors(self, places: np.ndarray) -> np.ndarray:
        """Return (n, 3) uint8 at places (n, 3)."""
        _, index = self._tree.query(places, k=self._nearest, workers=-1)
        mean = self._of[np.reshape(index, (len(places), -1))].mean(axis=1)
        return np.rint(mean).astype(np.uint8)


class _Captured:
    """The colour of the captured mesh at its nearest place."""

    is_colored = True

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
