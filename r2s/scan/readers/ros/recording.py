"""A recording as a `Capture`: clouds of one topic, moved into one frame by tf, read as they are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from r2s.core.errors import R2SError, UsageError
from r2s.core.rigid import apply
from r2s.guard.child import run_limited
from r2s.guard.limits import LIMITS, MIB
from r2s.guard.preflight import regular_file, shown
from r2s.scan.capture import BLOCK_ROWS, Capture, Doubt, Rows, joined
from r2s.scan.readers.asked import Asked
from r2s.scan.readers.rgbd import text
from r2s.scan.readers.rgbd.frames import malformed
from r2s.scan.readers.ros.choice import Frame, choose_frame, choose_topic, named
from r2s.scan.readers.ros.tf import BEYOND_S, GAP_S, Tree, tree_of

# More clouds than this hardly add surface; they are thinned evenly, and it is said.
MOST_CLOUDS = 2000
_YAML_BYTES = 4 * MIB


class _Clouds(NamedTuple):
    """The messages that are read: their numbers in the topic, sizes, and T_fixed_cloud (k, 4, 4)."""

    numbers: np.ndarray
    sizes: np.ndarray
    poses: np.ndarray


def read_recording(path: Path, kind: str, asked: Asked) -> Capture:
    """Open a recording. kind: `bag`, `mcap`, `db3` (files) or `rosbag2` (a folder).

    Raises:
        R2SError: damaged; no cloud; several topics, or several clouds that nothing puts together.
    """
    where = shown(path)
    held = run_limited(
        "r2s.scan.readers.ros.bag:survey", (path, kind), limits=LIMITS.parse, what=f"rosbags reading {where}"
    )  # fmt: skip
    topic, topic_why = choose_topic(held["topics"], held["clouds"], asked, where)
    messages = held["clouds"][topic]
    tree = tree_of(*held["tf"])
    numbers = _numbers(messages, asked, where)
    frames = [messages["frames"][i] for i in numbers]
    frame = choose_frame(frames, tree, asked, where)
    if len(numbers) > 1 and not frame.still:
        raise _several(len(numbers), topic, frame, where)
    clouds, facts = _placed(numbers, messages, frames, frame, tree, where)
    facts = [
        f"topic {topic}: {topic_why}",
        f"frame {frame.name!r}: {frame.why}",
        *facts,
    ]
    moved = any(own != frame.name for own in frames)
    if moved:
        facts.append(
            f"transforms are interpolated over gaps up to {GAP_S:g} s and held for {BEYOND_S:g} s beyond the "
            "first and last; a cloud is placed as a whole, at its time stamp"
        )
    return _capture(path, kind, topic, messages, clouds, frame, moved, facts)


def recording_files(folder: Path) -> list[Path]:
    """Return metadata.yaml and the data files it names, those that exist.

    Raises:
        R2SError: the manifest is damaged, or names a file that is absent.
    """
    import yaml

    path = folder / "metadata.yaml"
    if regular_file(path) > _YAML_BYTES:
        raise malformed(path, "it is larger than any metadata.yaml")
    try:
        info = yaml.safe_load(text.text(path))["rosbag2_bagfile_information"]
        names = [str(name) for name in info["relative_file_paths"]]
        packed = str(info.get("compression_mode") or "").lower()
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, RecursionError, ValueError) as exc:
        raise malformed(path, f"it is no manifest of a rosbag2: {str(exc)[:120]}") from exc
    if packed == "file":
        raise R2SError(
            "R2S-SCAN-034", "the files of this recording are compressed as a whole", where=shown(folder),
            why="they would have to be unpacked to disk first, to an unknown size",
            remedy="ros2 bag convert -i FOLDER -o out.yaml    # with compression_mode: '' or 'message'",
        )  # fmt: skip
    files = [text.inside(folder, Path(name).name) for name in names]
    absent = [n for n, file in zip(names, files, strict=True) if file is None]
    if absent or not files:
        raise malformed(
            path, f"it names {', '.join(absent[:3]) or 'no file'}, and the folder has no such file"
        )
    return [path, *(file for file in files if file is not None)]


def _numbers(messages: dict[str, Any], asked: Asked, where: str) -> np.ndarray:
    """Return the numbers of the messages to read: not empty ones, the one the user names, or a selection."""
    sizes = messages["shapes"].prod(axis=1)
    if asked.message is not None:
        if not 0 <= asked.message < len(sizes) or not sizes[asked.message]:
            raise UsageError(
                "R2S-SCAN-035", f"there is no cloud number {asked.message} with points", where="--message",
                why=f"the topic has {len(sizes):,} clouds, counted from 0",
                remedy=f"r2s scan '{where}' --message {int(np.argmax(sizes))}",
            )  # fmt: skip
        return np.array([asked.message])
    full = np.flatnonzero(sizes)
    if len(full) <= MOST_CLOUDS:
        return full
    return full[np.linspace(0, len(full) - 1, MOST_CLOUDS).round().astype(int)]


def _placed(
    numbers: np.ndarray, messages: dict[str, Any], frames: list[str], frame: Frame, tree: Tree,
    where: str,
) -> tuple[_Clouds, list[str]]:  # fmt: skip
    """Return the clouds with a transform, and facts."""
    poses, kept = [], []
    for number, own in zip(numbers.tolist(), frames, strict=True):
        T = np.eye(4) if own == frame.name else (
            tree.lookup(frame.name, own, int(messages["stamp"][number]))
        )  # fmt: skip
        if T is not None:
            poses.append(T)
            kept.append(number)
    if not kept:
        raise R2SError(
            "R2S-SCAN-036", f"tf has no transform to {frame.name!r} at the time of any cloud", where=where,
            why=f"the first cloud is in {frames[0]!r} at {int(messages['stamp'][numbers[0]]) * 1e-9:.3f} s; "
            f"transforms {tree.times(frames[0])}, and hold {BEYOND_S:g} s longer",
            remedy=f"r2s scan '{where}' --frame {frames[0]} --message {int(numbers[0])}",
        )  # fmt: skip
    facts = []
    total = int(np.count_nonzero(messages["shapes"].prod(axis=1)))
    if len(numbers) < total:
        facts.append(f"{len(numbers):,} of {total:,} clouds are read" + (
            ", evenly spread" if len(numbers) > 1 else " (--message)"))  # fmt: skip
    if len(kept) < len(numbers):
        facts.append(
            Doubt(
                f"{len(numbers) - len(kept):,} of {len(numbers):,} clouds have no transform at their "
                "time: skipped"
            )
        )
    if len(kept) > 1:
        facts.append(f"{len(kept):,} clouds are merged")
    sizes = messages["shapes"][kept].prod(axis=1)
    return _Clouds(np.array(kept), sizes, np.array(poses)), facts


def _capture(
    path: Path, kind: str, topic: str, messages: dict[str, Any], clouds: _Clouds, frame: Frame,
    moved: bool, facts: list[str],
) -> Capture:  # fmt: skip
    starts = np.concatenate([[0], np.cumsum(clouds.sizes)])
    count = int(starts[-1])
    if count > LIMITS.points:
        raise R2SError(
            "R2S-SCAN-037", f"the topic {topic} holds {count:,} points", where=shown(path),
            why=f"the limit is {LIMITS.points:,}",
            remedy="cut the recording: rosbag filter, ros2 bag convert",
        )  # fmt: skip
    colored = bool(messages["color"])
    log = messages["log"]

    def rows(part: slice) -> Rows:
        start, stop, step = part.indices(count)
        first = max(int(np.searchsorted(starts, start, side="right")) - 1, 0)
        last = int(np.searchsorted(starts, stop, side="left"))
        found, i = [], first
        while i < last:  # as many messages at once as make a block
            j = i + 1
            while j < last and starts[j + 1] - starts[i] <= BLOCK_ROWS:
                j += 1
            begin, end = int(starts[i]), int(starts[j])
            at = max(start, start + -(-(begin - start) // step) * step)
            if at < min(end, stop):
                found.append(_load(i, j, slice(at - begin, min(end, stop) - begin, step)))
            i = j
        return joined(found)

    def _load(i: int, j: int, part: slice) -> Rows:
        numbers = clouds.numbers[i:j]
        begin = int(log[numbers[0]])
        earlier = int(numbers[0] - np.searchsorted(log, begin, side="left"))
        loaded = run_limited(
            "r2s.scan.readers.ros.bag:load",
            (path, kind, topic, begin, int(log[numbers[-1]]) + 1, earlier, numbers - numbers[0]),
            limits=LIMITS.parse, what=f"rosbags reading {shown(path)}",
        )  # fmt: skip
        if loaded["counts"].tolist() != clouds.sizes[i:j].tolist():
            from r2s.scan.readers.ros.bag import damaged

            raise damaged(path, "a second reading gives other clouds than the first")
        view = np.repeat(np.arange(i, j, dtype=np.int32), clouds.sizes[i:j])[part]
        points = loaded["points"][part]
        if moved:
            placed = np.empty_like(points)
            for k in range(i, j):
                mine = view == k
                placed[mine] = apply(clouds.poses[k], points[mine])
            points = placed
        return Rows(
            points, loaded["colors"][part] if colored else None, None, view if moved else None
        )

    single = messages["shapes"][clouds.numbers[0]] if len(clouds.numbers) == 1 else (1, 1)
    return Capture(
        kind, count, rows, has_colors=colored,
        organized=(int(single[0]), int(single[1])) if single[0] > 1 and not moved else None,
        # In its own frame a lone cloud was seen from the origin, unless that frame is of the place.
        viewpoint=None if moved or frame.still else np.zeros(3),
        declared_unit="m",
        declared_up="+z" if moved or frame.still else "",
        declared_by=f"ROS (REP 103), frame {frame.name!r},",
        up_is_measured=named(frame.name),
        in_place=moved or frame.still,
        facts=tuple(facts),
        viewpoints=clouds.poses[:, :3, 3] if moved else None,
        viewpoints_by=f"{len(clouds.numbers):,} origins of the sensor's frame by tf; a point keeps the "
        "nearest that saw it" if moved else "",
        parts=tuple(int(v) for v in starts[:-1]),
    )  # fmt: skip


def _several(count: int, topic: str, frame: Frame, where: str) -> R2SError:
    return R2SError(
        "R2S-SCAN-038", f"{count:,} clouds of {topic}, and nothing says how the sensor moved between them",
        where=where, why=f"{frame.why}; put together as they are, they would smear",
        remedy=f"r2s scan '{where}' --message 0    (one cloud), or record /tf and /tf_static up to map or "
        "odom, or say --frame NAME if they are in one frame already",
    )  # fmt: skip
