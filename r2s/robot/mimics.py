"""Joints that follow others, and limits that do not let them."""

from __future__ import annotations

from r2s.robot.description import Description

# A follower that may go along less than this share of its leader's travel is stated wrong, not stopped.
_USABLE = 0.5


def widen_followers(robot: Description) -> None:
    """Give a follower the range its leader takes it through, where its own forbids most of that.

    PR2's right fingers follow with -1 but may go from 0 up only: limit and coupling would fight.
    """
    joints = {joint.name: joint for joint in robot.joints}
    for joint in robot.joints:
        if joint.mimic is None or not joint.limited:
            continue
        leader = joints[joint.mimic[0]]
        ends = [joint.mimic[1] * value + joint.mimic[2] for value in (leader.low, leader.high)]
        low, high = min(ends), max(ends)
        shared = min(high, joint.high) - max(low, joint.low)
        if shared < _USABLE * (high - low):
            robot.repair(
                "follower-limits",
                joint.name,
                f"{joint.low:.4g} {joint.high:.4g}",
                f"{low:.4g} {high:.4g}",
                f"{leader.name} takes it there",
            )
            joint.low, joint.high = low, high
