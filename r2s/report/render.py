"""Pictures of scans, scenes and robots (`overlay`: of twins). No GPU, no display, no OpenGL needed.

image = render_scene(scene)                      # the twin at home
image = render_scan(scan)
write_gif([player.frame(qpos) for qpos in qposes], path, rate_hz=20)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from r2s.artifacts.scan import Scan
from r2s.artifacts.scene import HOME_KEYFRAME, ROBOT_PREFIX, Scene
from r2s.core.errors import R2SError
from r2s.core.files import replacing
from r2s.core.heightfield import grid_mesh
from r2s.core.rigid import Array
from r2s.report import shapes
from r2s.report.camera import Camera, look_at_points
from r2s.report.light import Item, Layer, cast, draw, to_linear
from r2s.report.splats import draw_points

SIZE = (960, 720)
VIEW_FILE = "scene.xml"
HIDDEN_GROUP = (
    3  # geom groups from here on are not drawn, as in MuJoCo's viewer; colliders are in it
)
BARE = (0.62, 0.64, 0.67)
GOAL_COLOR, GOAL_RADIUS_M = (0.15, 0.65, 0.30), 0.006


class Player:
    """Draws one scene again and again, with the robot and things somewhere else each time.

    Args:
        colliders: draw what things collide with instead of the surfaces they show.
        camera: default: the scene's own, with what stands in its way cut off.
        fine: antialiasing and soft corners; off for animations.
    """

    def __init__(
        self,
        scene: Scene,
        *,
        colliders: bool = False,
        size: tuple[int, int] = SIZE,
        camera: Camera | None = None,
        fine: bool = True,
        file: str = VIEW_FILE,
    ):
        import mujoco

        assets = {n: d for n, d in scene.files.items() if not n.endswith(".xml")}
        self._mujoco = mujoco
        self.model = mujoco.MjModel.from_xml_string(scene.files[file].decode(), assets)
        self.data = mujoco.MjData(self.model)
        self.size, self.fine = size, fine
        self._rest()
        self._meshes: dict[int, tuple[shapes.Surface, np.ndarray | None]] = {}
        self._textures: dict[int, np.ndarray] = {}
        fixed = self.model.body_weldid[self.model.geom_bodyid] == 0
        solid = [g for g in range(self.model.ngeom) if self._is_hidden_collider(g)]
        behind = [g for g in solid if fixed[g] and not colliders]
        drawn = [g for g in self._drawn() if not (colliders and self._is_scanned(g))]
        drawn += solid if colliders else []
        self._surfaces = {g: self._surface(g) for g in {*drawn, *behind}}
        self._moving = [g for g in drawn if not fixed[g]]
        scanned = [g for g in drawn if fixed[g] and self._is_scanned(g)]
        stays = [g for g in drawn if fixed[g] and g not in scanned]
        self._layers = [Layer([self._item(g) for g in stays])]
        self._filler = Layer([self._item(g) for g in behind]) if behind else None
        if scanned:
            self._layers.append(Layer([self._item(g) for g in scanned], one_sided=True))
        self.camera = camera or self._own_camera(scene)

    def frame(self, qpos: Array | None = None, marks: Array | None = None) -> np.ndarray:
        """Return (h, w, 3) uint8 of a configuration (nq,), default home.

        Args:
            marks: (n, 3) world positions drawn as small balls (goals).
        """
        self._rest()
        if qpos is not None:
            self.data.qpos[:] = qpos
            self._mujoco.mj_kinematics(self.model, self.data)
        moving = Layer([self._item(g) for g in self._moving])
        ball, color = shapes.primitive("sphere", (GOAL_RADIUS_M, 0.0, 0.0)), to_linear(GOAL_COLOR)
        balls = [
            Item(ball, np.eye(3), np.asarray(mark), color)
            for mark in ([] if marks is None else marks)
        ]
        return draw(
            [*self._layers, moving], self.camera, self.size, fine=self.fine,
            marks=Layer(balls) if balls else None, filler=self._filler,
        )  # fmt: skip

    def _rest(self) -> None:
        key = self._mujoco.mj_name2id(self.model, self._mujoco.mjtObj.mjOBJ_KEY, HOME_KEYFRAME)
        if key >= 0:
            self._mujoco.mj_resetDataKeyframe(self.model, self.data, key)
        self._mujoco.mj_kinematics(self.model, self.data)

    def _is_scanned(self, geom: int) -> bool:
        """Whether a geom is the surface that a thing of the place shows."""
        return self._of_place(geom) and self.model.geom(geom).name.endswith("/visual")

    def _is_hidden_collider(self, geom: int) -> bool:
        """Whether a geom is a collider of a thing that shows a surface instead."""
        return self._of_place(geom) and self.model.geom_group[geom] == HIDDEN_GROUP

    def _of_place(self, geom: int) -> bool:
        return not self.model.body(self.model.geom_bodyid[geom]).name.startswith(ROBOT_PREFIX)

    def _drawn(self) -> list[int]:
        m = self.model
        return [
            g for g in range(m.ngeom) if m.geom_group[g] < HIDDEN_GROUP and self._rgba(g)[3] > 0.05
        ]

    def _rgba(self, geom: int) -> Array:
        material = self.model.geom_matid[geom]
        return self.model.mat_rgba[material] if material >= 0 else self.model.geom_rgba[geom]

    def _surface(self, geom: int) -> shapes.Surface:
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
        if not self._is_scanned(geom) or self.model.geom_matid[geom] < 0:
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

    def _item(self, geom: int) -> Item:
        texture = self._texture(geom)
        is_plane = self.model.geom_type[geom] == self._mujoco.mjtGeom.mjGEOM_PLANE
        rotation = self.data.geom_xmat[geom].reshape(3, 3)
        return Item(
            self._surfaces[geom],
            rotation.copy(),
            self.data.geom_xpos[geom].copy(),
            to_linear(self._rgba(geom)[:3]),
            grid=bool(is_plane and rotation[2, 2] > 0.9),
            texture=texture,
            uv=None if texture is None else self._mesh(int(self.model.geom_dataid[geom]))[1],
        )

    def _own_camera(self, scene: Scene) -> Camera:
        camera = Camera(scene.info.camera_position_m, scene.info.camera_target_m)
        moving = Layer([self._item(g) for g in self._moving])
        return camera.cut(clear_view(camera, [*self._layers, moving]))


def render_scene(
    scene: Scene,
    qpos: Array | None = None,
    *,
    colliders: bool = False,
    size: tuple[int, int] = SIZE,
    camera: Camera | None = None,
    fine: bool = True,
    marks: Array | None = None,
    engine: Literal["rays", "gl"] = "rays",
) -> np.ndarray:
    """Return (h, w, 3) uint8: the twin with its robot in a configuration (nq,), default home.

    Args:
        colliders: see `Player`; OpenGL draws surfaces.

    Raises:
        R2SError: `gl` was asked for and there is none (`R2S-REPORT-001`).
    """
    if engine == "gl":
        return _with_gl(scene, qpos, size, camera)
    player = Player(scene, colliders=colliders, size=size, camera=camera, fine=fine)
    return player.frame(qpos, marks)


def render_scan(
    scan: Scan, *, size: tuple[int, int] = SIZE, camera: Camera | None = None
) -> np.ndarray:
    """Return (h, w, 3) uint8: the points, seen from the sensor's side, looking into rooms."""
    camera = camera or scan_camera(scan, size)
    return points_layer(scan, camera, size)[0]


