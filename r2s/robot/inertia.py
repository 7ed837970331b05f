"""Which inertias a rigid body can have, and the nearest possible one for those it cannot."""

from __future__ import annotations

import numpy as np

from r2s.core.rigid import Array
from r2s.robot.description import Body, Description, Mesh, Shape

# Plastic shells, motors and air together: the density of a link of which only the shape is known.
ASSUMED_DENSITY_KG_M3 = 1000.0
MIN_MASS_KG = 1e-3
MIN_RADIUS_OF_GYRATION_M = 1e-3
# A valid inertia printed with five digits may miss A + B >= C by this share of its trace.
ROUNDING = 1e-4


def repair_inertias(robot: Description) -> None:
    """Give every body a mass and an inertia that MuJoCo and physics accept, and log each change."""
    for body in robot.bodies:
        if body.mass <= 0 or body.inertia is None or not np.any(body.inertia):
            _fill_missing(robot, body)
        elif (fixed := nearest_possible(body.inertia, body.mass)) is not None:
            robot.repair(
                "impossible-inertia",
                body.name,
                _text(body.inertia),
                _text(fixed),
                "principal moments must be positive and each no larger than the sum of the others",
            )
            body.inertia = fixed


def nearest_possible(inertia: Array, mass: float) -> Array | None:
    """Return the physically possible inertia nearest to `inertia`, or None if it is possible.

    The second moments of mass, 0.5 tr(I) 1 - I, must have no negative eigenvalue; negative ones are
    raised to that of a body of MIN_RADIUS_OF_GYRATION_M.
    """
    second = 0.5 * np.trace(inertia) * np.eye(3) - inertia
    values, axes = np.linalg.eigh(0.5 * (second + second.T))
    floor = mass * MIN_RADIUS_OF_GYRATION_M**2 / 3
    principal = values.sum() - values
    if values.min() >= 0 and principal.min() > 0:
        return None
    if values.min() > -ROUNDING * np.abs(values).sum() and principal.min() > 0:
        floor = 0.0
    raised = np.maximum(values, floor)
    second = axes @ np.diag(raised) @ axes.T
    return np.trace(second) * np.eye(3) - second


def _fill_missing(robot: Description, body: Body) -> None:
    """Repair a missing mass or inertia, if the body moves by itself; frames stay massless."""
    shapes = body.collisions or body.visuals
    if not _must_have_mass(robot, body):
        if (
            body.mass > 0
        ):  # a mass without inertia: a point mass is possible for a body that is welded
            body.inertia = body.mass * MIN_RADIUS_OF_GYRATION_M**2 * np.eye(3)
            robot.repair(
                "missing-inertia", body.name, "none", _text(body.inertia), "it has a mass only"
            )
        else:
            body.mass, body.inertia = 0.0, None
        return
    before = f"mass {body.mass:g} kg, inertia {'none' if body.inertia is None else 'zero'}"
    volume, com, unit_inertia = volume_properties(shapes)
    if volume > 0:
        known = body.mass > 0
        mass = body.mass if known else max(volume * ASSUMED_DENSITY_KG_M3, MIN_MASS_KG)
        body.com = com if not known or not np.any(body.com) else body.com
        body.mass, body.inertia = mass, unit_inertia * (mass / volume)
        body.inertia += mass * MIN_RADIUS_OF_GYRATION_M**2 * 0.1 * np.eye(3)
        reason = (
            f"a moving link needs both; taken from its shape at {ASSUMED_DENSITY_KG_M3:.0f} kg/m3"
        )
        if known:
            reason = "a moving link needs an inertia; taken from its shape and its mass"
    else:
        body.mass = max(body.mass, MIN_MASS_KG)
        body.inertia = body.mass * MIN_RADIUS_OF_GYRATION_M**2 * np.eye(3)
        reason = "a moving link needs both, and it has no shape to take them from"
    robot.repair(
        "missing-inertia",
        body.name,
        before,
        f"mass {body.mass:.4g} kg, {_text(body.inertia)}",
        reason,
    )


def _must_have_mass(robot: Description, body: Body) -> bool:
    """Whether nothing that is welded to a moving body has mass."""
    moving = bool(body.joints) or (body.parent is None and bool(robot.floating))
    return moving and welded_mass(robot, body) <= 0


def welded_mass(robot: Description, body: Body) -> float:
    """Return the usable mass of a body and of all that is welded below it."""
    own = body.mass if body.inertia is not None and np.any(body.inertia) else 0.0
    below = [child for child in robot.children(body.name) if not child.joints]
    return own + sum(welded_mass(robot, child) for child in below)


def volume_properties(shapes: list[Shape]) -> tuple[float, Array, Array]:
    """Return volume [m^3], centroid (3,) and inertia (3, 3) about it at density 1, body frame.

    Meshes count as their convex hulls; overlaps count twice.
    """
    from r2s.robot.shapes import surface_mesh

    total, moment, about_origin = 0.0, np.zeros(3), np.zeros((3, 3))
    for shape in shapes:
        volume, centre, inertia = mesh_moments(surface_mesh(shape))
        total += volume
        moment += volume * centre
        about_origin += inertia + volume * (centre @ centre * np.eye(3) - np.outer(centre, centre))
    if total < 1e-12:
        return 0.0, np.zeros(3), np.zeros((3, 3))
    com = moment / total
    return total, com, about_origin - total * (com @ com * np.eye(3) - np.outer(com, com))


def mesh_moments(mesh: Mesh) -> tuple[float, Array, Array]:
    """Return volume, centroid and inertia about it of a closed, outward-wound mesh at density 1.

    Exact integrals over the tetrahedra that each triangle spans with a point inside.
    """
    origin = mesh.vertices.mean(axis=0)
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces] - origin, 1, 0)
    volumes = np.einsum("ij,ij->i", a, np.cross(b, c)) / 6
    volume = volumes.sum()
    if volume < 1e-15:
        return 0.0, origin, np.zeros((3, 3))
    centre = np.einsum("i,ij->j", volumes, a + b + c) / (4 * volume)
    s = a + b + c
    second = sum(np.einsum("i,ij,ik->jk", volumes, v, v) for v in (a, b, c, s)) / 20
    second = second - volume * np.outer(centre, centre)
    return float(volume), origin + centre, np.trace(second) * np.eye(3) - second


def _text(inertia: Array | None) -> str:
    if inertia is None:
        return "no inertia"
    values = np.linalg.eigvalsh(0.5 * (inertia + inertia.T))
    return "principal moments " + " ".join(f"{value:.4g}" for value in values)
