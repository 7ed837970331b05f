"""Surfaces as GLB, the binary glTF that browsers draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from r2s.report.light import Item

ROUGHNESS = 0.8
MARGIN_PX = 2  # what bilinear sampling reads beside a cut-out


def glb(items: Sequence[Item], *, one_sided: bool = False) -> bytes:
    """Return the items as one GLB; those of one colour, or of one texture, are one mesh.

    Args:
        one_sided: nothing is drawn from behind: one looks into a room through the backs of its walls.
    """
    import trimesh
    from trimesh.visual import TextureVisuals
    from trimesh.visual.material import PBRMaterial

    alike: dict[tuple, list[Item]] = {}
    for item in items:
        plain = item.texture is None
        alike.setdefault((id(item.texture), tuple(item.color) if plain else ()), []).append(item)
    scene = trimesh.Scene()
    for found in alike.values():
        vertices, faces, normals, uv = welded(found)
        paint: dict[str, Any] = {"baseColorFactor": [*map(float, found[0].color), 1.0]}
        if found[0].texture is not None:
            uv, paint = _scanned(found[0].texture, uv)
        material = PBRMaterial(
            metallicFactor=0.0, roughnessFactor=ROUGHNESS, doubleSided=not one_sided, **paint
        )
        scene.add_geometry(
            trimesh.Trimesh(
                vertices, faces, vertex_normals=normals, process=False,
                visual=TextureVisuals(uv=uv, material=material),
            )
        )  # fmt: skip
    data = scene.export(file_type="glb", include_normals=True)
    assert isinstance(data, bytes)
    return data


def welded(items: Sequence[Item]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Return vertices (v, 3), faces (f, 3), normals (v, 3) and, of textured items, uv (v, 2).

    Corners that agree in all of these are one vertex.
    """
    corners = []
    for item in items:
        rotation = np.asarray(item.rotation, np.float64)
        uv = np.zeros((len(item.surface.vertices), 2)) if item.uv is None else item.uv
        vertices = item.surface.vertices @ rotation.T + item.position
        corners.append(np.concatenate([vertices, item.surface.normals @ rotation.T, uv], axis=1))
    rows = np.ascontiguousarray(np.concatenate(corners), np.float32) + np.float32(0)  # no -0
    as_bytes = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    _, first, index = np.unique(as_bytes, return_index=True, return_inverse=True)
    kept = rows[first]
    uv = kept[:, 6:] if items[0].texture is not None else None
    return kept[:, :3], index.reshape(-1, 3), kept[:, 3:6], uv


def _scanned(texture: np.ndarray, uv: np.ndarray | None) -> tuple[np.ndarray, dict[str, Any]]:
    """Return uv as trimesh has them, v upwards, and the part of the texture that they are in.

    A scan's colours hold the light of the place, so they shine by themselves.
    """
    from PIL import Image

    assert uv is not None
    size = np.array(texture.shape[1::-1])
    low = np.clip(np.floor(uv.min(axis=0) * size) - MARGIN_PX, 0, size - 1).astype(int)
    high = np.clip(np.ceil(uv.max(axis=0) * size) + MARGIN_PX, low + 1, size).astype(int)
    part = np.ascontiguousarray(texture[low[1] : high[1], low[0] : high[0]])
    inside = (uv * size - low) / (high - low)
    paint = {
        "baseColorFactor": [0.0, 0.0, 0.0, 1.0],
        "emissiveFactor": [1.0, 1.0, 1.0],
        "emissiveTexture": Image.fromarray(part),
    }
    return inside * (1, -1) + (0, 1), paint
