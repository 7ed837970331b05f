"""The geoms of a scene's MuJoCo model as triangles: which are drawn, and what each looks like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from r2s.artifacts.scene import ROBOT_PREFIX
from r2s.core.heightfield import grid_mesh
from r2s.core.rigid import Array
from r2s.report import shapes
from r2s.report.light import Item, to_linear

HIDDEN_GROUP = (
    3  # geom groups from here on are not drawn, as in MuJoCo's viewer; colliders are in it
)


def model_of(files: Mapping[str, bytes], file: str) -> Any:
    """Return the `MjModel` of one of a scene's files."""
    import mujoco

    assets = {name: data for name, data in files.items() if not name.endswith(".xml")}
    return mujoco.MjModel.from_xml_string(files[file].decode(), assets)


class Geoms:
    """Attributes:
    fixed: (ngeom,) bool: it never moves.
    """

    def __init__(self, model: Any):
        import mujoco

        self._mujoco = mujoco
        self.model = model
        self.fixed = model.body_weldid[model.geom_bodyid] == 0
        self._meshes: dict[int, tuple[shapes.Surface, np.ndarray | None]] = {}
        self._textures: dict[int, np.ndarray] = {}

    def drawn(self) -> list[int]:
        """Return the geoms that are seen."""
        m = self.model
        return [
            g for g in range(m.ngeom) if m.geom_group[g] < HIDDEN_GROUP and self.rgba(g)[3] > 0.05
        ]

    def is_scanned(self, geom: int) -> bool:
        """Whether a geom is the surface that a thing of the place shows."""
        return self.of_place(geom) and self.model.geom(geom).name.endswith("/visual")

    def is_hidden_collider(self, geom: int) -> bool:
        """Whether a geom is a collider of a thing that shows a surface instead."""
        return self.of_place(geom) and self.model.geom_group[geom] == HIDDEN_GROUP

    def of_place(self, geom: int) -> bool:
        return not self.model.body(self.model.geom_bodyid[geom]).name.startswith(ROBOT_PREFIX)

    def rgba(self, geom: int) -> Array:
        material = self.model.geom_matid[geom]
        return self.model.mat_rgba[material] if material >= 0 else self.model.geom_rgba[geom]

    def surface(self, geom: int) -> shapes.Surface:
        """Return its triangles in its own frame."""
        m, t = self.model, self._mujoco.mjtGeom
        kind = t(int(m.geom_type[geom]))
        if kind == t.mjGEOM_MESH:
            return self._mesh(int(m.geom_dataid[geom]))[0]
        if kind == t.mjGEOM_HFIELD:
            field = int(m.geom_dataid[geom])
            shape, first = (m.hfield_nrow[field], m.hfield_ncol[field]), m.hfield_adr[field]
            half_x, half_y, rise, _ = m.hfield_size[field]
            heights = rise * m.hfield_data[first : first + shape[0] * shape[1]].reshape(shape)
            return shapes.mesh(*grid_mesh(heights, half_x, half_y))
        x, y, z = (float(value) for value in m.geom_size[geom])
        return shapes.primitive(kind.name.removeprefix("mjGEOM_").lower(), (x, y, z))

    def item(
        self, geom: int, rotation: Array, position: Array, surface: shapes.Surface | None = None
    ) -> Item:
        """Return a geom at a pose, with its texture where it has one.

        Args:
            surface: default: `surface(geom)`.
        """
        texture = self._texture(geom)
        is_plane = self.model.geom_type[geom] == self._mujoco.mjtGeom.mjGEOM_PLANE
        return Item(
            self.surface(geom) if surface is None else surface,
            rotation,
            position,
            to_linear(self.rgba(geom)[:3]),
            grid=bool(is_plane and rotation[2, 2] > 0.9),
            texture=texture,
            uv=None if texture is None else self._mesh(int(self.model.geom_dataid[geom]))[1],
        )

    def _mesh(self, mesh: int) -> tuple[shapes.Surface, np.ndarray | None]:
        """Return a mesh, and per corner (3 f, 2) where it is in its texture, if in one."""
        if mesh not in self._meshes:
            m = self.model
            v, f, uv = m.mesh_vertadr[mesh], m.mesh_faceadr[mesh], m.mesh_texcoordadr[mesh]
            some = slice(f, f + m.mesh_facenum[mesh])
            vertices = m.mesh_vert[v : v + m.mesh_vertnum[mesh]]
            at = None if uv < 0 else m.mesh_texcoord[uv + m.mesh_facetexcoord[some].ravel()]
            self._meshes[mesh] = shapes.mesh(vertices, m.mesh_face[some]), at
        return self._meshes[mesh]

    def _texture(self, geom: int) -> np.ndarray | None:
        """Return the texture (h, w, 3) of the place, on a geom that has it."""
        if not self.is_scanned(geom) or self.model.geom_matid[geom] < 0:
            return None
        material = self.model.geom_matid[geom]
        texture = int(self.model.mat_texid[material, self._mujoco.mjtTextureRole.mjTEXROLE_RGB])
        if texture not in self._textures:
            m = self.model
            h, w, c = m.tex_height[texture], m.tex_width[texture], m.tex_nchannel[texture]
            start = m.tex_adr[texture]
            self._textures[texture] = m.tex_data[start : start + h * w * c].reshape(h, w, c)[
                ..., :3
            ]
        return self._textures[texture]
