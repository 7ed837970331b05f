"""What `navigate` may observe and command: wheels, localisation, a laser scanner, the goal; and bumps."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from r2s.artifacts.robot import Joint, Robot
from r2s.artifacts.scene import ROBOT_PREFIX
from r2s.artifacts.signal import ActionSpec, Signal
from r2s.scene.compose import number
from r2s.scene.mobile_base import MobileBase, mobile_base
from r2s.scene.signals import XYZ, Vocabulary

# A localisation in a map (AMCL, slam_toolbox) of a room, and how late its pose arrives.
POSITION_NOISE_M, YAW_NOISE_RAD, POSE_LATENCY_S = 0.02, 0.02, (0.0, 0.05)
# Small scanners (LD06, RPLIDAR A1) state 1-2 cm; a turn of 100 ms is read on its way.
LASER_NOISE_M, LASER_LATENCY_S = 0.015, (0.0, 0.05)
WHEEL_NOISE_RAD_S, WHEEL_LATENCY_S = 0.1, (0.01, 0.01)
# The rays of a control period are cast this long before it ends: once, not in every physics step.
LASER_AGE_S = 0.015
# No faster than people like to meet a robot indoors, and never faster than this share of a motor's limit.
BASE_SPEED_M_S, WHEEL_SHARE = 0.5, 0.8
# What is touched this far above the floor is no floor. The volume looked at is larger than any robot.
BUMP_M, VOLUME_M = 0.02, 4.0
LASER, BUMPS = "laser_ranges", "bumps"

Elements = list[tuple[str, Mapping[str, str]]]


def navigate_vocabulary(robot: Robot, control_s: float) -> Vocabulary:
    """Return the signals of `navigate`, and the sensors behind them."""
    info, measured = robot.info, mobile_base(robot)
    base = ROBOT_PREFIX + info.base_body
    joints = {joint.name: joint for joint in info.joints}
    wheels = tuple(joints[name] for name in info.wheels)
    names = tuple(wheel.name for wheel in wheels)
    sensors: Elements = []
    for kind in ("pos", "vel"):
        for wheel in names:
            attributes = {"name": f"joint_{kind}/{wheel}", "joint": ROBOT_PREFIX + wheel}
            sensors.append((f"joint{kind}", attributes))
    of_base = {"objtype": "xbody", "objname": base}
    sensors += [
        ("framepos", {"name": "base_pos", **of_base}),
        ("framequat", {"name": "base_quat", **of_base}),
        ("framelinvel", {"name": "base_lin_vel", **of_base}),
    ]
    sites, rays = scanner(measured, control_s)
    volume = {
        "name": BUMPS, "type": "box", "size": f"{VOLUME_M:g} {VOLUME_M:g} {VOLUME_M:g}",
        "pos": f"0 0 {number(VOLUME_M + BUMP_M - info.base_height_m)}", "group": "5",
    }  # fmt: skip
    sensors += [
        *rays,
        ("contact", {"name": BUMPS, "site": BUMPS, "subtree2": base, "data": "found", "num": "1"}),
    ]
    signals = (
        Signal(
            name="joint_pos", elements=names, unit="rad", frame="joint", kind="measured",
            sensors=tuple(f"joint_pos/{wheel}" for wheel in names),
        ),
        Signal(
            name="joint_vel", elements=names, unit="rad/s", frame="joint", kind="measured",
            sensors=tuple(f"joint_vel/{wheel}" for wheel in names),
            noise_sigma=WHEEL_NOISE_RAD_S, latency_s=WHEEL_LATENCY_S,
        ),
        Signal(name="last_action", elements=names, unit="1", kind="measured"),
        Signal(
            name="base_pos", elements=XYZ, unit="m", frame="world", kind="measured",
            sensors=("base_pos",), noise_sigma=POSITION_NOISE_M, latency_s=POSE_LATENCY_S,
        ),
        # An error of the yaw is twice that of the quaternion's numbers.
        Signal(
            name="base_quat", elements=("w", "x", "y", "z"), unit="1", frame="world", kind="measured",
            sensors=("base_quat",), noise_sigma=YAW_NOISE_RAD / 2, latency_s=POSE_LATENCY_S,
        ),
        Signal(name="goal_pos", elements=("x", "y"), unit="m", frame="world", kind="measured"),
        Signal(
            name="goal_direction", elements=("ahead", "left"), unit="1", frame="robot_base",
            kind="derived", derivation="goal_direction",
        ),
        Signal(
            name=LASER, elements=measured.scanner.bearings, unit="m", frame="robot_base",
            kind="measured", sensors=tuple(attributes["name"] for _, attributes in rays),
            noise_sigma=LASER_NOISE_M, latency_s=LASER_LATENCY_S,
        ),
        Signal(
            name="laser_nearness", elements=measured.scanner.bearings, unit="1", frame="robot_base",
            kind="derived", derivation="laser_nearness",
        ),
        Signal(
            name="base_lin_vel", elements=XYZ, unit="m/s", frame="world", kind="privileged",
            sensors=("base_lin_vel",),
        ),
        Signal(name=BUMPS, elements=("contacts",), unit="1", kind="privileged", sensors=(BUMPS,)),
    )  # fmt: skip
    return Vocabulary(
        signals=signals,
        observations=("laser_nearness", "goal_direction", "joint_vel", "last_action"),
        critic=("base_lin_vel",),
        actions=wheel_speeds(wheels, measured.wheel_radius_m, info.action_scale),
        sensors=tuple(sensors),
        sites=((base, volume), *sites),
        notes=(measured.scanner.note,) if measured.scanner.note else (),
    )


def scanner(measured: MobileBase, control_s: float) -> tuple[Elements, Elements]:
    """Return the sites and the sensors of the rays.

    MuJoCo calls nothing -1, and never sees the body that a site is on.
    """
    found = measured.scanner
    age_s = min(LASER_AGE_S, control_s / 2)
    every = f"{number(control_s)} {number(-age_s)}"
    sites: Elements = []
    sensors: Elements = []
    for index, ray in enumerate(found.rays):
        site = f"laser/{index:02d}"
        at = {"pos": _text(found.position), "zaxis": _text(ray), "group": "5"}
        sites.append((found.body, {"name": site, **at}))
        name = f"{LASER}/{index:02d}"
        sensors.append(
            ("rangefinder", {"name": name, "site": site, "interval": every, "nsample": "1"})
        )
    return sites, sensors


def wheel_speeds(wheels: tuple[Joint, ...], radius_m: float, factor: float) -> ActionSpec:
    """Return actions that are the wheels' speeds, at most the base's.

    Wheels and not the base's speeds: what the envelope bounds is what the motors get, and any number of
    wheels, steering by their speeds, is the same.
    """
    fastest = factor * BASE_SPEED_M_S / radius_m
    scale = tuple(round(min(fastest, WHEEL_SHARE * wheel.velocity), 6) for wheel in wheels)
    return ActionSpec(
        joints=tuple(wheel.name for wheel in wheels), mode="velocity", scale=scale,
        offset=(0.0,) * len(wheels), low=tuple(-speed for speed in scale), high=scale,
    )  # fmt: skip


def _text(values: np.ndarray) -> str:
    return " ".join(number(round(float(value), 6)) for value in values)
