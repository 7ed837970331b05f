"""What a page of the browser shows of a scan, of a place, of a scene and of a policy at work in it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from r2s.artifacts.policy import Policy
from r2s.artifacts.reconstruction import Reconstruction
from r2s.artifacts.robot import EXACT_GROUP
from r2s.artifacts.scan import Scan
from r2s.artifacts.scene import Scene
from r2s.core.rigid import quat_to_matrix
from r2s.report import shapes
from r2s.report.browser import Page
from r2s.report.camera import Camera
from r2s.report.film import episodes, goal_marks
from r2s.report.geoms import Geoms, model_of
from r2s.report.light import Item, to_linear
from r2s.report.overlay import ROLE_COLORS, geom_surface
from r2s.report.puppet import Puppet
from r2s.report.render import BARE, GOAL_COLOR, VIEW_FILE, scan_camera

MAX_POINTS = 2_000_000  # what a laptop's browser still turns smoothly; of more, every k-th
GOAL_RADIUS_M = 0.015  # larger than in pictures: it is looked for in a room
STEPS = 200  # of a slider, at least
WAIT_S = 0.05
POINTS, SURFACE, COLLIDERS, CEILING = "scan points", "surface", "colliders", "ceiling colliders"
ROBOT, ROBOT_COLLIDERS, GOAL = "robot", "robot colliders", "goal"


class View:
    """A page, and what moves on it.

    Attributes:
        sliders: joint name to its slider; {} without a robot.
    """

    def __init__(
        self, artifacts: Mapping[str, Any], *, port: int = 0, colliders: bool = False, seed: int = 0
    ):
        """Serve what there is of a scan, a reconstruction, a scene and a policy.

        Args:
            colliders: begin with colliders instead of surfaces.
        """
        self.page = Page(port)
        self.puppet: Puppet | None = None
        self.sliders: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._moments: Iterator[tuple[int, Any]] | None = None
        scan, place, scene = (artifacts.get(k) for k in ("scan", "reconstruction", "scene"))
        if scan is not None:
            covered = scene is not None or (place is not None and len(place.surface.faces) > 0)
            show_scan(self.page, scan, shown=not covered and not (place and colliders))
        if scene is not None:
            self._show_scene(scene, place, colliders)
        elif place is not None:
            show_place(self.page, place, colliders=colliders)
        if scene is not None and "policy" in artifacts:
            self._show_policy(artifacts["policy"], scene, seed)

    def run(self) -> None:
        """Serve, and play what is to be played, until Ctrl-C."""
        try:
            while True:
                if self._moments is not None and self._playing.value:
                    self._play_on()
                else:
                    time.sleep(WAIT_S)
        except KeyboardInterrupt:
            return
        finally:
            self.page.close()

    def reset(self) -> None:
        """Put the robot, and things, where the scene begins."""
        assert self.puppet is not None
        with self._lock:
            self.puppet.home()
        self._show_values()

    def _show_scene(self, scene: Scene, place: Reconstruction | None, colliders: bool) -> None:
        model = model_of(scene.files, VIEW_FILE)
        self.puppet = Puppet(model)
        show_model(self.page, model, roles(place), colliders=colliders)
        self.page.look(Camera(scene.info.camera_position_m, scene.info.camera_target_m))
        self.page.pose(self.puppet)
        gui = self.page.server.gui
        with gui.add_folder("joints [rad, m]"):
            for handle in self.puppet.handles:
                slider = gui.add_slider(
                    handle.name, handle.low, handle.high, _step(handle.high - handle.low),
                    min(max(handle.home, handle.low), handle.high),
                )  # fmt: skip
                slider.on_update(lambda _event: self._moved())
                self.sliders[handle.name] = slider
            gui.add_button("reset").on_click(lambda _event: self.reset())

    def _moved(self) -> None:
        """Take all joints from the sliders."""
        assert self.puppet is not None
        with self._lock:
            self.puppet.move({name: slider.value for name, slider in self.sliders.items()})
            self.page.pose(self.puppet)

    def _show_values(self) -> None:
        """Move the sliders to where the joints are."""
        assert self.puppet is not None
        for name, value in self.puppet.values().items():
            self.sliders[name].value = value
        with self._lock:
            self.page.pose(self.puppet)

    def _show_policy(self, policy: Policy, scene: Scene, seed: int) -> None:
        gui, self._scene = self.page.server.gui, scene
        self.page.layer(GOAL)
        ball = shapes.primitive("sphere", (GOAL_RADIUS_M, 0.0, 0.0))
        item = Item(ball, np.eye(3), np.zeros(3), to_linear(GOAL_COLOR))
        self.page.add(GOAL, "ball", [item])
        self.goal = self.page.nodes[f"/{GOAL}/ball"]
        self.goal.visible = False
        with gui.add_folder("policy"):
            self._playing = gui.add_checkbox("play", True)
            self.told = gui.add_text("now", "", disabled=True)

        @self._playing.on_update
        def _(_event: Any) -> None:
            for slider in self.sliders.values():
                slider.disabled = self._playing.value
            if not self._playing.value:
                self._show_values()

        for slider in self.sliders.values():
            slider.disabled = True
        self._moments = (
            (number, moment)
            for number, episode in enumerate(episodes(policy, scene, seed=seed), start=1)
            for moment in episode
        )

    def _play_on(self) -> None:
        """Show one more control period, in no less than its time."""
        assert self.puppet is not None and self._moments is not None
        began = time.monotonic()
        number, moment = next(self._moments)
        marks = goal_marks(self._scene, moment.reading.values)
        with self._lock:
            self.puppet.show(moment.qpos)
            self.page.pose(self.puppet)
        self.goal.visible = marks is not None
        if marks is not None:
            self.goal.position = marks[0]
        self.told.value = f"episode {number}, {moment.now_s:.1f} s"
        time.sleep(max(0.0, self._scene.info.control_s - (time.monotonic() - began)))


def show_scan(page: Page, scan: Scan, *, shown: bool = True) -> None:
    """Add the points of a scan."""
    every = max(1, -(-len(scan.points) // MAX_POINTS))
    bare = np.round(255 * np.array(BARE)).astype(np.uint8)
    colors = scan.colors[::every] if len(scan.colors) else bare
    layer = page.layer(POINTS, shown=shown)
    page.add_points(layer, scan.points[::every], colors, scan.info.voxel_m)
    page.look(scan_camera(scan))


def show_place(page: Page, place: Reconstruction, *, colliders: bool = False) -> None:
    """Add the surface of a place and its colliders, coloured by role."""
    page.layer(SURFACE, shown=not colliders)
    own = [body for body, skin in enumerate(place.visuals) if len(skin.faces)]
    rest = ~np.isin(place.surface_bodies, own)
    skins = [(place.surface.vertices, place.surface.faces[rest], place.surface.uv[rest])]
    skins += [place.visuals[body] for body in own]
    items = [_skin_item(vertices, faces, uv, place.texture) for vertices, faces, uv in skins]
    if items := [item for item in items if len(item.surface.vertices)]:
        page.add(SURFACE, "place", items, one_sided=True)
    page.layer(COLLIDERS, shown=colliders or not items)
    for body in place.info.bodies:
        found = [
            Item(
                geom_surface(geom, place),
                quat_to_matrix(geom.quaternion),
                np.asarray(geom.position),
                to_linear(ROLE_COLORS[body.role]),
            )
            for geom in body.geoms
        ]
        _add_colliders(page, body.name, found, body.role)


def show_model(
    page: Page, model: Any, role_of: Mapping[str, str], *, colliders: bool = False
) -> None:
    """Add a scene's model: surfaces, colliders coloured by role, the robot; `Page.pose` moves them."""
    geoms = Geoms(model)
    drawn = set(geoms.drawn())
    page.layer(SURFACE, shown=not colliders)
    page.layer(COLLIDERS, shown=colliders)
    page.layer(ROBOT)
    page.layer(ROBOT_COLLIDERS, shown=False)
    seen: dict[tuple[str, int], list[Item]] = {}
    solid: dict[tuple[str, int], list[Item]] = {}
    for geom in range(model.ngeom):
        # What is fixed is one mesh of the world, so that its texture is sent once.
        body = 0 if geoms.fixed[geom] and geoms.of_place(geom) else int(model.geom_bodyid[geom])
        item = _in_body(geoms, geom)
        if geoms.of_place(geom):
            if geom in drawn:
                seen.setdefault((SURFACE, body), []).append(item)
            if model.geom_contype[geom] or model.geom_conaffinity[geom]:
                thing = model.geom(geom).name.split("/")[0]
                color = ROLE_COLORS.get(role_of.get(thing, ""), BARE)
                found = solid.setdefault((thing, body), [])
                found.append(Item(item.surface, item.rotation, item.position, to_linear(color)))
        elif geom in drawn:
            seen.setdefault((ROBOT, body), []).append(item)
        elif model.geom_group[geom] == EXACT_GROUP:
            seen.setdefault((ROBOT_COLLIDERS, body), []).append(item)
    for (layer, body), items in seen.items():
        page.add(layer, _body_name(model, body), items, one_sided=layer == SURFACE, body=body)
    for (thing, body), items in solid.items():
        _add_colliders(page, thing, items, role_of.get(thing, ""), body)


