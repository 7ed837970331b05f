"""Description to `Robot`: the decisions, in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from r2s.artifacts.robot import EXACT_GROUP, TRAIN_GROUP, Robot, RobotInfo
from r2s.core.context import StageContext
from r2s.core.errors import R2SError
from r2s.robot.actuators import decide_controls
from r2s.robot.alone import contact_pairs, stand
from r2s.robot.colliders import LinkColliders, fit_colliders
from r2s.robot.description import Description, Mesh, Site
from r2s.robot.ground import grounded
from r2s.robot.inertia import repair_inertias
from r2s.robot.kinds import classify
from r2s.robot.kinematics import chain_to_site
from r2s.robot.meshes import for_pictures
from r2s.robot.mimics import widen_followers
from r2s.robot.morphology import (
    Morphology,
    add_ee_site,
    body_points,
    frames_to_sites,
    weld_root,
    welded,
)
from r2s.robot.names import legal_name
from r2s.robot.posture import (
    choose_feet,
    choose_home,
    lowest_height,
    mimic_ids,
    stance_evidence,
    without_home_contacts,
)
from r2s.robot.profile import (
    add_named_site,
    apply_to_joints,
    apply_to_morphology,
    of_file,
    read_profile,
)
from r2s.robot.response import with_step_responses
from r2s.robot.selfcollision import (
    Samples,
    excluded_pairs,
    sample_configurations,
    touching,
)
from r2s.robot.sources import is_mjcf
from r2s.robot.write import compile_files, write_robot

if TYPE_CHECKING:
    from r2s.robot.stage import Config

DEFAULT_BASE_RADIUS_M = 0.05
GENERIC_STEMS = frozenset({"robot", "model", "urdf", "description", "scene", "mjcf"})


def import_robot(path: Path, config: Config, context: StageContext) -> Robot:
    """Return the robot that a URDF or MJCF file describes.

    Raises:
        R2SError: the file cannot be read, or no simulation of it is possible.
    """
    profile = read_profile(config.profile_file)
    robot = _read(path, config)
    repair_inertias(robot)
    widen_followers(robot)
    frames_to_sites(robot)
    if config.strict:
        refuse_repairs(robot, path)
    with of_file(config.profile_file):
        apply_to_joints(robot, profile)
    context.progress("robot: colliders", 0.2, 1.0)
    colliders = fit_colliders(robot)
    _thin_visuals(robot)
    context.stop_if_cancelled()
    named = profile.end_effector
    with of_file(config.profile_file):
        morphology = apply_to_morphology(robot, classify(robot), profile)
        ee_site = add_named_site(robot, named) if named else add_ee_site(robot, morphology)
    floating = _floating(robot, morphology, config)
    imu_site = _imu_site(robot) if floating else ""
    context.progress("robot: self-collision", 0.4, 1.0)
    samples = _sample(robot, colliders, config.samples, context)
    exclude = excluded_pairs(samples, sorted(colliders), _adjacent(robot, colliders))
    context.progress("robot: home pose", 0.8, 1.0)
    plain = _compile(robot, colliders, exclude, path)
    home, reach = choose_home(robot, plain, morphology, ee_site, samples, context.seed)
    feet = profile.feet or choose_feet(robot, plain, morphology, home)
    if floating and colliders:
        wheels = morphology.wheels
        colliders = grounded(robot, plain, home, colliders, feet=feet, wheels=wheels)
        plain = _compile(robot, colliders, exclude, path)
    exclude = without_home_contacts(robot, plain, home, exclude)
    controls = decide_controls(
        robot,
        plain,
        home,
        samples.qpos,
        natural_frequency_hz=config.natural_frequency_hz,
        damping_ratio=config.damping_ratio,
        wheels=morphology.wheels,
        legs=[leg.joints for leg in morphology.legs] if floating else (),
    )
    files = write_robot(robot, colliders, controls=controls, exclude=exclude)
    model = compile_files(files)
    base = robot.bodies[0].name
    lowest = lowest_height(model, home)
    if config.strict:
        refuse_repairs(robot, path)
    info = RobotInfo(
        name=_name(robot, path, config),
        kind=morphology.kind,
        evidence=(*morphology.evidence, *stance_evidence(model, home, feet)),
        base="floating" if floating else "fixed",
        base_body=base,
        joints=controls.joints,
        actuators=controls.actuators,
        gripper=tuple(name for name in morphology.gripper if name in controls.actuators),
        chain=chain_to_site(model, base, ee_site) if ee_site else None,
        ee_site=ee_site,
        feet=feet,
        wheels=morphology.wheels,
        drive=morphology.drive,
        action_scale=profile.action_scale,
        imu_site=imu_site,
        base_height_m=round(-lowest, 6) if floating else 0.0,
        reach_m=round(reach, 6),
        base_radius_m=round(_base_radius(robot), 6),
        mass_kg=float(f"{sum(body.mass for body in robot.bodies):.9g}"),
        repairs=tuple(robot.repairs),
        exclude=exclude,
        colliders={name: found.fit for name, found in sorted(colliders.items())},
        contact_pairs={
            "exact": contact_pairs(model, EXACT_GROUP),
            "train": contact_pairs(model, TRAIN_GROUP),
        },
        source_format=robot.source_format,
    )
    info = info.model_copy(update={"joints": with_step_responses(files, info)})
    if floating and (morphology.legs or morphology.wheels):
        info = info.model_copy(update={"standing": stand(files, info)})
    context.progress("robot: done", 1.0, 1.0)
    return Robot(info, files)


# Done to files that are right, because of what MuJoCo reads and how much.
CONVERSIONS = frozenset({"mesh-converted", "mesh-decimated", "visual-thinned"})


def refuse_repairs(robot: Description, path: Path) -> None:
    """Refuse a robot that is not as its file says (`--strict`).

    Raises:
        R2SError: it names the first repair.
    """
    repairs = [each for each in robot.repairs if each.rule not in CONVERSIONS]
    if repairs:
        first, count = repairs[0], len(repairs)
        raise R2SError(
            "R2S-ROBOT-032",
            f"{first.element} needs the repair {first.rule}: {first.before} -> {first.after}",
            where=str(path),
            why=f"{first.reason}; it is the first of {count} so far, and --strict repairs nothing",
            remedy=f"mend the file, or r2s robot inspect {path}   # lists all repairs",
        )


def _read(path: Path, config: Config) -> Description:
    if is_mjcf(path):
        from r2s.robot.mjcf import read_mjcf

        return read_mjcf(path, config.package_folders)
    from r2s.robot.urdf import read_urdf

    return read_urdf(path, config.package_folders)


def _thin_visuals(robot: Description) -> None:
    """Replace visual meshes that are finer than any picture of them; show colliders if there are none."""
    if not any(body.visuals for body in robot.bodies):
        for body in robot.bodies:
            body.visuals = [replace(shape) for shape in body.collisions]
    thinned: dict[int, Mesh] = {}
    originals = []  # kept alive, so that no id is given twice
    for shape in (shape for body in robot.bodies for shape in body.visuals):
        if shape.mesh is None:
            continue
        key, faces = id(shape.mesh), len(shape.mesh.faces)
        if key not in thinned:
            original = shape.mesh
            originals.append(original)
            thinned[key] = for_pictures(original)
            if thinned[key] is not original:
                robot.repair(
                    "visual-thinned",
                    original.name,
                    f"{faces} faces",
                    f"{len(thinned[key].faces)} faces",
                    "finer than pictures show; colliders come from the original",
                )
        shape.mesh = thinned[key]


def _floating(robot: Description, morphology: Morphology, config: Config) -> bool:
    if config.base != "auto":
        return config.base == "floating"
    if robot.floating is not None:
        return robot.floating
    # A base whose wheels the file fixes stands where it is put.
    return morphology.kind in ("quadruped", "biped", "aerial") or bool(morphology.wheels)


def _imu_site(robot: Description) -> str:
    """Return the site of the inertial unit on the base, adding one at its origin if there is none."""
    base = robot.bodies[0].name
    group = {body.name for body in welded(robot, base)}
    for site in robot.sites:
        if site.body in group and "imu" in site.name.lower():
            return site.name
    name = "imu" if all(site.name != "imu" for site in robot.sites) else "imu_r2s"
    robot.sites.append(Site(name, base, np.eye(4)))
    return name


def _compile(
    robot: Description,
    colliders: Mapping[str, LinkColliders],
    exclude,
    path: Path,
    groups=(EXACT_GROUP, TRAIN_GROUP),
):
    try:
        return compile_files(write_robot(robot, colliders, exclude=exclude, groups=groups))
    except ValueError as exc:
        raise R2SError(
            "R2S-ROBOT-020",
            "MuJoCo refuses the robot after all repairs",
            where=str(path),
            why=str(exc).strip(),
            remedy="repair the named element in the description and run the command again",
        ) from exc


def _sample(robot, colliders, count: int, context: StageContext) -> Samples:
    exact = _compile(robot, colliders, (), Path(robot.name), (EXACT_GROUP,))
    train = _compile(robot, colliders, (), Path(robot.name), (TRAIN_GROUP,))
    qpos = sample_configurations(exact, mimic_ids(robot, exact), count, context.seed)
    return Samples(qpos, touching(exact, qpos), touching(train, qpos))


def _adjacent(robot: Description, colliders) -> list[tuple[str, str]]:
    """Return pairs of links joined by one joint; a fixed base and its first link are such a pair."""
    root = {body.name: weld_root(robot, body.name) for body in robot.bodies}
    pairs = []
    for one in colliders:
        for other in colliders:
            parent = robot.body(root[other]).parent
            if root[one] != root[other] and parent is not None and root[parent] == root[one]:
                pairs.append((one, other))
    return pairs


def _base_radius(robot: Description) -> float:
    base = robot.bodies[0].name
    points = body_points(robot, [body.name for body in welded(robot, base)], base)
    if not len(points):
        return DEFAULT_BASE_RADIUS_M
    return float(np.hypot(points[:, 0], points[:, 1]).max())


def _name(robot: Description, path: Path, config: Config) -> str:
    """Return the name given, else the file's, else what the description calls itself."""
    stem = "" if path.stem.lower() in GENERIC_STEMS else path.stem
    return (legal_name(config.robot_name or stem or robot.name) or "robot").lower()
