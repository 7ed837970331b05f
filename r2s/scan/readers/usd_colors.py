"""The colours of a USD mesh: UsdPreviewSurface materials with their pictures, else its display colours.

Run in the child that has opened the scene, with usd-core.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from r2s.guard.limits import LIMITS
from r2s.scan.readers.coat import Coat, picture, srgb
from r2s.scan.readers.mesh import inside

_IN_PACKAGE = re.compile(r"(.+)\[([^\[\]]+)\]")


class Fans(NamedTuple):
    """Triangles of polygons.

    Attributes:
        points: (t, 3) int64 index of the corner's vertex.
        corners: (t, 3) int64 index of the corner among those of all polygons.
        of: (t,) int64 polygon.
    """

    points: np.ndarray
    corners: np.ndarray
    of: np.ndarray

    def turned_over(self) -> Fans:
        return Fans(self.points[:, ::-1], self.corners[:, ::-1], self.of)


class Pictures:
    """The pictures of a scene: those in its package, or in its folder, and no others."""

    def __init__(self, scene: Path):
        self._scene = scene
        self._known: dict[str, np.ndarray | None] = {}
        self.missing: list[str] = []

    def get(self, asset: Any) -> np.ndarray | None:
        """Return the pixels of an `SdfAssetPath`, or None, and remember what is missing."""
        name = str(asset.resolvedPath or asset.path)
        if name not in self._known:
            data = self._bytes(name, str(asset.path))
            self._known[name] = None if data is None else picture(data)
            if self._known[name] is None:
                self.missing.append(repr(str(asset.path)[:100]))
        return self._known[name]

    def _bytes(self, resolved: str, stated: str) -> bytes | None:
        packed = _IN_PACKAGE.fullmatch(resolved)
        if packed is None:
            file = inside(self._scene.parent, stated)
            small = file is not None and file.stat().st_size <= LIMITS.file_bytes
            return file.read_bytes() if file is not None and small else None
        if Path(packed[1]).resolve() != self._scene.resolve():
            return None
        try:
            with zipfile.ZipFile(self._scene) as package:
                return package.read(packed[2])  # stored as they are, so no larger than the package
        except (KeyError, zipfile.BadZipFile, OSError, EOFError):
            return None


def coats_of(
    prim: Any, fans: Fans, vertices: int, pictures: Pictures
) -> Iterator[tuple[np.ndarray, Coat]]:
    """Yield triangles (k,) and their colours, one set for each material; together all triangles."""
    shade = import_module("pxr.UsdShade")
    binding = shade.MaterialBindingAPI(prim)
    left = np.ones(len(fans.of), bool)
    polygons = int(fans.of[-1]) + 1 if len(fans.of) else 0
    for subset in binding.GetMaterialBindSubsets():
        named = np.array(subset.GetIndicesAttr().Get() or [], np.int64)
        mine = np.zeros(polygons, bool)
        mine[named[(named >= 0) & (named < polygons)]] = True
        some = np.flatnonzero(mine[fans.of] & left)
        left[some] = False
        material = shade.MaterialBindingAPI(subset.GetPrim()).ComputeBoundMaterial()[0]
        yield some, _coat(prim, material, _some(fans, some), vertices, pictures)
    some = np.flatnonzero(left)
    yield (
        some,
        _coat(prim, binding.ComputeBoundMaterial()[0], _some(fans, some), vertices, pictures),
    )


def _some(fans: Fans, index: np.ndarray) -> Fans:
    return Fans(*(each[index] for each in fans))


def _coat(prim: Any, material: Any, fans: Fans, vertices: int, pictures: Pictures) -> Coat:
    diffuse = _diffuse(material)
    if (
        diffuse is not None
        and diffuse.GetPrim() != material.GetPrim()
        and (shader := _shader(diffuse, "UsdUVTexture"))
    ):
        pixels, uv = _pixels(shader, pictures), _uv(shader, prim, fans, vertices)
        if pixels is not None and uv is not None:
            return Coat(len(fans.of), pixels, uv)
    elif diffuse is not None and (stated := diffuse.Get()) is not None:
        plain = srgb(np.array(stated, np.float64))
        return Coat(len(fans.of), colors=np.broadcast_to(plain, (len(fans.of), 3, 3)))
    shown = _at_corners(prim, "displayColor", 3, fans, vertices)
    return Coat(len(fans.of), colors=None if shown is None else srgb(shown))


def _diffuse(material: Any) -> Any:
    """Return the attribute that says the diffuse colour of a UsdPreviewSurface, or None."""
    surface = material.ComputeSurfaceSource()[0] if material else None
    if not surface or surface.GetIdAttr().Get() != "UsdPreviewSurface":
        return None
    return _source(surface, "diffuseColor")


def _source(shader: Any, name: str) -> Any:
    """Return the attribute that gives an input its value, through groups of nodes; None where it has none."""
    found = shader.GetInput(name)
    if not found:
        return None
    attributes = import_module("pxr.UsdShade").Utils.GetValueProducingAttributes(found)
    return attributes[0] if attributes else None


def _shader(attribute: Any, kind: str) -> Any:
    """Return the shader whose output an attribute is, if it is of that kind; else None."""
    shade = import_module("pxr.UsdShade")
    shader = shade.Shader(attribute.GetPrim())
    is_output = shade.Output.IsOutput(attribute)
    return shader if is_output and shader and shader.GetIdAttr().Get() == kind else None


def _pixels(texture: Any, pictures: Pictures) -> np.ndarray | None:
    file = _source(texture, "file")
    asset = None if file is None else file.Get()
    return None if asset is None else pictures.get(asset)


def _uv(texture: Any, prim: Any, fans: Fans, vertices: int) -> np.ndarray | None:
    """Return where the corners are on a picture (t, 3, 2), or None."""
    source = _source(texture, "st")
    moved = None if source is None else _shader(source, "UsdTransform2d")
    if moved:
        source = _source(moved, "in")
    reader = None if source is None else _shader(source, "UsdPrimvarReader_float2")
    named = _source(reader, "varname") if reader else None
    uv = _at_corners(prim, str((named and named.Get()) or "st"), 2, fans, vertices)
    if uv is None or not moved:
        return uv
    turn, scale, shift = (
        default
        if (said := _source(moved, name)) is None or (value := said.Get()) is None
        else value
        for name, default in (("rotation", 0.0), ("scale", (1.0, 1.0)), ("translation", (0.0, 0.0)))
    )
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    return (uv * np.array(scale)) @ np.array([[c, s], [-s, c]]) + np.array(shift)


def _at_corners(prim: Any, name: str, width: int, fans: Fans, vertices: int) -> np.ndarray | None:
    """Return the values (t, 3, width) that a primvar has at corners; None where it is not or does not fit."""
    primvar = import_module("pxr.UsdGeom").PrimvarsAPI(prim).FindPrimvarWithInheritance(name)
    stored = primvar.ComputeFlattened() if primvar and primvar.HasValue() else None
    try:
        values = np.array(stored, np.float64).reshape(-1, width)
    except (TypeError, ValueError):
        return None
    match str(primvar.GetInterpolation()):
        case "vertex" | "varying" if len(values) == vertices:
            return values[fans.points]
        case "faceVarying" if not len(fans.of) or fans.corners.max() < len(values):
            return values[fans.corners]
        case "uniform" if not len(fans.of) or fans.of.max() < len(values):
            return np.broadcast_to(values[fans.of][:, None], (len(fans.of), 3, width))
        case "constant" if len(values) == 1:
            return np.broadcast_to(values, (len(fans.of), 3, width))
    return None
