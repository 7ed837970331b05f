"""Does the scene stay where it is? Overlaps are lifted, one second is simulated, falling things frozen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from r2s.artifacts.scene import HOME_KEYFRAME, ROBOT_PREFIX
from r2s.scene.compose import TRAIN_FILE, VIEW_FILE
from r2s.scene.environment import Environment
from r2s.scene.errors import not_settling
from r2s.scene.probe import compiled
from r2s.scene.twin import Twin

SETTLE_S = 1.0
MAX_LIFT_M, MAX_OVERLAP_M = 0.01, 0.005
LIFTS = 6
MAX_DRIFT_M, MAX_TURN_RAD = 0.02, 0.2
MAX_ROUNDS = 4
VIEW_CHECK_TIMESTEP_S = 0.002


@dataclass(frozen=True)
class Settled:
    """Attributes:
    speed_m_s: largest body speed at the end, over both models.
    notes: sentences for the user.
    """

    twin: Twin
    speed_m_s: float
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Rest:
    """One second at the home pose: speed at the end, and (drift [m], turn [rad]) of movable things."""

    speed_m_s: float
    drift: dict[str, tuple[float, float]]
    base_drift_m: float
    base_turn_rad: float


def settle(twin: Twin) -> Settled:
    """Return the twin after overlaps are lifted and things that do not stay are bolted down.

    Raises:
        R2SError: it diverges, or does not come to rest even so (`R2S-SCENE-005`).
    """
    twin, notes = free_of_overlaps(twin)
    fallen: list[str] = []
    for _ in range(MAX_ROUNDS):
        rests = [rest(twin, exact=False), rest(twin, exact=True)]
        fallen = sorted(
            {
                name
                for found in rests
                for name, (drift, turn) in found.drift.items()
                if drift > MAX_DRIFT_M or turn > MAX_TURN_RAD
            }
        )
        if not fallen:
            speed = max(found.speed_m_s for found in rests)
            _check_base(twin, rests)
            return Settled(twin, round(speed, 6), tuple(notes))
        for name in fallen:
            drift, turn = max(r.drift.get(name, (0.0, 0.0)) for r in rests)
            notes.append(
                f"{name} does not stand by itself (moved {100 * drift:.1f} cm, turned {turn:.2f} rad "
                "in a second): it is fixed in this scene"
            )
            twin = _frozen(twin, name)
    raise not_settling(
        "the things of this scene keep falling",
        f"still moving after {MAX_ROUNDS} rounds: {', '.join(fallen)}",
        "a scene that changes by itself cannot be compared between runs",
    )


def free_of_overlaps(twin: Twin) -> tuple[Twin, list[str]]:
    """Lift movable things out of what they overlap, at most 1 cm; those that stay in are fixed."""
    notes: list[str] = []
    lifted: dict[str, float] = {}
    for _ in range(LIFTS):
        depth = _overlaps(twin)
        moving = {n: d for n, (d, _) in depth.items() if lifted.get(n, 0.0) + d <= MAX_LIFT_M}
        if not moving:
            break
        place: Environment = twin.place
        for name, d in sorted(moving.items()):
            place = place.with_thing(place.thing(name).moved(np.array([0.0, 0.0, d])))
            lifted[name] = lifted.get(name, 0.0) + d
        twin = replace(twin, place=place)
    for name, (d, other) in sorted(_overlaps(twin).items()):
        if d > MAX_OVERLAP_M:
            notes.append(f"{name} overlaps {other} by {1000 * d:.0f} mm: it is fixed in this scene")
            twin = _frozen(twin, name)
    notes += [
        f"{name} lifted by {1000 * d:.1f} mm" for name, d in sorted(lifted.items()) if d > 0.002
    ]
    return twin, notes


def rest(twin: Twin, *, exact: bool) -> Rest:
    """Simulate one second at the home pose with the actuators holding.

    Raises:
        R2SError: the simulation diverges (`R2S-SCENE-005`).
    """
    import mujoco

    file = VIEW_FILE if exact else TRAIN_FILE
    xml = twin.view_xml(visuals=False) if exact else twin.train_xml()
    model = compiled(xml, twin.solid_assets, file)
    if exact:
        model.opt.timestep = min(VIEW_CHECK_TIMESTEP_S, twin.timestep_s)
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, model.key(HOME_KEYFRAME).id)
    mujoco.mj_forward(model, data)
    base = model.body(ROBOT_PREFIX + twin.robot.info.base_body).id
    watched = {name: model.body(name).id for name in twin.place.movable}
    start = {body: _pose(data, body) for body in (*watched.values(), base)}
    for _ in range(round(SETTLE_S / model.opt.timestep)):
        mujoco.mj_step(model, data)
    if not np.all(np.isfinite(data.qpos)) or data.warning[mujoco.mjtWarning.mjWARN_BADQACC].number:
        raise not_settling(
            f"{file} diverges within a second at rest",
            f"body {_fastest(model, data)}",
            "actuator gains or inertias are too stiff for the time step, or things overlap",
        )
    moved = {body: _change(start[body], _pose(data, body)) for body in start}
    return Rest(
        _speed(model, data),
        {name: moved[body] for name, body in watched.items()},
        *moved[base],
    )


def _check_base(twin: Twin, rests: list[Rest]) -> None:
    drop = max(found.base_drift_m for found in rests)
    turn = max(found.base_turn_rad for found in rests)
    height = twin.robot.info.base_height_m
    if twin.stance.floating and (turn > 0.35 or drop > 0.4 * max(height, 0.1)):
        raise not_settling(
            f"{twin.robot.info.name} does not stand: its base moved {100 * drop:.1f} cm "
            f"and turned {turn:.2f} rad in a second",
            f"home pose, base height {height:.3f} m",
            "a policy cannot start from a fall",
        )


def _overlaps(twin: Twin) -> dict[str, tuple[float, str]]:
    """Return how deep each movable thing is in another [m], in either model, and which."""
    import mujoco

    depth: dict[str, tuple[float, str]] = {}
    for exact in (False, True):
        xml = twin.view_xml(visuals=False) if exact else twin.train_xml()
        model = compiled(xml, twin.solid_assets, VIEW_FILE if exact else TRAIN_FILE)
        data = mujoco.MjData(model)
        mujoco.mj_resetDataKeyframe(model, data, model.key(HOME_KEYFRAME).id)
        mujoco.mj_kinematics(model, data)
        mujoco.mj_collision(model, data)
        for contact in data.contact:
            if contact.dist >= -1e-4:
                continue
            things = [_thing(model, int(geom)) for geom in contact.geom]
            movable = [name for name in things if name in twin.place.movable]
            if len(movable) == 2:  # lift the upper of two
                movable = [max(movable, key=lambda name: (twin.place.thing(name).com[2], name))]
            for name in movable:
                other = things[1] if things[0] == name else things[0]
                depth[name] = max(depth.get(name, (0.0, "")), (float(-contact.dist), other))
    return depth


def _frozen(twin: Twin, name: str) -> Twin:
    return replace(twin, place=twin.place.with_thing(twin.place.thing(name).frozen()))


def _thing(model, geom: int) -> str:
    """Return the name of the thing (or robot body) a geom belongs to."""
    body = model.body(int(model.geom_bodyid[geom])).name
    return model.geom(geom).name.rsplit("/", 1)[0] if body == "world" else body


def _pose(data, body: int) -> tuple[np.ndarray, np.ndarray]:
    return data.xpos[body].copy(), data.xquat[body].copy()


def _change(before, after) -> tuple[float, float]:
    """Return (metres, radians) between two poses."""
    distance = float(np.linalg.norm(after[0] - before[0]))
    cosine = min(1.0, abs(float(before[1] @ after[1])))
    return distance, 2 * float(np.arccos(cosine))


def _speed(model, data) -> float:
    import mujoco

    fastest, velocity = 0.0, np.zeros(6)
    for body in range(1, model.nbody):
        mujoco.mj_objectVelocity(model, data, mujoco.mjtObj.mjOBJ_BODY, body, velocity, 0)
        fastest = max(fastest, float(np.linalg.norm(velocity[3:])))
    return fastest


def _fastest(model, data) -> str:
    if not model.nv:
        return "none"
    speed = np.nan_to_num(np.abs(data.qacc), nan=np.inf)
    return model.body(int(model.dof_bodyid[int(np.argmax(speed))])).name
