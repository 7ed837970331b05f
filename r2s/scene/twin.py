"""The two models of one scene, made together from the same things, robot and vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from r2s.artifacts.geometry import Geom
from r2s.artifacts.pictures import png_of
from r2s.artifacts.reconstruction import Skin
from r2s.artifacts.robot import Robot
from r2s.core.rigid import quat_to_matrix
from r2s.scene.compose import (
    TEXTURE_ASSET,
    TRAIN_FILE,
    VIEW_FILE,
    Options,
    Stance,
    compose,
    with_home,
)
from r2s.scene.distance import distance_to_geom
from r2s.scene.environment import Environment, geom_bounds
from r2s.scene.gripper import Grip
from r2s.scene.meetings import with_meetings
from r2s.scene.probe import Probe
from r2s.scene.robot_tree import ROBOT_FILE, robot_tree
from r2s.scene.signals import Vocabulary
from r2s.scene.training_shapes import distance_to_bounds, training_environment

ASSETS = "assets"
VIEW_TIMESTEP_S = 0.0005
NEAR_M = 0.03
# A capsule lies on a plane with two contacts; no robot touches something with all of its links.
CONTACTS_PER_GEOM, LEAST_CONTACTS = 2, 8


@dataclass(frozen=True, eq=False)
class Twin:
    """Everything both models are made of. A change is a new twin.

    Attributes:
        place: the whole place, exact shapes.
        reach_m, ceiling_m: distance from the base, or from the route, and height in the world beyond
            which training sees nothing; infinite for all of it.
        route: (m, 2) where a floating base may walk; empty for a fixed one.
        exclude: pairs of bodies whose training colliders are too fat to stay apart.
        held: training keeps movable things where they are. A task that never moves them need not pay
            for their contacts (six resting boxes cost 7 times the arm); scene.xml has them free.
        moves: name of the thing that the task moves, free in training too, or "".
        grip: what holds it; None for a task that holds nothing.
    """

    robot: Robot
    place: Environment
    stance: Stance
    vocabulary: Vocabulary
    timestep_s: float
    reach_m: float = np.inf
    ceiling_m: float = np.inf
    route: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    exclude: tuple[tuple[str, str], ...] = ()
    held: bool = False
    moves: str = ""
    grip: Grip | None = None
    view_centre: tuple[float, float, float] = (0.0, 0.0, 0.0)
    view_extent: float = 1.0

    def at(self, stance: Stance) -> Twin:
        return replace(self, stance=stance)

    def meets(self, geom: Geom) -> bool:
        """Whether the robot can come near a geom of the place."""
        lowest = (
            geom.position[2] if geom.shape == "plane" else geom_bounds(geom, self.place.hulls)[0][2]
        )
        upright = geom.shape == "plane" and abs(quat_to_matrix(geom.quaternion)[2, 2]) < 0.7
        if lowest > self.ceiling_m and not upright:
            return False
        base = np.asarray(self.stance.position)
        stops = [base, *(np.append(xy, base[2]) for xy in self.route)]
        return any(
            distance_to_bounds(geom, self.place.hulls, stop) < self.reach_m for stop in stops
        )

    def holds(self, geom: Geom) -> bool:
        """Whether a free thing may rest on a geom of the place: it has to stay wherever that is."""
        low, high = geom_bounds(geom, self.place.hulls)
        for thing in self.place.things:
            for other in thing.geoms if thing.name in self.free else ():
                a, b = geom_bounds(other, self.place.hulls)
                if geom.shape == "plane":
                    corners = np.array(np.meshgrid(*np.stack([a, b], axis=1))).reshape(3, -1).T
                    if distance_to_geom(corners, geom, ()).min() < NEAR_M:
                        return True
                elif np.all((a - NEAR_M < high) & (b + NEAR_M > low)):
                    return True
        return False

    @property
    def free(self) -> tuple[str, ...]:
        """Names of the things that can move in training."""
        movable = self.place.movable
        return tuple(name for name in movable if name == self.moves) if self.held else movable

    def training_place(self) -> Environment:
        """Return the place as training sees it."""
        return training_environment(
            self.place,
            np.asarray(self.stance.position),
            lambda geom: self.meets(geom) or self.holds(geom),
            self.moves,
            gripped=self.grip is not None,
        )

    def train_xml(self, *, home: bool = True) -> bytes:
        """Return scene_train.xml."""
        place = self.training_place()
        fingers = self.grip.joints if self.grip else ()
        robot = robot_tree(self.robot, exact=False, visuals=False, fingers=fingers)
        moving = sum(1 for _ in robot.root.iter("geom"))
        moving += sum(len(thing.geoms) for thing in place.things if thing.name in self.free)
        xml = compose(
            place,
            robot,
            self.stance,
            Options(self.timestep_s),
            name=f"{self.robot.info.name}-train",
            sensors=self.vocabulary.sensors,
            sites=self.vocabulary.sites,
            exclude=self.exclude,
            held=set(place.movable) - set(self.free),
            most_contacts=max(LEAST_CONTACTS, CONTACTS_PER_GEOM * moving),
        )
        return with_home(xml, self.solid_assets, self.stance) if home else xml

    def view_xml(self, *, home: bool = True, visuals: bool = True) -> bytes:
        """Return scene.xml, or without `visuals` the same for quick checks."""
        xml = compose(
            self.place,
            robot_tree(self.robot, exact=True, visuals=visuals),
            self.stance,
            Options(VIEW_TIMESTEP_S, "elliptic", 100, 50, 1e-10),
            name=self.robot.info.name,
            sensors=self.vocabulary.sensors,
            sites=self.vocabulary.sites,
            visuals=tuple(self.visual_files) if visuals else (),
            view=(np.asarray(self.view_centre), self.view_extent),
        )
        if not home:
            return xml
        # What is only seen has no part in where the joints are.
        bare = self.view_xml(home=False, visuals=False) if visuals else xml
        return with_home(xml, self.solid_assets, self.stance, bare)

    @property
    def solid_assets(self) -> dict[str, bytes]:
        """Files of the colliders: the robot's meshes, the place's height field."""
        robot = {name: data for name, data in self.robot.files.items() if name != ROBOT_FILE}
        return {**robot, **self.place.field_files}

    @property
    def assets(self) -> dict[str, bytes]:
        """Files both models may name."""
        return {**self.solid_assets, **self.visual_assets}

    @property
    def visual_files(self) -> list[str | None]:
        """The asset file of each visual of the place, None where a thing has none."""
        names: list[str | None] = [None] * len(self.place.visuals)
        for thing in self.place.things:
            # A height field is drawn as it is; its visual says what of it was seen.
            if thing.visual >= 0 and all(geom.shape != "hfield" for geom in thing.geoms):
                names[thing.visual] = f"{ASSETS}/visual_{thing.name}.obj"
        return names

    @property
    def visual_assets(self) -> dict[str, bytes]:
        files = self.visual_files
        found = {
            name: obj_bytes(skin)
            for name, skin in zip(files, self.place.visuals, strict=True)
            if name
        }
        if found and self.place.texture.size:
            found[TEXTURE_ASSET] = png_of(self.place.texture)
        return found

    def files(self) -> dict[str, bytes]:
        """Return the scene folder."""
        return {
            VIEW_FILE: self.view_xml(),
            TRAIN_FILE: with_meetings(self.train_xml(), self.solid_assets),
            **dict(sorted(self.assets.items())),
        }

    def probe(self, *, exact: bool, clearance_m: float = 0.0) -> Probe:
        """Return a model to ask about collisions."""
        xml = self.view_xml(home=False, visuals=False) if exact else self.train_xml(home=False)
        return Probe(
            xml,
            self.solid_assets,
            self.stance,
            self.vocabulary.actions.joints,
            base_body=self.robot.info.base_body,
            clearance_m=clearance_m,
            file=VIEW_FILE if exact else TRAIN_FILE,
        )


def home_stance(
    robot: Robot, position, quaternion=(1.0, 0.0, 0.0, 0.0), *, floating: bool | None = None
) -> Stance:
    """Return the robot at its home pose with the base somewhere [m, wxyz]."""
    info = robot.info
    joints = {joint.name: joint.home for joint in info.joints}
    x, y, z = (float(value) for value in position)
    w, i, j, k = (float(value) for value in quaternion)
    return Stance(
        position=(x, y, z),
        quaternion=(w, i, j, k),
        floating=info.base == "floating" if floating is None else floating,
        qpos=joints,
        ctrl={name: joints[name] for name in info.actuators},
    )


def obj_bytes(skin: Skin) -> bytes:
    """Return a Wavefront OBJ, to a tenth of a millimetre; its v goes up, as the format has it."""
    at = np.rint(skin.uv.reshape(-1, 2).astype(float) * 1e6).astype(np.int64)
    both, index = np.unique(at[:, 0] << 32 | at[:, 1], return_inverse=True)
    uv = np.stack([both >> 32, both & 0xFFFFFFFF], axis=1) / 1e6
    corners = np.stack([skin.faces.ravel(), index.ravel()], axis=1).reshape(-1, 6) + 1
    lines = [
        *map("v %.4f %.4f %.4f".__mod__, map(tuple, skin.vertices.tolist())),
        *map("vt %.6f %.6f".__mod__, map(tuple, (uv * (1, -1) + (0, 1)).tolist())),
        *map("f %d/%d %d/%d %d/%d".__mod__, map(tuple, corners.tolist())),
    ]
    return "\n".join([*lines, ""]).encode()


def plain(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files that are not models."""
    return {name: data for name, data in files.items() if not name.endswith(".xml")}
