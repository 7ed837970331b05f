"""What `r2s robot inspect` shows of a robot: tree, masses, joints, actuators, colliders, repairs."""

from __future__ import annotations

from math import pi
from typing import Any

from r2s.artifacts.robot import EXACT_GROUP, TRAIN_GROUP, Joint, Robot
from r2s.cli.output import columns

JOINT_HEAD = ("joint", "kind", "limits", "home", "velocity", "effort", "actuator", "kp", "kd")
RESPONSE_HEAD = (
    "joint",
    "f [Hz]",
    "damping ratio",
    "step",
    "rise [s]",
    "overshoot",
    "restless",
    "told",
)
COLLIDER_HEAD = ("link", "exact", "training", "apart [mm]", "out [mm]", "volume", "bound")


def sheet(robot: Robot) -> str:
    """Return the whole sheet as text."""
    from r2s.engine.names import printable

    facts = document(robot)
    info = robot.info
    what = f"{info.kind}, {info.base} base" + (f", {info.drive} drive" if info.drive else "")
    lines = [f"{info.name}: {what}, {info.mass_kg:.3f} kg"]
    lines += [f"  {each}" for each in info.evidence]
    if info.ee_site:
        lines.append(f"  end effector {info.ee_site}, reach {info.reach_m:.2f} m")
    if info.feet:
        lines.append(f"  feet: {', '.join(info.feet)}")
    lines += ["", "tree"]
    lines += [
        f"  {'  ' * row['depth']}{row['link']}  {row['mass_kg']:.3f} kg"
        + (f"  <- {', '.join(row['joints'])}" if row["joints"] else "")
        for row in facts["tree"]
    ]
    if info.joints:
        lines += ["", columns([JOINT_HEAD, *map(_joint, info.joints)])]
        moved = [joint for joint in info.joints if joint.step is not None]
        lines += ["", columns([RESPONSE_HEAD, *map(_response, moved)])] if moved else []
    budget = facts["colliders"]
    rows = [_collider(link, each) for link, each in budget["links"].items()]
    lines += ["", columns([COLLIDER_HEAD, *rows])]
    lines.append(
        "apart, out: p95 distance of the link's surface from its training colliders, and of how far they "
        "stand out of it; volume: theirs over the link's"
    )
    lines.append(
        f"of {budget['link_pairs']} pairs of links {budget['excluded']} are left out; "
        f"{_load(budget, 'exact')}, {_load(budget, 'train')}"
    )
    if info.standing is not None:
        stance = info.standing
        lines.append(
            f"stands for 5 s held at home: tilt {stance.tilt_rad:.3f} rad, sinks {stance.sunk_m:.3f} m"
            if stance.stands
            else f"does not stand: {stance.why}"
        )
    lines += ["", f"{len(info.repairs)} repairs"]
    lines += [
        f"  {each.element}: {each.rule}: {each.before} -> {each.after} ({each.reason})"
        for each in info.repairs
    ]
    return "\n".join(printable(line) for line in "\n".join(lines).split("\n"))


def document(robot: Robot) -> dict[str, Any]:
    """Return the same as data."""
    from r2s.robot.write import compile_files

    model = compile_files(robot.files)
    names = [model.body(body).name for body in range(model.nbody)]
    depth = [0] * model.nbody
    tree = []
    for body in range(1, model.nbody):
        parent = int(model.body_parentid[body])
        depth[body] = depth[parent] + 1 if parent else 0
        first = int(model.body_jntadr[body])
        joints = range(first, first + int(model.body_jntnum[body]))
        tree.append(
            {
                "link": names[body],
                "depth": depth[body],
                "mass_kg": float(model.body_mass[body]),
                "joints": [model.joint(joint).name for joint in joints],
            }
        )
    info = robot.info.model_dump(mode="json", exclude={"chain", "exclude", "colliders"})
    return {"robot": info, "tree": tree, "colliders": _budget(robot, model, names)}


def _budget(robot: Robot, model, names: list[str]) -> dict[str, Any]:
    """Return colliders by link and set, how many pairs may touch, and what a step costs."""
    from r2s.robot.alone import steps_per_s

    count = {EXACT_GROUP: [0] * model.nbody, TRAIN_GROUP: [0] * model.nbody}
    for geom in range(model.ngeom):
        group = int(model.geom_group[geom])
        if group in count:
            count[group][int(model.geom_bodyid[geom])] += 1
    exact, train = count[EXACT_GROUP], count[TRAIN_GROUP]
    solid = [body for body in range(model.nbody) if exact[body] or train[body]]
    links = len(solid)
    return {
        "links": {
            names[body]: {
                "exact": exact[body],
                "train": train[body],
                **robot.info.colliders[names[body]].model_dump(mode="json"),
            }
            for body in solid
        },
        "link_pairs": links * (links - 1) // 2,
        "excluded": len(robot.info.exclude),
        "exact": sum(exact),
        "train": sum(train),
        "contact_pairs": dict(robot.info.contact_pairs),
        "steps_per_s": {
            name: round(steps_per_s(robot.files, robot.info, group))
            for name, group in (("exact", EXACT_GROUP), ("train", TRAIN_GROUP))
        },
    }


def _load(budget: dict[str, Any], which: str) -> str:
    count, pairs = budget[which], budget["contact_pairs"][which]
    return f"{which}: {count} colliders, {pairs} pairs, {budget['steps_per_s'][which]:,} steps/s"


def _collider(link: str, row: dict[str, Any]) -> tuple[str, ...]:
    apart, out = (f"{1000 * row[key]:.1f}" for key in ("surface_m", "outside_m"))
    kept = "kept" if row["within_bound"] else "missed"
    return (link, str(row["exact"]), row["shape"], apart, out, f"{row['volume_ratio']:.2f}", kept)


def _joint(joint: Joint) -> tuple[str, ...]:
    limits = f"{joint.low:.3g} {joint.high:.3g}" if joint.limited else "none"
    actuator = f"follows {joint.mimics}" if joint.mimics else joint.control
    if not joint.mimics and not joint.kp and not joint.kd:
        actuator = "none"
    numbers = (joint.home, joint.velocity, joint.effort)
    home, velocity, effort = (f"{value:.3g}" for value in numbers)
    return (
        joint.name, joint.kind, limits, home, velocity, effort, actuator,
        f"{joint.kp:.3g}", f"{joint.kd:.3g}",
    )  # fmt: skip


def _response(joint: Joint) -> tuple[str, ...]:
    """Return what a joint did after a small step of its command, and its motor."""
    step = joint.step
    assert step is not None
    frequency, ratio = "-", "-"
    if joint.kp > 0 and joint.inertia > 0:
        frequency = f"{(joint.kp / joint.inertia) ** 0.5 / (2 * pi):.1f}"
        ratio = f"{joint.kd / 2 / (joint.kp * joint.inertia) ** 0.5:.2f}"
    motor = joint.motor
    told = [step.fault or "ok"]
    if motor is not None:
        told.append(f"motor: {', '.join(f'{k} {v:g}' for k, v in motor if v)}")
    return (
        joint.name, frequency, ratio, f"{step.size:.3g}", f"{step.rise_s:.3f}",
        f"{100 * step.overshoot:.0f} %", f"{100 * step.restless:.1f} %", "; ".join(told),
    )  # fmt: skip
