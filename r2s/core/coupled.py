"""Joints that an equality makes follow another: the second finger of a gripper.

Physics pulls them along; positions that are set by hand have to bring them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Follower:
    """A joint that follows another: `q = at + sum_k law[k] (q_leader - leader_at)^k`, as MuJoCo has it.

    Attributes:
        address, leader: in qpos; -1 for no leader, where the first coefficient alone counts.
        at, leader_at: positions of the reference pose [rad or m].
        law: five coefficients.
    """

    address: int
    leader: int
    at: float
    leader_at: float
    law: tuple[float, ...]


def followers(model: Any) -> tuple[Follower, ...]:
    """Return the joints of an `MjModel` that follow another, leaders of others first."""
    import mujoco

    found = []
    for each in range(model.neq):
        if model.eq_type[each] != mujoco.mjtEq.mjEQ_JOINT or not model.eq_active0[each]:
            continue
        one, other = int(model.eq_obj1id[each]), int(model.eq_obj2id[each])
        address = int(model.jnt_qposadr[one])
        leader = int(model.jnt_qposadr[other]) if other >= 0 else -1
        start = float(model.qpos0[leader]) if leader >= 0 else 0.0
        law = tuple(float(value) for value in model.eq_data[each, :5])
        found.append(Follower(address, leader, float(model.qpos0[address]), start, law))
    led = {follower.address for follower in found}
    return tuple(sorted(found, key=lambda follower: follower.leader in led))


def brought(
    qpos: Any, coupled: tuple[Follower, ...], put: Callable[[Any, int, Any], Any] | None = None
) -> Any:
    """Return positions (nq,) with every follower where its leader asks it to be.

    Args:
        put: f(qpos, address, value) -> qpos for arrays that are not written to in place.
    """
    for follower in coupled:
        gone = qpos[follower.leader] - follower.leader_at if follower.leader >= 0 else 0.0
        value = follower.at + sum(c * gone**k for k, c in enumerate(follower.law) if c)
        if put:
            qpos = put(qpos, follower.address, value)
        else:
            qpos[follower.address] = value
    return qpos
