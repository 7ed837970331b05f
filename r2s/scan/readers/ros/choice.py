"""Which topic of a recording is scanned, and in which frame its clouds are put together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from r2s.core.errors import R2SError, UsageError
from r2s.scan.readers.asked import Asked
from r2s.scan.readers.ros.bag import CLOUD
from r2s.scan.readers.ros.tf import Tree, plain

# Frames that stand still in the place, z up (REP 105 and common use), best first.
FIXED = ("map", "world", "odom", "ground")


class Frame(NamedTuple):
    """The frame the capture's points are in.

    Attributes:
        name: its name.
        still: it stands still in the place, as far as its name or its moving transforms say.
        why: one sentence part.
    """

    name: str
    still: bool
    why: str


def choose_topic(
    topics: list[Any], clouds: Mapping[str, Any], asked: Asked, where: str
) -> tuple[str, str]:
    """Return the topic and why it was taken.

    Raises:
        R2SError: there is none, or several and no word which.
    """
    full = {topic: found for topic, found in clouds.items() if found["shapes"].prod(axis=1).sum()}
    listed = ", ".join(f"{t} ({len(c['log']):,})" for t, c in sorted(full.items()))
    if not full:
        others = ", ".join(f"{name} [{kind}]" for name, kind, _ in topics[:12])
        raise R2SError(
            "R2S-SCAN-031", "the recording holds no point cloud", where=where,
            why=f"r2s reads messages of type {CLOUD} that have points; topics here: {others or 'none'}",
            remedy="record the topic of the registered cloud, for example /points or /cloud_map",
        )  # fmt: skip
    if asked.topic is not None:
        if asked.topic not in full:
            raise UsageError(
                "R2S-SCAN-032", f"there is no point cloud topic {asked.topic[:80]!r}", where="--topic",
                why=f"topics with point clouds (and how many): {listed}",
                remedy=f"r2s scan '{where}' --topic {min(full)}",
            )  # fmt: skip
        return asked.topic, "given by the user (--topic)"
    if len(full) > 1:
        raise R2SError(
            "R2S-SCAN-032", f"{len(full)} topics hold point clouds", where=where,
            why=f"they may be of one sensor or of several; topics (and clouds): {listed}",
            remedy=f"r2s scan '{where}' --topic {min(full)}",
        )  # fmt: skip
    return next(iter(full)), "the only one with point clouds"


def choose_frame(frames: list[str], tree: Tree, asked: Asked, where: str) -> Frame:
    """Return the frame to put clouds together in. frames: names of the clouds' own frames.

    Raises:
        R2SError: the frame the user wants is not joined to the clouds'.
    """
    own = sorted(set(frames))
    chain = tree.chain(own[0])
    shared = [f for f in chain if all(f in tree.chain(other) for other in own)]
    if asked.frame is not None:
        return _asked_frame(plain(asked.frame), own, tree, where)
    if len(own) == 1 and named(own[0]):
        return Frame(own[0], True, f"the clouds are already in {own[0]!r}, a frame of the place")
    ranked = sorted((rank, f) for f in shared if (rank := _rank(f)) is not None)
    if ranked:
        name = ranked[0][1]
        return Frame(name, True, f"tf leads from {own[0]!r} to {name!r}, a frame of the place")
    if not shared or len(chain) == 1:
        return Frame(own[0], False, f"no tf leads from {own[0]!r} to another frame")
    moves = any(tree.moves(frame, shared[-1]) for frame in own)
    return Frame(
        shared[-1], moves, f"{shared[-1]!r} is the root of the tf tree above {own[0]!r}"
        + ("" if moves else ", and nothing between them moves"),
    )  # fmt: skip


def _asked_frame(name: str, own: list[str], tree: Tree, where: str) -> Frame:
    root = tree.chain(name)[-1]
    if all(frame == name or tree.chain(frame)[-1] == root for frame in own):
        return Frame(name, True, "given by the user (--frame)")
    joined = tree.chain(own[0])
    raise UsageError(
        "R2S-SCAN-033", f"tf does not join {own[0]!r}, the clouds' frame, to {name[:60]!r}", where="--frame",
        why=f"frames above it: {', '.join(joined)}", remedy=f"r2s scan '{where}' --frame {joined[-1]}",
    )  # fmt: skip


def named(frame: str) -> bool:
    """Whether a frame's name says that it stands still in the place, z up."""
    return _rank(frame) is not None


def _rank(frame: str) -> int | None:
    last = frame.rsplit("/", 1)[-1].lower()
    return FIXED.index(last) if last in FIXED else None
