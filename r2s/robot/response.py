"""How each joint answers to a small step of its command: rise time, overshoot, rest."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from r2s.artifacts.robot import TRAIN_GROUP, Joint, RobotInfo, StepResponse
from r2s.core.rigid import Array
from r2s.robot.actuators import LARGEST_STEP, WHEEL_SPEED
from r2s.robot.alone import alone

SHARE = 0.1  # of the range, or of the speed limit
SETTLE_S, RECORD_S, REST_S = 0.5, 1.0, 0.1
MAX_OVERSHOOT = 0.2
MIN_REACHED = 0.8
MAX_RESTLESS = 0.02  # share of the step
CHATTER = 3  # turns within the time of rest: it does not creep, it shakes
SATURATED = 0.99


def with_step_responses(files: Mapping[str, bytes], info: RobotInfo) -> tuple[Joint, ...]:
    """Return the joints, those with an actuator with their step response."""
    import mujoco

    model, data = alone(files, info, TRAIN_GROUP, floor=False)
    model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_CONTACT
    mujoco.mj_step(model, data, nstep=round(SETTLE_S / model.opt.timestep))
    settled = mujoco.MjData(model)
    mujoco.mj_copyData(settled, model, data)
    found = []
    for joint in info.joints:
        if joint.name in info.actuators:
            mujoco.mj_copyData(data, model, settled)
            joint = joint.model_copy(update={"step": _response(model, data, joint)})
        found.append(joint)
    return tuple(found)


def _response(model, data, joint: Joint) -> StepResponse:
    size = _size(joint)
    signal, force = _record(model, data, joint, size)
    rest = round(REST_S / model.opt.timestep)
    start, end = float(signal[0]), float(signal[-rest:].mean())
    reached = (end - start) / size
    last = np.abs(force[-rest:]).min()
    if not np.isfinite(signal).all() or abs(reached) < 1e-3:
        overshoot = rise = 0.0
        reached = reached if np.isfinite(reached) else 0.0
        restless = 0.0
    else:
        way = (signal - start) / (end - start)
        overshoot = max(float(way.max()) - 1, 0.0)
        rise = float(np.argmax(way >= 0.9) - np.argmax(way >= 0.1)) * model.opt.timestep
        restless = float(np.ptp(signal[-rest:])) / abs(size)
    response = StepResponse(
        size=round(size, 6),
        reached=round(reached, 3),
        rise_s=round(rise, 3),
        overshoot=round(overshoot, 3),
        restless=round(restless, 3),
    )
    turns = int((np.diff(np.sign(np.diff(signal[-rest:]))) != 0).sum())
    fault = _fault(response, joint, saturated=bool(last >= SATURATED * joint.effort), turns=turns)
    return response.model_copy(update={"fault": fault})


def _fault(step: StepResponse, joint: Joint, *, saturated: bool, turns: int) -> str:
    if saturated:
        return f"its limit of {joint.effort:.3g} is used up by what it carries"
    if step.restless > MAX_RESTLESS:
        return "it chatters" if turns >= CHATTER else f"still moves after {RECORD_S:g} s"
    if step.reached < MIN_REACHED:
        return f"goes {100 * step.reached:.0f} % of the step: its gains are too low for what holds it back"
    if step.overshoot > MAX_OVERSHOOT:
        return f"overshoots by {100 * step.overshoot:.0f} %"
    return ""


def _size(joint: Joint) -> float:
    """Return the step, towards the middle of the range."""
    if joint.control == "velocity":
        return min(SHARE * joint.velocity, WHEEL_SPEED[joint.kind])
    size = min(SHARE * (joint.high - joint.low), LARGEST_STEP[joint.kind])
    return size if joint.home <= (joint.low + joint.high) / 2 else -size


def _record(model, data, joint: Joint, size: float) -> tuple[Array, Array]:
    """Return (n,) positions, or velocities of a velocity actuator, and (n,) efforts after the step."""
    import mujoco

    number = model.joint(joint.name).id
    actuator = model.actuator(joint.name).id
    where, dof = int(model.jnt_qposadr[number]), int(model.jnt_dofadr[number])
    values, at = (data.qvel, dof) if joint.control == "velocity" else (data.qpos, where)
    steps = round(RECORD_S / model.opt.timestep)
    commands = _commands(joint, float(data.ctrl[actuator]), size, steps, model.opt.timestep)
    limits = model.actuator_forcerange[actuator].copy()
    signal, force = np.zeros(steps + 1), np.zeros(steps)
    signal[0] = values[at]
    for index in range(steps):
        data.ctrl[actuator] = commands[index]
        if joint.motor is not None and joint.motor.no_load_velocity is not None:
            model.actuator_forcerange[actuator] = _line(joint, float(data.qvel[dof]))
        mujoco.mj_step(model, data)
        signal[index + 1], force[index] = values[at], data.actuator_force[actuator]
    model.actuator_forcerange[actuator] = limits
    return signal, force


def _commands(joint: Joint, start: float, size: float, steps: int, timestep_s: float) -> Array:
    """Return what reaches the joint: late by the motor's delay, short by half its backlash."""
    motor = joint.motor
    commands = np.full(steps, start + size)
    if motor is None:
        return commands
    commands -= np.sign(size) * min(motor.backlash / 2, abs(size))
    commands[: round(motor.delay_s / timestep_s)] = start
    return commands


def _line(joint: Joint, speed: float) -> tuple[float, float]:
    """Return the lowest and highest effort at a speed: a line from stall to no load, within the limit."""
    motor = joint.motor
    assert (
        motor is not None and motor.stall_effort is not None and motor.no_load_velocity is not None
    )
    share = speed / motor.no_load_velocity
    low, high = -motor.stall_effort * (1 + share), motor.stall_effort * (1 - share)
    return (
        float(np.clip(low, -joint.effort, 0.0)),
        float(np.clip(high, 0.0, joint.effort)),
    )
