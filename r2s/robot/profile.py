"""A person's word on a robot: a small YAML file that overrides what the description leaves open.

    kind: quadruped
    home: {"*_thigh_joint": 0.9, "*_calf_joint": -1.8}
    gains: {"*": {kp: 40, kd: 1, armature: 0.01, friction: 0.1}}
    motors: {"*": {stall_effort: 35, no_load_velocity: 30, delay_s: 0.005, backlash: 0.002}}
    end_effector: {frame: tool0, position_m: [0, 0, 0.1]}
    feet: [FL_foot, FR_foot, RL_foot, RR_foot]
    action_scale: 0.5

Names of joints may be patterns (`*`, `?`); later entries win.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar

from pydantic import Field, ValidationError

from r2s.artifacts.base import Frozen
from r2s.artifacts.geometry import Vec3
from r2s.artifacts.robot import Drive, Kind, Motor
from r2s.core import rigid
from r2s.core.errors import R2SError
from r2s.robot.description import Description, Site
from r2s.robot.morphology import Limb, Morphology, joints_above

MAX_BYTES = 1 << 20
EE_SITE = "ee"
MISFIT = "R2S-ROBOT-031"
Value = TypeVar("Value")


class Gains(Frozen):
    """What drives one joint; what is left out stays as the description has it, or is computed."""

    kp: float | None = Field(None, ge=0, le=1e7, description="stiffness [N*m/rad, N/m]")
    kd: float | None = Field(None, ge=0, le=1e6, description="damping [N*m*s/rad, N*s/m]")
    armature: float | None = Field(None, ge=0, le=1e3, description="rotor inertia at the joint")
    friction: float | None = Field(None, ge=0, le=1e5, description="friction loss [N*m, N]")
    effort: float | None = Field(None, gt=0, le=1e6, description="torque or force limit [N*m, N]")
    velocity: float | None = Field(None, gt=0, le=1e4, description="speed limit [rad/s, m/s]")


class EndEffector(Frozen):
    """A point of interest on a link or named frame."""

    frame: str
    position_m: Vec3 = (0.0, 0.0, 0.0)
    rpy_rad: Vec3 = (0.0, 0.0, 0.0)


class Profile(Frozen):
    """What a profile may say; everything is optional."""

    kind: Kind | None = None
    drive: Drive | None = None
    home: dict[str, float] = Field({}, description="joint, or pattern, to position [rad, m]")
    gains: dict[str, Gains] = Field({}, description="joint, or pattern, to its gains")
    motors: dict[str, Motor] = Field({}, description="joint, or pattern, to its motor")
    end_effector: EndEffector | None = None
    feet: tuple[str, ...] = Field((), description="links that touch the ground")
    action_scale: float = Field(1.0, gt=0, le=10, description="factor on a policy's action range")


def read_profile(path: Path | None) -> Profile:
    """Return the profile in a YAML file; an empty one without a file.

    Raises:
        R2SError: it is no YAML mapping, or says what no profile says.
    """
    if path is None:
        return Profile.model_validate({})
    import yaml

    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise _refused(path, "it is larger than 1 MB")
        tree = yaml.load(text, Loader=_loader())
        # As JSON, so that strict keeps lists for tuples but takes no text for a number.
        return Profile.model_validate_json(json.dumps({} if tree is None else tree), strict=True)
    except OSError as exc:
        raise _refused(path, exc.strerror or str(exc)) from exc
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "profile"
        raise _refused(path, f"{field}: {first['msg']}") from exc
    except TypeError as exc:
        raise _refused(path, f"a value is none that a profile takes: {exc}") from exc
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        raise _refused(path, f"it is not YAML: {' '.join(str(exc).split())}") from exc


def _loader():
    """Return a YAML loader that refuses keys given twice, and keys that are no text."""
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node, deep=False):
            seen = set()
            for key_node, _ in node.value:
                key = self.construct_object(key_node, deep=True)
                if not isinstance(key, str):
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key!r} is no text", key_node.start_mark
                    )
                if key in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key!r} is given twice", key_node.start_mark
                    )
                seen.add(key)
            return super().construct_mapping(node, deep)

    return Loader


@contextmanager
def of_file(path: Path | None) -> Iterator[None]:
    """Name the profile's file in the errors about what does not fit."""
    try:
        yield
    except R2SError as error:
        if error.code == MISFIT and path is not None:
            error.where = str(path)
        raise


