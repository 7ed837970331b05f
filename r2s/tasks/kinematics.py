"""Signals derived from measured ones, in JAX: forward kinematics, gravity, a base's view of its goal.

`r2s.edge` has the same functions in numpy; a test holds them equal. Everything is elementwise on
purpose: batched 3x3 matrix products are slow on XLA's CPU backend, and a position needs none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from r2s.artifacts.kinematics import Chain, Link
from r2s.core.errors import R2SError
from r2s.core.rigid import quat_to_matrix

# As in `r2s.edge.kinematics`: what small scanners see reliably indoors; where nearness is a half.
LASER_RANGE_M, HALF_NEAR_M = 5.0, 0.5


def chain_position(chain: Chain, joints: Sequence[str]) -> Callable[[jax.Array], jax.Array]:
    """Return f: positions (joints,) [rad or m] -> tip position (3,) [m] in the chain's base frame.

    The tip is carried from the last link to the base, so each link costs one rotation of a vector
    (Rodrigues' formula about the joint's anchor). A scan over the links, because unrolling them
    multiplies the compile time of everything that contains this.

    Raises:
        R2SError: the chain moves with a joint that is not in `joints` (`R2S-TASK-003`).
    """
    table = _table(chain, joints)

    def carry(p: jax.Array, row: tuple[dict[str, jax.Array], jax.Array]):
        return _point(p, *row), None

    def position(q: jax.Array) -> jax.Array:
        return jax.lax.scan(carry, jnp.zeros(3, jnp.float32), _rows(table, q))[0]

    return position


def chain_axes(chain: Chain, joints: Sequence[str]) -> Callable[[jax.Array], jax.Array]:
    """Return f: positions (joints,) [rad or m] -> the tip's axes x, y, z (3, 3) in the base frame.

    Row k is axis k, so the rows are the transpose of the rotation from tip to base. Carried like
    `chain_position`; the third axis is the product of the first two.

    Raises:
        R2SError: the chain moves with a joint that is not in `joints` (`R2S-TASK-003`).
    """
    table = _table(chain, joints)

    def carry(axes: tuple[jax.Array, ...], row: tuple[dict[str, jax.Array], jax.Array]):
        return tuple(_direction(axis, *row) for axis in axes), None

    def axes(q: jax.Array) -> jax.Array:
        first = (jnp.array([1.0, 0.0, 0.0]), jnp.array([0.0, 1.0, 0.0]))
        x, y = jax.lax.scan(carry, first, _rows(table, q))[0]
        return jnp.stack([x, y, cross(x, y)])

    return axes


def turn_to(axes: jax.Array, goal_quat_wxyz: jax.Array) -> jax.Array:
    """Return the turn (4,) that remains from a frame to an orientation: sine times axis, and cosine.

    The axis is in the frame that both are given in. Smooth for every angle, unlike a rotation vector.

    Args:
        axes: (3, 3) axes of the frame, one a row.
    """
    wanted = quat_axes(goal_quat_wxyz)
    sine = 0.5 * sum(cross(axes[k], wanted[k]) for k in range(3))
    return jnp.append(sine, 0.5 * (jnp.sum(axes * wanted) - 1.0))


def quat_axes(quat_wxyz: jax.Array) -> jax.Array:
    """Return the axes x, y, z (3, 3), one a row, of the orientation `quat_wxyz` (4,)."""
    w, x, y, z = quat_wxyz / jnp.maximum(jnp.sqrt(jnp.sum(quat_wxyz**2)), 1e-6)
    return jnp.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)],
            [2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)],
            [2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _point(p: jax.Array, link: dict[str, jax.Array], q: jax.Array) -> jax.Array:
    """Return a point of a link's own frame in its parent's."""
    moved = q - link["reference"]
    turned = link["anchor"] + rotate_about(link["axis"], moved, p - link["anchor"])
    p = jnp.where(link["hinge"], turned, p + link["axis"] * (moved * link["slide"]))
    r = link["rotation"]
    return link["translation"] + r[:, 0] * p[0] + r[:, 1] * p[1] + r[:, 2] * p[2]


def _direction(d: jax.Array, link: dict[str, jax.Array], q: jax.Array) -> jax.Array:
    d = jnp.where(link["hinge"], rotate_about(link["axis"], q - link["reference"], d), d)
    r = link["rotation"]
    return r[:, 0] * d[0] + r[:, 1] * d[1] + r[:, 2] * d[2]


def _rows(table: dict[str, np.ndarray], q: jax.Array) -> tuple[dict[str, jax.Array], jax.Array]:
    return jax.tree.map(jnp.asarray, table), q[table["index"]]


def _table(chain: Chain, joints: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the links' constants, tip first, each stacked."""
    names = list(joints)
    missing = [name for name in chain.joints if name not in names]
    if missing:
        raise R2SError(
            "R2S-TASK-003",
            f"the chain to {chain.tip} needs joints that the signal joint_pos lacks: {missing}",
            where=f"joint_pos has {names}",
            why="forward kinematics without them would be wrong",
            remedy="r2s build-scene --rebuild",
        )
    links = [_step(link, names) for link in reversed(chain.links)]
    return {name: np.stack([link[name] for link in links]) for name in links[0]}