def roles(place: Reconstruction | None) -> dict[str, str]:
    """Return body name to role."""
    return {body.name: body.role for body in place.info.bodies} if place is not None else {}


def _add_colliders(page: Page, name: str, items: list[Item], role: str, body: int = 0) -> None:
    """Add a thing's colliders; ceilings, which stand before all else, to a layer of their own."""
    if role == "ceiling" and CEILING not in page.layers:
        page.layer(CEILING, shown=False)
    if items:
        layer = CEILING if role == "ceiling" else COLLIDERS
        page.add(layer, name, items, one_sided=True, body=body)


def _skin_item(vertices, faces, uv: np.ndarray, texture: np.ndarray) -> Item:
    painted = texture.size > 0
    return Item(
        shapes.mesh(vertices, faces), np.eye(3), np.zeros(3), to_linear(BARE),
        texture=texture if painted else None, uv=uv.reshape(-1, 2) if painted else None,
    )  # fmt: skip


def _in_body(geoms: Geoms, geom: int) -> Item:
    """Return a geom in the frame of its body."""
    model = geoms.model
    rotation = quat_to_matrix(model.geom_quat[geom])
    position = model.geom_pos[geom].copy()
    return geoms.item(geom, rotation, position)


def _body_name(model: Any, body: int) -> str:
    return model.body(body).name.removeprefix("robot/") if body else "place"


def _step(reach: float) -> float:
    """Return a power of ten that a slider's range has some hundreds of."""
    return float(10.0 ** np.floor(np.log10(max(reach, 1e-6) / STEPS)))
