"""What varies between copies by default: what nobody measured, and what wears and drifts."""

from __future__ import annotations

from typing import Any

from r2s.artifacts.randomization import Randomize
from r2s.artifacts.reconstruction import Reconstruction
from r2s.artifacts.scene import ROBOT_PREFIX
from r2s.tasks.specs import task_kind

# Bounds of a factor on a thing's mass: reconstruct states ranges that span a decade for closed boxes.
MASS_FACTORS = (0.3, 3.0)


_OF_JOINTS = (
    Randomize(
        name="joint_bias", target="signal", select="joint_pos", field="bias", operation="add",
        low=-0.01, high=0.01, per="target",
    ),
    Randomize(
        name="action_latency", target="action", field="latency", operation="abs", low=0.0, high=0.02
    ),
    Randomize(
        name="sensor_noise", target="signal", select="joint_*", field="noise", operation="scale",
        low=0.5, high=2.0,
    ),
)  # fmt: skip
# A localisation is off by some centimetres for as long as it looks at the same walls.
_OF_A_BASE = (
    Randomize(
        name="localisation_bias", target="signal", select="base_pos", field="bias", operation="add",
        low=-0.04, high=0.04, per="target",
    ),
    Randomize(
        name="action_latency", target="action", field="latency", operation="abs", low=0.0, high=0.05
    ),
    Randomize(
        name="sensor_noise", target="signal", select="[!j]*", field="noise", operation="scale",
        low=0.5, high=2.0,
    ),
)  # fmt: skip


def default_randomization(
    task: str,
    movable: tuple[str, ...],
    reconstruction: Reconstruction,
    *,
    damping: bool,
    friction: bool,
    free: tuple[str, ...],
) -> tuple[Randomize, ...]:
    """Return the list for a task in a scene.

    Args:
        damping: a joint of the robot has damping of its own (a factor on 0 would change nothing).
        free: the movable things that training does not hold in place; of others the mass means nothing.
        friction: the scene has colliders besides the robot's (something to slide on).
    """
    entries = [
        Randomize(
            name="gain", target="actuator", field="gain", operation="scale", low=0.85, high=1.15
        ),
        Randomize(
            name="link_mass", target="body", select=f"{ROBOT_PREFIX}*", field="mass",
            operation="scale", low=0.9, high=1.1, when="run",
        ),
        *(_OF_A_BASE if task_kind(task).robot == "base" else _OF_JOINTS),
    ]  # fmt: skip
    if damping:
        entries.append(
            Randomize(
                name="joint_damping", target="joint", select=f"{ROBOT_PREFIX}*", field="damping",
                operation="scale", low=0.7, high=1.4,
            )
        )  # fmt: skip
    if friction:
        entries.append(
            Randomize(
                name="friction", target="geom", field="friction", operation="scale", low=0.6,
                high=1.4,
            )
        )  # fmt: skip
    if free:
        low, high = _mass_factors(free, reconstruction)
        entries.append(
            Randomize(
                name="object_mass", target="object", field="mass",
                select="*" if free == movable else free[0], operation="scale",
                distribution="loguniform", low=low, high=high, per="target",
            )
        )  # fmt: skip
    if movable:
        entries.append(
            Randomize(
                name="object_position", target="object", field="position", operation="add",
                low=-0.005, high=0.005, per="target",
            )
        )  # fmt: skip
    if task_kind(task).robot == "arm":
        entries.append(
            Randomize(
                name="base_position", target="base", field="position", operation="add",
                low=-0.005, high=0.005,
            )
        )  # fmt: skip
    return tuple(entries)


def has_joint_damping(model: Any) -> bool:
    """Whether a robot's joint in an `MjModel` has damping besides its actuator's."""
    return any(
        model.dof_damping[dof] > 0
        for dof, joint in enumerate(model.dof_jntid)
        if model.joint(joint).name.startswith(ROBOT_PREFIX)
    )


def _mass_factors(movable: tuple[str, ...], reconstruction: Reconstruction) -> tuple[float, float]:
    """Return the widest factors that stay within every movable thing's mass range, bounded."""
    ratios = [
        (body.mass_kg.low / body.mass_kg.value, body.mass_kg.high / body.mass_kg.value)
        for body in reconstruction.info.bodies
        if body.name in movable and body.mass_kg and body.mass_kg.value > 0
    ]
    low = max([MASS_FACTORS[0], *(r[0] for r in ratios)])
    high = min([MASS_FACTORS[1], *(r[1] for r in ratios)])
    low, high = min(low, 0.95), max(high, 1.05)
    return round(low, 4), round(high, 4)
