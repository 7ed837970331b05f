"""The build-scene stage: a place and a robot in, two MJCF twins with a task out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field

from r2s.artifacts.base import Artifact, Frozen
from r2s.artifacts.reconstruction import Reconstruction
from r2s.artifacts.robot import Robot, RobotInfo
from r2s.artifacts.scene import Scene, SceneInfo, TaskSpec
from r2s.core.context import StageContext
from r2s.scene.ability import chosen_task
from r2s.scene.errors import contradiction
from r2s.tasks.specs import default_spec, task_kind
from r2s.tasks.user import UserTask, known, spec_of

if TYPE_CHECKING:
    from r2s.scene.gripper import Grip
    from r2s.scene.spawns import Spawns
    from r2s.scene.target import Target
    from r2s.scene.twin import Twin

STAGE_VERSION: int = 10
DETERMINISM: Literal["bitwise", "tolerance", "statistical"] = "bitwise"
TOOLS: tuple[str, ...] = ("mujoco", "numpy", "scipy")

SPAWNS = 500
# A thing of 30 g between two stiff fingers: of 60 scripted lifts 46 held at 5 ms, 57 at this, 59 at 2.5 ms.
GRIP_TIMESTEP_S = 1 / 300
EPISODE_SHARE = 0.6  # of an episode, in which a goal can be reached at full speed


class Config(Frozen):
    """How a scene is built. Lengths in metres, angles in radians."""

    task: Annotated[str | UserTask, AfterValidator(known)] = Field(
        "auto",
        description="what the robot learns; auto: velocity on legs, navigate on wheels, else reach; or "
        "one of your own: FILE.py:Class",
    )
    place: tuple[float, ...] = Field(
        (),
        description="where the robot's base stands in the world: x,y or x,y,yaw [m, rad] on what is under "
        "it, or x,y,z,yaw, where z is the height of the base's own frame (a walker's trunk, not its "
        "feet); empty: found",
    )
    mount: Literal["auto", "support", "stand", "floor"] = Field(
        "auto", description="what a fixed base stands on; auto: a table if one fits, else a stand"
    )
    stand_height_m: float = Field(0.6, gt=0.02, le=2.0, description="height of the stand [m]")
    objects: Literal["movable", "fixed"] = Field(
        "movable", description="whether things that can be moved may move"
    )
    object: str = Field(
        "",
        description="the thing that a push or pick moves, as `r2s layout` calls it; empty: chosen",
    )
    training_objects: Literal["held", "free"] = Field(
        "held",
        description="whether training holds movable things in place (validation never does), but for the "
        "one that the task moves: their contacts cost more than the robot",
    )
    control_hz: float = Field(
        0.0,
        ge=0,
        le=500,
        description="control rate [Hz]; 0: the task's, 25 for an arm, 50 for legs, 10 for wheels",
    )
    timestep_s: float = Field(
        0.005, gt=0, le=0.01, description="physics step of scene_train.xml [s], at most"
    )
    goals: int = Field(
        1000, ge=50, le=5000, description="goals sampled in free space, or routes on free floor"
    )
    goal_clearance_m: float = Field(
        0.02, ge=0, le=0.2, description="distance a goal's configuration keeps from the place [m]"
    )
    parameters: dict[str, float] = Field(
        {}, description="numbers of the task, for example tolerance_m=0.03"
    )
    weights: dict[str, float] = Field({}, description="weights of reward terms")
    randomize: bool = Field(True, description="store the default randomization")


def run(inputs: Mapping[str, Artifact], config: Config, context: StageContext) -> Scene:
    """Build a scene.

    Raises:
        R2SError: see `r2s.scene.errors`.
    """
    from r2s.scene.audit import DISAGREEMENT_WARNING, audit_contacts
    from r2s.scene.compose import TRAIN_FILE
    from r2s.scene.probe import compiled
    from r2s.scene.randomization import default_randomization, has_joint_damping
    from r2s.scene.settle import settle
    from r2s.scene.speed import physics_steps_per_s
    from r2s.scene.target import still_free
    from r2s.scene.training_shapes import count
    from r2s.scene.twin import plain

    reconstruction, robot = inputs["reconstruction"], inputs["robot"]
    assert isinstance(reconstruction, Reconstruction)
    assert isinstance(robot, Robot)
    own = config.task if isinstance(config.task, UserTask) else None
    task = chosen_task(spec_of(own).like if own else str(config.task), robot.info)
    context.progress("place the robot", 0, 5)
    draft, target = with_target(draft_twin(reconstruction, robot, task, config), task, config)
    standing = stand_robot(draft, task, config, context)
    context.progress("settle", 1, 5)
    settled = settle(standing.twin)
    notes = [*standing.notes, *settled.notes]
    twin = settled.twin
    if target is not None:
        twin, target = still_free(twin, target, notes)
    context.progress("sample goals", 2, 5)
    samples = take_samples(twin, standing, target, task, config, context)
    context.progress("compare the models", 3, 5)
    audit = audit_contacts(twin, context.seed)
    twin, camera = with_view(twin, samples)
    files = twin.files()
    context.progress("compile", 4, 5)
    model = compiled(files[TRAIN_FILE], plain(files), TRAIN_FILE)
    before, after = count(twin.place), count(twin.training_place())
    warnings = [*twin.vocabulary.notes, *notes]
    if audit.differ > DISAGREEMENT_WARNING:
        warnings.append(
            f"training colliders disagree with the exact ones in {100 * audit.differ:.0f} % of "
            f"{audit.samples} configurations, most often {audit.worst}"
        )
    if twin.place.field_files:
        warnings.append(
            "the ground is a height field: train with --engine cpu, since MJX compiles one for many minutes "
            "(every cell under a collider is a prism of its own)"
        )
    context.facts.update(
        physics_steps_per_s=physics_steps_per_s(files[TRAIN_FILE], plain(files)),
        geoms_exact=before,
        geoms_training=after,
        contact_differ=audit.differ,
        contact_missed=audit.missed,
        contact_invented=audit.invented,
        placement=standing.evidence,
        simple_goals=samples.simple_fraction,
        goal_space_m3=samples.space_m3,
        spawn_area_m2=standing.spawns and standing.spawns.area_m2,
        spawn_floor_share=standing.spawns and standing.spawns.floor_share,
        simple_routes=samples.simple_routes,
    )
    if target is not None:
        context.facts.update(object=str(target), push_area_m2=samples.area_m2)
    scene = Scene(
        info=SceneInfo(
            task=task_spec(task, robot.info, config),
            robot=robot.info,
            base_position_m=twin.stance.position,
            base_quaternion=twin.stance.quaternion,
            signals=twin.vocabulary.signals,
            observations=twin.vocabulary.observations,
            critic=twin.vocabulary.critic,
            actions=twin.vocabulary.actions,
            chain=robot.info.chain if task_kind(task).robot == "arm" else None,
            control_s=control_period(task, config),
            timestep_s=twin.timestep_s,
            randomization=default_randomization(
                task,
                twin.place.movable,
                reconstruction,
                damping=has_joint_damping(model),
                friction=after > 0,
                free=twin.free,
            )
            if config.randomize
            else (),
            movable=twin.place.movable,
            thing=twin.moves,
            bodies=model.nbody,
            geoms=model.ngeom,
            nq=model.nq,
            nv=model.nv,
            nu=model.nu,
            settle_speed_m_s=settled.speed_m_s,
            workspace_free_fraction=samples.free_fraction,
            camera_position_m=camera[0],
            camera_target_m=camera[1],
            warnings=tuple(warnings),
        ),
        files=files,
        goals=samples.goals,
        goal_configurations=samples.configurations,
        spawns=samples.spawns,
        code=own.text if own else "",
        trusted=own is not None,
    )
    if own:
        from r2s.tasks.task import bind

        bind(scene)  # what is wrong with it is told now, and not when it shall be trained
    return scene


@dataclass(frozen=True)
class Standing:
    """A twin whose robot stands somewhere, and what is known about it."""

    twin: Twin
    evidence: str
    spawns: Spawns | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Samples:
    """See `Scene`."""

    goals: np.ndarray
    configurations: np.ndarray
    spawns: np.ndarray
    free_fraction: float | None
    simple_fraction: float | None
    space_m3: float | None
    simple_routes: float | None = None
    area_m2: float | None = None


def control_period(task: str, config: Config) -> float:
    """Return the control period [s]."""
    return 1.0 / (config.control_hz or task_kind(task).control_hz)


def draft_twin(reconstruction: Reconstruction, robot: Robot, task: str, config: Config) -> Twin:
    """Return the twin with the robot at the origin."""
    from r2s.scene.environment import environment
    from r2s.scene.signals import vocabulary
    from r2s.scene.twin import Twin, home_stance

    control_s, grip = control_period(task, config), grip_for(task, robot)
    longest = min(config.timestep_s, GRIP_TIMESTEP_S) if grip else config.timestep_s
    substeps = max(1, int(np.ceil(control_s / longest - 1e-9)))
    place = environment(reconstruction)
    if config.objects == "fixed":
        place = replace(place, things=tuple(thing.frozen() for thing in place.things))
    return Twin(
        robot=robot,
        place=place,
        stance=home_stance(robot, (0.0, 0.0, 0.0)),
        vocabulary=vocabulary(task, robot, control_s),
        timestep_s=control_s / substeps,
        held=config.training_objects == "held",
        grip=grip,
    )


def grip_for(task: str, robot: Robot) -> Grip | None:
    """Return the gripper that the task holds its thing with, None for a task that holds none.

    Raises:
        R2SError: the robot's never closes around its end effector (`R2S-SCENE-004`).
    """
    from r2s.scene.errors import task_impossible
    from r2s.scene.gripper import find_grip

    if not task_kind(task).grips:
        return None
    grip = find_grip(robot)
    if grip is None:
        missing = "has a gripper whose colliders leave nothing between them at its end effector"
        raise task_impossible(robot.info, task, missing, "push")
    return grip


def with_target(twin: Twin, task: str, config: Config) -> tuple[Twin, Target | None]:
    """Return the twin with the thing that the task moves, and that thing, where it moves one."""
    from r2s.scene.target import find_target

    if task_kind(task).moves == "nothing":
        if config.object:
            raise contradiction(f"--object is for a task that moves one, {task} moves nothing",
                                "r2s build-scene --task push|pick --object NAME")  # fmt: skip
        return twin, None
    if config.objects == "fixed":
        raise contradiction(f"--objects fixed leaves {task} nothing to move", "leave it out")
    target = find_target(twin.place, twin.robot.info, config.object, config.place, twin.grip)
    return replace(twin, moves=target.thing.name), target


def stand_robot(twin: Twin, task: str, config: Config, context: StageContext) -> Standing:
    """Return the twin with the robot where the user wants it, or where it fits best."""
    from r2s.scene.near import near_robot
    from r2s.scene.placement import find_place, on_top, place_given
    from r2s.scene.spawns import find_floor

    height_m = 0.0
    if task_kind(task).robot == "base":
        from r2s.scene.mobile_base import mobile_base

        height_m = mobile_base(twin.robot).height_m
    place, spawns = config.place, None
    if len(place) not in (0, 2, 3, 4):
        raise contradiction(
            f"--place has {len(place)} numbers",
            "r2s build-scene --place X,Y   (or X,Y,YAW, or X,Y,Z,YAW)",
        )
    if len(place) in (2, 3):
        place = on_top(twin, place)
    if twin.stance.floating:
        found, spawns = find_floor(twin, SPAWNS, context.seed, place, height_m)
    elif place:
        found = place_given(twin, place)
    else:
        found = find_place(twin, config.mount, config.stand_height_m, context.seed)
    placed, notes = near_robot(found.twin, poses_of(spawns), height_m)
    return Standing(placed, found.evidence, spawns, notes)


def take_samples(
    twin: Twin,
    standing: Standing,
    target: Target | None,
    task: str,
    config: Config,
    context: StageContext,
) -> Samples:
    """Return goals for a reach, starts and goals for a thing, spawns for legs, routes for wheels."""
    from r2s.scene.goals import sample_goals
    from r2s.scene.grasps import sample_grasps
    from r2s.scene.pushes import sample_pushes

    spec = task_spec(task, twin.robot.info, config)
    speed = np.array(twin.vocabulary.actions.scale) / control_period(task, config)
    if target is not None:
        sample = sample_grasps if twin.grip else sample_pushes
        found = sample(twin, target, config.goals, speed, spec, context)
        return Samples(
            found.goals, found.configurations, found.starts, found.free_fraction, None, None,
            area_m2=found.area_m2,
        )  # fmt: skip

    if task_kind(task).robot == "base":
        return take_routes(twin, standing, task, config, context)
    if twin.stance.floating:
        width = len(twin.vocabulary.actions.joints)
        none = np.zeros((0, 3), np.float32), np.zeros((0, width), np.float32)
        return Samples(*none, poses_of(standing.spawns), None, None, None)
    within_s = EPISODE_SHARE * spec.parameters["episode_s"]
    goals = sample_goals(twin, config.goals, config.goal_clearance_m, speed, within_s, context)
    return Samples(
        goals.points,
        goals.configurations,
        poses_of(standing.spawns),
        goals.free_fraction,
        goals.simple_fraction,
        goals.space_m3,
    )


def take_routes(
    twin: Twin, standing: Standing, task: str, config: Config, context: StageContext
) -> Samples:
    """Return routes: goals, and in the same rows the spawns they belong to."""
    from r2s.scene.goals import to_base
    from r2s.scene.routes import find_routes

    assert standing.spawns is not None
    numbers = task_spec(task, twin.robot.info, config).parameters
    found = find_routes(
        twin,
        standing.spawns,
        config.goals,
        context.seed,
        nearest_m=numbers["nearest_m"],
        farthest_m=numbers["farthest_m"],
        detour=numbers["detour"],
    )
    level = np.full((len(found.goals), 1), twin.stance.position[2])
    goals = to_base(np.concatenate([found.goals, level], axis=1), twin).astype(np.float32)
    none = np.zeros((0, len(twin.vocabulary.actions.joints)), np.float32)
    return Samples(goals, none, found.starts, None, None, None, found.simple)


def poses_of(spawns: Spawns | None) -> np.ndarray:
    """Return (m, 3) float32, empty for a fixed base."""
    return np.zeros((0, 3), np.float32) if spawns is None else spawns.poses


def with_view(twin: Twin, samples: Samples):
    """Return the twin with a viewer's centre and extent, and (camera, target)."""
    from r2s.core.rigid import quat_to_matrix
    from r2s.scene.camera import find_camera

    base, info = np.asarray(twin.stance.position), twin.robot.info
    tall = max(0.6 * info.reach_m, 0.2)
    corners = [(x, y, z) for x in (-1.3, 1.3) for y in (-1.3, 1.3) for z in (0.0, 1.0)]
    points = [base + np.array(corners) * [info.base_radius_m, info.base_radius_m, tall]]
    if twin.stance.floating:
        points.append(points[0] - [0, 0, info.base_height_m])
    if len(samples.goals):
        points.append(samples.goals[::10] @ quat_to_matrix(twin.stance.quaternion).T + base)
    points += [
        np.asarray(g.position)[None] for t in twin.place.things if t.movable for g in t.geoms
    ]
    probe = twin.probe(exact=False)
    position, target, extent = find_camera(twin, np.concatenate(points), probe.robot_points())
    seen = replace(twin, view_centre=tuple(target.tolist()), view_extent=extent)
    return seen, (tuple(position.tolist()), tuple(target.tolist()))


def task_spec(task: str, robot: RobotInfo, config: Config) -> TaskSpec:
    """Return the task with its defaults for the robot and the user's numbers."""
    own = config.task
    default = spec_of(own) if isinstance(own, UserTask) else default_spec(task, robot.reach_m)
    for kind in ("parameters", "weights"):
        known, given = getattr(default, kind), getattr(config, kind)
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise contradiction(
                f"task {default.name} has no {kind} called {', '.join(unknown)}",
                f"use some of: {', '.join(sorted(known))}",
            )
    return default.model_copy(
        update={
            "parameters": {**default.parameters, **config.parameters},
            "weights": {**default.weights, **config.weights},
        }
    )