def scan_camera(scan: Scan, size: tuple[int, int] = SIZE) -> Camera:
    """Return a camera that sees the scan from the side its surfaces face."""
    points = scan.points.astype(np.float64)
    low, high = np.quantile(points, 0.01, axis=0), np.quantile(points, 0.99, axis=0)
    flat = scan.normals[:, :2].astype(np.float64).mean(axis=0) if len(scan.normals) else np.zeros(2)
    if len(scan.viewpoints) == 1:
        flat = scan.viewpoints[0, :2] - (low + high)[:2] / 2
    if np.linalg.norm(flat) < 0.05:
        flat = np.array([-0.6, -0.8])
    flat = flat / np.linalg.norm(flat)
    # A little to the side of the sensor, so that depth shows.
    turn = np.array([[0.88, -0.47], [0.47, 0.88]])
    x, y = turn @ flat
    inside = np.all((points >= low) & (points <= high), axis=1)
    chosen = points[inside][:: max(1, int(inside.sum()) // 20_000)]
    return look_at_points(chosen, np.array([x, y, 0.75]), size[0] / size[1])


def clear_view(camera: Camera, layers: list[Layer]) -> float:
    """Return the near distance [m] that cuts off what stands between the camera and its target."""
    gap = np.subtract(camera.position, camera.target)
    length = float(np.linalg.norm(gap))
    axis = gap / max(length, 1e-9)
    right, down, _ = camera.axes()
    # A small bundle of rays from around the target: one leg of a chair does not cut the view.
    offsets = [i * 0.1 * right + j * 0.1 * down for i in (-1, 0, 1) for j in (-1, 0, 1)]
    starts = np.asarray(camera.target) + 0.25 * length * axis + np.array(offsets)
    rays = np.concatenate([starts, np.broadcast_to(axis, starts.shape)], axis=1).astype(np.float32)
    distance = cast(layers, rays).distance
    blocked = np.isfinite(distance) & (distance < 0.75 * length)
    if blocked.mean() < 0.5:
        return 0.01
    return max(0.01, 0.75 * length - float(np.median(distance[blocked])) + 0.1)


def write_png(image: np.ndarray, path: Path) -> None:
    """Write (h, w, 3) uint8 as PNG."""
    from PIL import Image

    with replacing(path) as part:
        Image.fromarray(image).save(part, format="PNG", optimize=True)


def write_gif(frames: Sequence[np.ndarray], path: Path, rate_hz: float = 20.0) -> None:
    """Write (h, w, 3) uint8 frames as a looping GIF with one palette for all of them."""
    from PIL import Image

    strip = Image.fromarray(np.concatenate(list(frames[:: max(1, len(frames) // 6)]), axis=0))
    palette = strip.quantize(colors=128, method=Image.Quantize.MEDIANCUT)
    images = [
        Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
        for frame in frames
    ]
    with replacing(path) as part:
        images[0].save(
            part, format="GIF", save_all=True, append_images=images[1:], loop=0, optimize=True,
            duration=max(20, round(1000 / rate_hz)),
        )  # fmt: skip


def points_layer(
    scan: Scan, camera: Camera, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    colors = scan.colors
    if not len(colors):
        colors = np.broadcast_to(np.round(255 * np.array(BARE)).astype(np.uint8), scan.points.shape)
    normals = scan.normals if len(scan.normals) else np.zeros_like(scan.points)
    points = scan.points.astype(np.float64)
    return draw_points(
        points, normals.astype(np.float64), colors, camera, size, spacing(points, scan.info.voxel_m)
    )


def spacing(points: Array, voxel_m: float) -> Array:
    """Return (n,) distances [m] to neighbours, between one and four voxels."""
    from scipy.spatial import KDTree

    if len(points) < 6:
        return np.full(len(points), voxel_m)
    distance, _ = KDTree(points).query(points, k=5, distance_upper_bound=4 * voxel_m)
    return np.clip(
        np.where(np.isfinite(distance[:, 4]), distance[:, 4], 2 * voxel_m), voxel_m, 4 * voxel_m
    )


def _with_gl(scene: Scene, qpos, size: tuple[int, int], camera: Camera | None) -> np.ndarray:
    import mujoco

    assets = {n: d for n, d in scene.files.items() if not n.endswith(".xml")}
    model = mujoco.MjModel.from_xml_string(scene.files[VIEW_FILE].decode(), assets)
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, model.key(HOME_KEYFRAME).id)
    if qpos is not None:
        data.qpos[:] = qpos
    mujoco.mj_forward(model, data)
    view = camera or Camera(scene.info.camera_position_m, scene.info.camera_target_m)
    gap = np.subtract(view.position, view.target)
    free = mujoco.MjvCamera()
    free.lookat[:] = view.target
    free.distance = float(np.linalg.norm(gap))
    free.azimuth = float(np.degrees(np.arctan2(-gap[1], -gap[0])))
    free.elevation = float(-np.degrees(np.arcsin(gap[2] / max(free.distance, 1e-9))))
    model.vis.global_.offwidth, model.vis.global_.offheight = size
    try:
        with mujoco.Renderer(model, size[1], size[0]) as renderer:
            renderer.update_scene(data, free)
            return renderer.render()
    except Exception as error:  # the GL backends raise whatever they like
        raise R2SError(
            "R2S-REPORT-001",
            f"no OpenGL to draw with: {error}",
            where="mujoco.Renderer",
            why="--engine gl needs a GPU driver or OSMesa",
            remedy="leave --engine out: the ray caster needs neither",
        ) from error
