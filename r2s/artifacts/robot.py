"""A robot ready to be attached to a scene: a self-contained MJCF with actuators, and what was repaired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from r2s.artifacts.base import Encoded, Frozen
from r2s.artifacts.kinematics import Chain

# Geom groups inside robot.xml: one source, two models.
VISUAL_GROUP = 2  # drawn, never collides; dropped from scene_train.xml
EXACT_GROUP = 3  # hulls of the original collision meshes; only in scene.xml
TRAIN_GROUP = 4  # spheres and capsules (boxes where needed); only in scene_train.xml


Kind = Literal[
    "arm", "quadruped", "biped", "mobile", "mobile_manipulator", "hand", "aerial", "other"
]  # fmt: skip
Drive = Literal["", "differential", "omni", "ackermann"]


class Motor(Frozen):
    """What a motor does that a position actuator does not; from a profile, nothing is assumed.

    The step response at import uses all of it. Training and validation do not: they take rotor inertia,
    friction loss and the torque limit from robot.xml, and their delays from the randomization.

    Attributes:
        stall_effort, no_load_velocity: ends of the torque-speed line [N*m or N; rad/s or m/s]; speed
            takes from the torque along it. Both or none.
        delay_s: from a command to the torque [s].
        backlash: play between motor and joint [rad or m].
    """

    stall_effort: float | None = Field(None, gt=0, le=1e6)
    no_load_velocity: float | None = Field(None, gt=0, le=1e4)
    delay_s: float = Field(0.0, ge=0, le=0.5)
    backlash: float = Field(0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _whole_line(self) -> Self:
        if (self.stall_effort is None) != (self.no_load_velocity is None):
            raise ValueError("a torque-speed line needs stall_effort and no_load_velocity")
        return self


class StepResponse(Frozen):
    """What a joint did in the second after a small step of its command, the others held at home.

    With gravity, a fixed base and no contacts; shares are of the step (`size`) or of the change reached.

    Attributes:
        size: of the step [rad, m; of a velocity actuator rad/s, m/s].
        reached: share of the step that it went.
        rise_s: from 10 % to 90 % of what it reached [s].
        overshoot: share by which it went beyond.
        restless: largest share by which it still changed in the last tenth of a second.
        fault: why it does not do what it should, or "".
    """

    size: float
    reached: float
    rise_s: float
    overshoot: float
    restless: float
    fault: str = ""


class Joint(Frozen):
    """A controllable degree of freedom.

    Attributes:
        low, high: position limits [rad or m]; a continuous joint has +-pi here and `limited` false.
        velocity: velocity limit [rad/s or m/s].
        effort: torque or force limit [N*m or N].
        home: position at the home pose.
        kp, kd: gains of its position actuator [N*m/rad, N*m*s/rad].
        mimics: joint it follows through an equality, or ""; such a joint has no actuator.
        control: what its actuator takes: a position, or a velocity (wheels; kp is 0 then).
        inertia: what it turns at home, armature included [kg*m^2 or kg]: natural frequency
            sqrt(kp / inertia), damping ratio kd / 2 / sqrt(kp inertia).
        motor: from a profile, or None.
        step: how it answers to its command, None without an actuator.
    """

    name: str
    kind: Literal["hinge", "slide"]
    low: float
    high: float
    limited: bool = True
    velocity: float
    effort: float
    home: float
    kp: float = 0.0
    kd: float = 0.0
    mimics: str = ""
    control: Literal["position", "velocity"] = "position"
    inertia: float = 0.0
    motor: Motor | None = None
    step: StepResponse | None = None


class ColliderFit(Frozen):
    """How close the training colliders of a link are to the convex hulls of its collision shapes.

    Attributes:
        shape: what they are: `capsule`, `2 capsules`, `box`, `hull`.
        surface_m: 95th percentile distance [m] of the link's surface from them.
        outside_m: 95th percentile of how far [m] they stand out of the link.
        volume_ratio: their volume over the link's.
        within_bound: both distances at most 8 % of the link's size (or 5 mm), and the volume within a
            factor of 1.5. A link that nothing fits so gets the closest.
    """

    shape: str
    surface_m: float
    outside_m: float
    volume_ratio: float
    within_bound: bool


class Standing(Frozen):
    """Whether a free robot stands on a floor for 5 s, held at home.

    Attributes:
        why: what happens instead, "" if it stands.
        tilt_rad, sunk_m: at the end, the larger of both collider sets; 0 if it falls.
    """

    stands: bool
    why: str = ""
    tilt_rad: float = 0.0
    sunk_m: float = 0.0


class Repair(Frozen):
    """One thing the importer changed, and why."""

    rule: str
    element: str
    before: str
    after: str
    reason: str


class RobotInfo(Frozen):
    """What the later stages need to know of a robot.

    Attributes:
        name: model name, lower case (`so101`, `panda`, `go1`).
        kind: what kind of robot it is, found from the tree (`biped` with or without arms) or said by
            its profile; `evidence` says why, one finding each.
        base: `fixed` or `floating`. robot.xml never has the free joint: the scene adds it.
        base_body: name of the root body in robot.xml.
        joints: in tree order.
        actuators: names of actuated joints, in actuator order; the actuator is named like its joint.
        gripper: joints held at home by an arm task that does not use them.
        chain: base to end effector, or None; `ee_site` is the site of robot.xml at its tip.
        feet: body names that touch the ground, for legged robots.
        wheels: joints that roll the base, driven by velocity; `drive` says how they steer it.
        action_scale: factor on the default range of a policy's actions.
        imu_site: site that carries the IMU of a floating base, or "".
        base_height_m: height of the base frame above ground at the home pose (floating), else 0.
        reach_m: largest distance from base to end effector found by sampling, 0 without a chain.
        base_radius_m: radius of the footprint on its stand.
        mass_kg: total, fused links included.
        colliders: how close the training colliders of each link are.
        contact_pairs: pairs of its own colliders that MuJoCo tests, of the exact and the training set.
        standing: whether a robot with feet or wheels stands, held at home; None for the others.
        exclude: pairs of bodies whose contact is excluded (always or never touching, by sampling).
    """

    name: str
    kind: Kind
    evidence: tuple[str, ...] = ()
    base: Literal["fixed", "floating"]
    base_body: str
    joints: tuple[Joint, ...]
    actuators: tuple[str, ...]
    gripper: tuple[str, ...] = ()
    chain: Chain | None = None
    ee_site: str = ""
    feet: tuple[str, ...] = ()
    wheels: tuple[str, ...] = ()
    drive: Drive = ""
    action_scale: float = 1.0
    imu_site: str = ""
    base_height_m: float = 0.0
    reach_m: float = 0.0
    base_radius_m: float = 0.0
    mass_kg: float
    repairs: tuple[Repair, ...] = ()
    exclude: tuple[tuple[str, str], ...] = ()
    colliders: dict[str, ColliderFit] = Field(default_factory=dict)
    contact_pairs: dict[Literal["exact", "train"], int] = Field(default_factory=dict)
    standing: Standing | None = None
    source_format: Literal["urdf", "mjcf"]


@dataclass(frozen=True)
class Robot:
    """`files` holds `robot.xml` and `assets/...`; robot.xml names its assets relative to itself and has a
    keyframe-free home pose in `info.joints`."""

    KIND: ClassVar[str] = "robot"

    info: RobotInfo
    files: Mapping[str, bytes]

    def encode(self) -> Encoded:
        return Encoded(self.info.model_dump(mode="json"), dict(self.files))

    @classmethod
    def decode(cls, config: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        return cls(RobotInfo.model_validate(config), files)