def apply_to_joints(robot: Description, profile: Profile) -> None:
    """Give the joints the gains, limits and home of the profile.

    Raises:
        R2SError: a pattern matches no joint, or a home lies outside the limits.
    """
    names = [joint.name for joint in robot.joints]
    homes = _by_joint(profile.home, names)
    gains = _by_joint(profile.gains, names)
    motors = _by_joint(profile.motors, names)
    for joint in robot.joints:
        for key, value in (
            gains[joint.name].model_dump(exclude_none=True).items() if joint.name in gains else ()
        ):
            setattr(joint, key, value)
        joint.motor = motors.get(joint.name)
        value = homes.get(joint.name)
        if value is None:
            continue
        if joint.limited and not joint.low <= value <= joint.high:
            raise _wrong(
                f"home of {joint.name} is {value:g}",
                f"its limits are {joint.low:g} to {joint.high:g}",
                "choose a value within the limits",
            )
        robot.home[joint.name] = value


def apply_to_morphology(robot: Description, found: Morphology, profile: Profile) -> Morphology:
    """Return what the robot is, with the profile's word over the tree's.

    Raises:
        R2SError: a foot or the frame of the end effector does not exist.
    """
    said = []
    if profile.kind is not None and profile.kind != found.kind:
        said.append(f"the profile says {profile.kind}; the tree shows {found.kind}")
        found = replace(found, kind=profile.kind)
    if profile.drive is not None and profile.drive != found.drive:
        said.append(f"the profile says drive {profile.drive!r}; the tree shows {found.drive!r}")
        found = replace(found, drive=profile.drive)
    bodies = [body.name for body in robot.bodies]
    for foot in profile.feet:
        if foot not in bodies:
            raise _wrong(f"there is no link {foot!r}", f"links: {', '.join(bodies)}", "name one")
    if profile.end_effector is not None:
        said.append(f"the profile puts the end effector at {profile.end_effector.frame}")
        found = replace(found, arm=_arm_to(robot, found, profile.end_effector))
    return replace(found, evidence=(*said, *found.evidence))


def add_named_site(robot: Description, wanted: EndEffector) -> str:
    """Add the site of a profile's end effector and return its name."""
    frame = _frame(robot, wanted)
    offset = rigid.transform(rigid.rpy_to_matrix(wanted.rpy_rad), wanted.position_m)
    name = EE_SITE if all(site.name != EE_SITE for site in robot.sites) else f"{EE_SITE}_r2s"
    robot.sites.append(Site(name, frame.body, frame.T_body_site @ offset))
    return name


def _arm_to(robot: Description, found: Morphology, wanted: EndEffector) -> Limb:
    body = _frame(robot, wanted).body
    joints = tuple(name for name in joints_above(robot, body) if name not in found.gripper)
    if not joints:
        raise _wrong(
            f"the end effector frame {wanted.frame!r} does not move",
            "no joint lies between it and the base",
            "name a link beyond the arm's joints",
        )
    return Limb(body, joints, (0.0, 0.0, 0.0))


def _frame(robot: Description, wanted: EndEffector) -> Site:
    import numpy as np

    for site in robot.sites:
        if site.name == wanted.frame:
            return site
    for body in robot.bodies:
        if body.name == wanted.frame:
            return Site(body.name, body.name, np.eye(4))
    known = [body.name for body in robot.bodies] + [site.name for site in robot.sites]
    raise _wrong(
        f"there is no link or frame {wanted.frame!r}", f"there are: {', '.join(known)}", "name one"
    )


def _by_joint(wanted: Mapping[str, Value], names: list[str]) -> dict[str, Value]:
    result: dict[str, Value] = {}
    for pattern, value in wanted.items():
        matched = [name for name in names if fnmatchcase(name, pattern)]
        if not matched:
            raise _wrong(
                f"no joint is called {pattern!r}", f"joints: {', '.join(names)}", "name one"
            )
        result |= dict.fromkeys(matched, value)
    return result


def _refused(path: Path, why: str) -> R2SError:
    return R2SError(
        "R2S-ROBOT-030",
        "the robot profile cannot be used",
        where=str(path),
        why=why,
        remedy=f"a YAML mapping with any of: {', '.join(Profile.model_fields)}",
    )


def _wrong(what: str, why: str, remedy: str) -> R2SError:
    return R2SError(
        MISFIT, f"the robot profile does not fit: {what}", where="--profile", why=why,
        remedy=remedy,
    )  # fmt: skip
