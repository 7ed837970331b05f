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

from r2s.artifacts.reconstruction import Reconstruction
from r2s.artifacts.scan import Scan
from r2s.artifacts.scene import HOME_KEYFRAME, ROBOT_PREFIX, STAND, Scene
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
HIDDEN_GROUP = 3  # geom groups from here on are not drawn, as in MuJoCo's viewer
BARE = (0.62, 0.64, 0.67)
GOAL_COLOR, GOAL_RADIUS_M = (0.15, 0.65, 0.30), 0.006
MOVING_M = 0.02  # scanned surface this near to a movable thing is the thing's


class Player:
    """Draws one scene again and again, with the robot and things somewhere else each time.

    Args:
        place: what the scene was built from: its scanned surface is drawn instead of plain colliders.
        camera: default: the scene's own, with what stands in its way cut off.
        fine: antialiasing and soft corners; off for animations.
    """

    def __init__(
        self,
        scene: Scene,
        place: Reconstruction | None = None,
        *,
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
        self._meshes: dict[int, shapes.Surface] = {}
        self._surfaces = {g: self._surface(g) for g in self._drawn()}
        fixed = self.model.body_weldid[self.model.geom_bodyid] == 0
        self._moving = [g for g in self._surfaces if not fixed[g]]
        self.camera = camera or self._own_camera(scene)
        scanned = place is not None and len(place.surface[1]) > 0
        hidden = [g for g in self._surfaces if scanned and fixed[g] and self._is_place(g)]
        stays = [g for g in self._surfaces if fixed[g] and g not in hidden]
        self._layers = [Layer([self._item(g) for g in stays])]
        self._filler = Layer([self._item(g) for g in hidden]) if hidden else None
        if place is not None and scanned:
            self._layers.append(Layer([self._scanned(place)], one_sided=True))

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

    def _is_place(self, geom: int) -> bool:
        """Whether a geom is what was scanned, and does not move."""
        thing = self.model.geom(geom).name.split("/")[0]
        return bool(self.model.geom_bodyid[geom] == 0) and thing != STAND

    def _scanned(self, place: Reconstruction) -> Item:
        """Return the scanned surface, without what moves: that is drawn where it is."""
        vertices, faces, colors = place.surface
        things = [g for g in self._moving if not self._of_robot(g)]
        if things:
            away = Layer([self._item(g) for g in things]).distance(vertices)
            faces = faces[(away > MOVING_M)[faces].all(axis=1)]
        linear = to_linear(colors / 255)[faces.ravel()]
        return Item(shapes.mesh(vertices, faces), np.eye(3), np.zeros(3), linear)

    def _of_robot(self, geom: int) -> bool:
        return self.model.body(self.model.geom_bodyid[geom]).name.startswith(ROBOT_PREFIX)

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
            mesh = int(m.geom_dataid[geom])
            if mesh not in self._meshes:
                v, f = m.mesh_vertadr[mesh], m.mesh_faceadr[mesh]
                vertices = m.mesh_vert[v : v + m.mesh_vertnum[mesh]]
                faces = m.mesh_face[f : f + m.mesh_facenum[mesh]]
                self._meshes[mesh] = shapes.mesh(vertices, faces)
            return self._meshes[mesh]
        if kind == t.mjGEOM_HFIELD:
            field = int(m.geom_dataid[geom])
            shape, first = (m.hfield_nrow[field], m.hfield_ncol[field]), m.hfield_adr[field]
            half_x, half_y, rise, _ = m.hfield_size[field]
            heights = rise * m.hfield_data[first : first + shape[0] * shape[1]].reshape(shape)
            return shapes.mesh(*grid_mesh(heights, half_x, half_y))
        x, y, z = (float(value) for value in m.geom_size[geom])
        return shapes.primitive(kind.name.removeprefix("mjGEOM_").lower(), (x, y, z))

    def _item(self, geom: int) -> Item:
        is_plane = self.model.geom_type[geom] == self._mujoco.mjtGeom.mjGEOM_PLANE
        rotation = self.data.geom_xmat[geom].reshape(3, 3)
        return Item(
            self._surfaces[geom],
            rotation.copy(),
            self.data.geom_xpos[geom].copy(),
            to_linear(self._rgba(geom)[:3]),
            grid=bool(is_plane and rotation[2, 2] > 0.9),
        )

    def _own_camera(self, scene: Scene) -> Camera:
        camera = Camera(scene.info.camera_position_m, scene.info.camera_target_m)
        items = [self._item(g) for g in self._surfaces]
        return camera.cut(clear_view(camera, [Layer(items)]))


def render_scene(
    scene: Scene,
    place: Reconstruction | None = None,
    qpos: Array | None = None,
    *,
    size: tuple[int, int] = SIZE,
    camera: Camera | None = None,
    fine: bool = True,
    marks: Array | None = None,
    engine: Literal["rays", "gl"] = "rays",
) -> np.ndarray:
    """Return (h, w, 3) uint8: the twin with its robot in a configuration (nq,), default home.

    Args:
        place: see `Player`; OpenGL draws what the scene's own model holds.

    Raises:
        R2SError: `gl` was asked for and there is none (`R2S-REPORT-001`).
    """
    if engine == "gl":
        return _with_gl(scene, qpos, size, camera)
    return Player(scene, place, size=size, camera=camera, fine=fine).frame(qpos, marks)


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
