"""The tree of frames of a recording, over time (ROS tf2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from r2s.core.rigid import inverse, transform_of_pose

# Between two transforms farther apart than this nothing is interpolated [s].
GAP_S = 1.0
# Before the first and after the last transform the nearest holds for this long [s].
BEYOND_S = 0.2
_NS = 1e-9


def plain(frame: str) -> str:
    """Return a frame's name without the leading slash ROS 1 allowed."""
    return frame.strip().lstrip("/")


@dataclass(frozen=True)
class Edge:
    """Transforms from one child frame to its parent.

    Attributes:
        parent: its name; static: it never changes.
        stamps: (n,) int64 ns, ascending; poses: (n, 7) x y z qx qy qz qw.
    """

    parent: str
    static: bool
    stamps: np.ndarray
    poses: np.ndarray

    def at(self, stamp: int) -> np.ndarray | None:
        """Return T_parent_child (4, 4) at a time [ns], or None where none is close enough."""
        if self.static:
            return transform_of_pose(self.poses[-1])
        after = int(np.searchsorted(self.stamps, stamp))
        if 0 < after < len(self.stamps):
            a, b = int(self.stamps[after - 1]), int(self.stamps[after])
            if (b - a) * _NS <= GAP_S:
                return transform_of_pose(
                    _between(self.poses[after - 1], self.poses[after], (stamp - a) / (b - a))
                )
        near = [i for i in (after - 1, after) if 0 <= i < len(self.stamps)]
        best = min(near, key=lambda i: abs(int(self.stamps[i]) - stamp))
        close = abs(int(self.stamps[best]) - stamp) * _NS <= BEYOND_S
        return transform_of_pose(self.poses[best]) if close else None


class Tree:
    """Frames by their parents; each edge maps child coordinates to parent coordinates."""

    def __init__(self, edges: dict[str, Edge]):
        self.edges = edges

    def chain(self, frame: str) -> list[str]:
        """Return the frame and its ancestors, the root last."""
        found = [frame]
        while (edge := self.edges.get(found[-1])) is not None and edge.parent not in found:
            found.append(edge.parent)
        return found

    def moves(self, frame: str, ancestor: str) -> bool:
        """Whether anything between a frame and its ancestor changes over time."""
        chain = self.chain(frame)
        return any(not self.edges[f].static for f in chain[: chain.index(ancestor)])

    def times(self, frame: str) -> str:
        """Say when the moving transforms above a frame are known."""
        moving = [e for f in self.chain(frame) if (e := self.edges.get(f)) and not e.static]
        if not moving:
            return "above it do not move"
        begin = max(int(edge.stamps[0]) for edge in moving) * _NS
        end = min(int(edge.stamps[-1]) for edge in moving) * _NS
        return f"above it are known from {begin:.3f} to {end:.3f} s"

    def lookup(self, target: str, source: str, stamp: int) -> np.ndarray | None:
        """Return T_target_source (4, 4) at a time [ns]; None where the frames are not joined then."""
        up, down = self.chain(source), self.chain(target)
        common = next((frame for frame in up if frame in down), None)
        if common is None:
            return None
        T_common_source = self._climb(up[: up.index(common)], stamp)
        T_common_target = self._climb(down[: down.index(common)], stamp)
        if T_common_source is None or T_common_target is None:
            return None
        return inverse(T_common_target) @ T_common_source

    def _climb(self, frames: list[str], stamp: int) -> np.ndarray | None:
        T = np.eye(4)
        for frame in frames:
            step = self.edges[frame].at(stamp)
            if step is None:
                return None
            T = step @ T
        return T


def tree_of(parents: list[str], children: list[str], index: np.ndarray, stamps: np.ndarray,
            poses: np.ndarray, static: np.ndarray) -> Tree:  # fmt: skip
    """Return the tree of a recording's transforms.

    Args:
        parents, children: frame names of every pair that occurs; index: (n,) pair of each transform.
        stamps: (n,) int64 ns; poses: (n, 7); static: (n,) bool.

    A frame with two parents keeps the one that is said more often.
    """
    sound = np.isfinite(poses).all(axis=1) & (np.linalg.norm(poses[:, 3:], axis=1) > 0.5)
    edges: dict[str, Edge] = {}
    said: dict[str, int] = {}
    used = np.flatnonzero(sound)
    used = used[np.argsort(index[used], kind="stable")]
    bounds = np.searchsorted(index[used], np.arange(len(parents) + 1))
    for pair, (parent, child) in enumerate(zip(parents, children, strict=True)):
        mine = used[bounds[pair] : bounds[pair + 1]]
        if not len(mine) or len(mine) <= said.get(child, 0) or parent == child:
            continue
        said[child] = len(mine)
        still = bool(static[mine].any())
        order = mine[np.argsort(stamps[mine], kind="stable")]
        order = order[np.concatenate([[True], np.diff(stamps[order]) > 0])]
        edges[child] = Edge(parent, still, stamps[order], poses[order])
    return Tree(edges)


def _between(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    """Interpolate two poses: the position on the line, the rotation on the chord (steps are small)."""
    q = b[3:] if a[3:] @ b[3:] >= 0 else -b[3:]
    return np.concatenate([a[:3] + share * (b[:3] - a[:3]), a[3:] + share * (q - a[3:])])
