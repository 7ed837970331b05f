"""A twin with a robot and a task: two MJCF models from one source, their signals and their samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import SerializerFunctionWrapHandler, model_serializer

from r2s.artifacts.arrays import pack, unpack
from r2s.artifacts.base import Encoded, Frozen
from r2s.artifacts.geometry import Quat, Vec3
from r2s.artifacts.kinematics import Chain
from r2s.artifacts.randomization import Randomize
from r2s.artifacts.robot import RobotInfo
from r2s.artifacts.signal import ActionSpec, Signal
from r2s.core.rigid import quat_to_matrix

# Names inside both models. Everything of the robot is prefixed.
ROBOT_PREFIX = "robot/"
STAND = "stand"  # what r2s puts under a robot that has no other place
HOME_KEYFRAME = "home"
ARRAYS_FILE = "samples.safetensors"
CODE_FILE = "task.py"  # a user's own task


class TaskSpec(Frozen):
    """Which task, and its numbers. `r2s.tasks` knows what they mean.

    Attributes:
        name: `reach`, `velocity`, ...; the class, for a user's own task.
        parameters: the task's own numbers (`tolerance_m`, `episode_s`, ...).
        weights: reward term name to weight.
        like: for a user's own task: the built-in one whose scene it plays in. Else "".
        code: for a user's own task: digest of its file's text (see `Scene.code`). Else "".
    """

    name: str
    parameters: dict[str, float]
    weights: dict[str, float]
    like: str = ""
    code: str = ""

    @property
    def kind(self) -> str:
        """The built-in task whose scene, control rate and training numbers these are."""
        return self.like or self.name

    @model_serializer(mode="wrap")
    def _only_what_it_says(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Built-in tasks stay the bytes they were before users had tasks of their own.
        return {key: value for key, value in serialize(self).items() if value != ""}


class SceneInfo(Frozen):
    """What training, validation and the robot need to know beside the MJCF.

    Attributes:
        task: see `TaskSpec`.
        robot: the imported robot's description; its names have no prefix, in the models they have.
        base_position_m, base_quaternion: where the robot base stands, world frame.
        signals: everything the task may use; sensors of the same names are in both models.
        observations: names of the actor's inputs, in order; no privileged ones.
        critic: names of further, privileged inputs of the critic, in order.
        actions: what an action means.
        chain: base to end effector for derived signals, or None.
        control_s: control period [s]; a multiple of `timestep_s`.
        timestep_s: physics step of scene_train.xml [s].
        randomization: what varies between copies; stored here so that validation uses the same ranges.
        movable: body names of movable objects.
        thing: the one of them that the task moves, "" where it moves none; also free in training.
        bodies, geoms, nq, nv, nu: sizes of scene_train.xml.
        settle_speed_m_s: largest body speed after one second at rest.
        workspace_free_fraction: share of sampled reachable points that were free of collision; of a push,
            share of the pairs of start and goal looked at that the arm can make.
        camera_position_m, camera_target_m: a good place to take a picture from.
    """

    task: TaskSpec
    robot: RobotInfo
    base_position_m: Vec3
    base_quaternion: Quat
    signals: tuple[Signal, ...]
    observations: tuple[str, ...]
    critic: tuple[str, ...]
    actions: ActionSpec
    chain: Chain | None
    control_s: float
    timestep_s: float
    randomization: tuple[Randomize, ...]
    movable: tuple[str, ...]
    thing: str = ""
    bodies: int
    geoms: int
    nq: int
    nv: int
    nu: int
    settle_speed_m_s: float
    workspace_free_fraction: float | None = None
    camera_position_m: Vec3
    camera_target_m: Vec3
    warnings: tuple[str, ...] = ()

    def signal(self, name: str) -> Signal:
        """Return the signal called `name`.

        Raises:
            KeyError: there is none; the message lists those there are.
        """
        for signal in self.signals:
            if signal.name == name:
                return signal
        raise KeyError(f"no signal {name!r}; there are {', '.join(s.name for s in self.signals)}")

    def to_world(self, points: ArrayLike) -> np.ndarray:
        """Return (..., 3) points of the robot base frame at home in the world frame [m]."""
        turn = quat_to_matrix(self.base_quaternion)
        return np.asarray(points) @ turn.T + np.asarray(self.base_position_m)


@dataclass(frozen=True, eq=False)
class Scene:
    """Attributes:
    info: see `SceneInfo`.
    files: `scene.xml`, `scene_train.xml` and `assets/...`; either XML opens in plain MuJoCo from
        this folder.
    goals: (n, 3) float32, metres, robot base frame at home: reachable, collision-free goals of an end
        effector or of a base on the floor, or where the centre of mass of `info.thing` shall go (n is 0
        for tasks without goals).
    goal_configurations: (n, joints) float32 [rad or m]: a collision-free configuration that reaches
        each goal, or the side of the thing that faces away from it: the proof that it is reachable.
    spawns: (m, 3) float32: x, y [m] and yaw [rad] in the world frame where a floating base may
        start, or the centre of mass of `info.thing`, turned from how it stands in the scan (m is 0 for
        fixed bases that move nothing). Where a base or a thing has goals, row i of both is a pair.
    code: text of the file of a user's own task, or "".
    trusted: whether `code` may run here. Never stored: who opens an artifact says so.
    """

    KIND: ClassVar[str] = "scene"

    info: SceneInfo
    files: Mapping[str, bytes]
    goals: np.ndarray
    goal_configurations: np.ndarray
    spawns: np.ndarray
    code: str = ""
    trusted: bool = False

    def encode(self) -> Encoded:
        arrays = {
            "goals": self.goals,
            "goal_configurations": self.goal_configurations,
            "spawns": self.spawns,
        }
        code = {CODE_FILE: self.code.encode()} if self.code else {}
        config = self.info.model_dump(mode="json")
        if not self.info.thing:  # as scenes were before there were such tasks
            del config["thing"]
        return Encoded(config, {**self.files, ARRAYS_FILE: pack(arrays), **code})

    @classmethod
    def decode(cls, config: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        info = SceneInfo.model_validate(config)
        models = {name: files[name] for name in files if name not in (ARRAYS_FILE, CODE_FILE)}
        code = files[CODE_FILE].decode() if info.task.code else ""
        arrays = unpack(files[ARRAYS_FILE])
        samples = (arrays[name] for name in ("goals", "goal_configurations", "spawns"))
        return cls(info, models, *samples, code=code)
