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
from r2s.artifacts.scene import HOME_KEYFRAME, Scene
from r2s.core.errors import R2SError
from r2s.core.files import replacing
from r2s.core.rigid import Array
from r2s.report import shapes
from r2s.report.camera import Camera, look_at_points
from r2s.report.geoms import Geoms, model_of
from r2s.report.light import Item, Layer, cast, draw, to_linear
from r2s.report.splats import draw_points

SIZE = (960, 720)
VIEW_FILE = "scene.xml"
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

        self._mujoco = mujoco
        self.model = model_of(scene.files, file)
        self.data = mujoco.MjData(self.model)
        self.size, self.fine = size, fine
        self._rest()
        self._geoms = geoms = Geoms(self.model)
        fixed = geoms.fixed
        solid = [g for g in range(self.model.ngeom) if geoms.is_hidden_collider(g)]
        behind = [g for g in solid if fixed[g] and not colliders]
        drawn = [g for g in geoms.drawn() if not (colliders and geoms.is_scanned(g))]
        drawn += solid if colliders else []
        self._surfaces = {g: geoms.surface(g) for g in {*drawn, *behind}}
        self._moving = [g for g in drawn if not fixed[g]]
        scanned = [g for g in drawn if fixed[g] and geoms.is_scanned(g)]
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

    def _item(self, geom: int) -> Item:
        rotation = self.data.geom_xmat[geom].reshape(3, 3).copy()
        position = self.data.geom_xpos[geom].copy()
        return self._geoms.item(geom, rotation, position, self._surfaces[geom])

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

    model = model_of(scene.files, VIEW_FILE)
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