def _step(link: Link, names: list[str]) -> dict[str, np.ndarray]:
    axis = np.asarray(link.axis, np.float32)
    return {
        "rotation": np.asarray(quat_to_matrix(link.quaternion), np.float32),
        "translation": np.asarray(link.position, np.float32),
        "axis": axis / np.linalg.norm(axis),
        "anchor": np.asarray(link.anchor, np.float32),
        "reference": np.asarray(link.reference, np.float32),
        "index": np.asarray(names.index(link.joint) if link.joint else 0, np.int32),
        "hinge": np.asarray(bool(link.joint) and link.kind == "hinge"),
        "slide": np.asarray(bool(link.joint) and link.kind == "slide", np.float32),
    }


def rotate_about(axis: jax.Array | np.ndarray, angle: jax.Array, p: jax.Array) -> jax.Array:
    """Return p (3,) turned by `angle` [rad] about the unit vector `axis` (3,)."""
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    return p * cosine + cross(axis, p) * sine + axis * (jnp.sum(axis * p) * (1.0 - cosine))


def rotate_inverse(quat_wxyz: jax.Array, v: jax.Array) -> jax.Array:
    """Return v (3,) of the world in the frame whose orientation is `quat_wxyz` (4,)."""
    w, u = quat_wxyz[0], -quat_wxyz[1:]
    t = 2.0 * cross(u, v)
    return v + w * t + cross(u, t)


def projected_gravity(quat_wxyz: jax.Array) -> jax.Array:
    """Return the unit gravity vector (3,) in the base frame; upright is (0, 0, -1)."""
    unit = quat_wxyz / jnp.maximum(jnp.sqrt(jnp.sum(quat_wxyz**2)), 1e-6)
    return rotate_inverse(unit, jnp.array([0.0, 0.0, -1.0], jnp.float32))


def heading(quat_wxyz: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the unit vectors (2,) of a base's forward and left in the world's plane."""
    w, x, y, z = quat_wxyz / jnp.maximum(jnp.sqrt(jnp.sum(quat_wxyz**2)), 1e-6)
    forward = jnp.stack([1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z)])
    forward = forward / jnp.maximum(jnp.sqrt(jnp.sum(forward**2)), 1e-6)
    return forward, jnp.stack([-forward[1], forward[0]])


def base_to_goal(base_pos: jax.Array, base_quat_wxyz: jax.Array, goal_pos: jax.Array) -> jax.Array:
    """Return the goal (2,) [m] ahead and to the left of a base (3,) at a heading; all in the world."""
    gap = goal_pos[:2] - base_pos[:2]
    return jnp.stack([jnp.sum(gap * axis) for axis in heading(base_quat_wxyz)])


def phase(clock_s: jax.Array, period_s: float) -> jax.Array:
    """Return sine and cosine (2,) of a clock that turns once in `period_s`."""
    angle = 2.0 * jnp.pi * jnp.fmod(clock_s / period_s, 1.0)
    return jnp.stack([jnp.sin(angle), jnp.cos(angle)])


def goal_direction(
    base_pos: jax.Array, base_quat_wxyz: jax.Array, goal_pos: jax.Array
) -> jax.Array:
    """Return (2,) where a goal is: ahead, left; 0 there, 1 far away. See `r2s.edge.kinematics`."""
    to_goal = base_to_goal(base_pos, base_quat_wxyz, goal_pos)
    return to_goal / (HALF_NEAR_M + jnp.sqrt(jnp.sum(to_goal**2)))


def laser_nearness(ranges: jax.Array) -> jax.Array:
    """Return (n,) 1 at the scanner, falling with distance [m] to what nothing within `LASER_RANGE_M` is.

    Not positive, not finite or beyond the range: nothing came back. Near things get most of the scale.
    """
    return HALF_NEAR_M / (HALF_NEAR_M + seen_ranges(ranges))


def seen_ranges(ranges: jax.Array) -> jax.Array:
    """Return distances (n,) [m] with `LASER_RANGE_M` where nothing came back."""
    return jnp.where((ranges > 0.0) & (ranges < LASER_RANGE_M), ranges, LASER_RANGE_M)


def length(vector: jax.Array) -> jax.Array:
    """Return a vector's length, with a gradient at 0 too."""
    return jnp.sqrt(jnp.sum(vector**2) + 1e-12)


def cross(a: jax.Array | np.ndarray, b: jax.Array) -> jax.Array:
    """Return a x b of (3,) vectors."""
    return jnp.stack(
        [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
    )
