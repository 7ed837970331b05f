"""What touches a recording: the library rosbags, in a child process.

Message definitions that a recording embeds are not used, since rosbags turns definitions into code; the
two types read here have had one definition in every release of ROS.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from r2s.core.errors import R2SError
from r2s.guard.preflight import shown
from r2s.scan.readers.ros.cloud import CloudError, has_color, points_of, shape_of
from r2s.scan.readers.ros.tf import plain

CLOUD = "sensor_msgs/msg/PointCloud2"
TRANSFORMS = ("tf2_msgs/msg/TFMessage", "tf/msg/tfMessage")
MOST_TRANSFORMS = 5_000_000
MOST_CLOUDS = 1_000_000


def survey(path: Path, kind: str) -> dict[str, Any]:
    """Return what a recording holds. Runs in the child.

    Returns:
        `topics`: per topic name, type and number of messages. `clouds`: per PointCloud2 topic its
        messages in order: `log` and `stamp` (n,) int64 ns, `frames` names, `shapes` (n, 2) height and
        width, `color` whether all have one. `tf`: arguments of `tf.tree_of`.
    """
    clouds: dict[str, dict[str, Any]] = {}
    pairs: dict[tuple[str, str], int] = {}
    index: list[int] = []
    stamps: list[int] = []
    poses: list[tuple[float, ...]] = []
    static: list[bool] = []
    with _opened(path, kind) as (reader, decode):
        topics = {c.topic: (c.msgtype, 0) for c in reader.connections}
        for c in reader.connections:
            topics[c.topic] = (c.msgtype, topics[c.topic][1] + int(c.msgcount))
        wanted = [c for c in reader.connections if c.msgtype in (CLOUD, *TRANSFORMS)]
        for connection, log, raw in reader.messages(wanted) if wanted else ():
            if connection.msgtype == CLOUD:
                found = clouds.setdefault(connection.topic, {
                    "log": [], "stamp": [], "frames": [], "shapes": [], "color": True,
                })  # fmt: skip
                message = decode(raw, CLOUD)
                shape = shape_of(message)
                found["log"].append(log)
                found["stamp"].append(_ns(message.header.stamp) or log)
                found["frames"].append(plain(message.header.frame_id))
                found["shapes"].append(shape)
                found["color"] = found["color"] and (shape == (0, 0) or has_color(message))
                if len(found["log"]) > MOST_CLOUDS:
                    raise CloudError(f"more than {MOST_CLOUDS:,} clouds")
                continue
            for each in decode(raw, TRANSFORMS[0]).transforms:
                names = (plain(each.header.frame_id), plain(each.child_frame_id))
                p, q = each.transform.translation, each.transform.rotation
                index.append(pairs.setdefault(names, len(pairs)))
                stamps.append(_ns(each.header.stamp) or log)
                poses.append((p.x, p.y, p.z, q.x, q.y, q.z, q.w))
                static.append(connection.topic.endswith("tf_static"))
            if len(index) > MOST_TRANSFORMS:
                raise CloudError(f"more than {MOST_TRANSFORMS:,} transforms")
    return {
        "topics": [[name, kind_, count] for name, (kind_, count) in sorted(topics.items())],
        "clouds": {
            topic: {
                **found,
                "log": np.array(found["log"], np.int64),
                "stamp": np.array(found["stamp"], np.int64),
                "shapes": np.array(found["shapes"], np.int64).reshape(-1, 2),
            }
            for topic, found in clouds.items()
        },
        "tf": (
            [parent for parent, _ in pairs], [child for _, child in pairs],
            np.array(index, np.int64), np.array(stamps, np.int64),
            np.array(poses, np.float64).reshape(-1, 7), np.array(static, bool),
        ),
    }  # fmt: skip


def load(
    path: Path, kind: str, topic: str, start: int, stop: int, skip: int, wanted: np.ndarray
) -> dict[str, Any]:
    """Return the points of some messages of a topic. Runs in the child.

    Args:
        start, stop: log times [ns] between which they lie, stop excluded.
        skip: messages of the topic at `start` that come before the first.
        wanted: (k,) their numbers, counted from the first; ascending.

    Returns:
        `points` (n, 3) float64 in the messages' frames, `colors` (n, 3) uint8 or None, `counts` (k,).
    """
    points, colors, counts = [], [], []
    numbers = set(wanted.tolist())
    with _opened(path, kind) as (reader, decode):
        topical = [c for c in reader.connections if c.msgtype == CLOUD and c.topic == topic]
        for number, (_, _, raw) in enumerate(reader.messages(topical, start, stop), -skip):
            if number not in numbers:
                continue
            found, color = points_of(decode(raw, CLOUD))
            points.append(found)
            colors.append(color)
            counts.append(len(found))
            if len(counts) == len(numbers):
                break
    complete = all(color is not None for color in colors)
    return {
        "points": np.concatenate([np.empty((0, 3)), *points]),
        "colors": np.concatenate(colors) if complete and colors else None,
        "counts": np.array(counts, np.int64),
    }


@contextlib.contextmanager
def _opened(path: Path, kind: str) -> Iterator[tuple[Any, Any]]:
    """Yield (reader, decode) of a recording; what rosbags throws becomes one error."""
    import struct

    import apsw
    from rosbags.rosbag1 import Reader as Reader1
    from rosbags.rosbag1 import ReaderError as ReaderError1
    from rosbags.rosbag2 import Reader as Reader2
    from rosbags.rosbag2 import ReaderError as ReaderError2
    from rosbags.serde import SerdeError
    from rosbags.typesys import Stores, TypesysError, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS1_NOETIC if kind == "bag" else Stores.ROS2_HUMBLE)
    if TRANSFORMS[0] not in store.fielddefs:  # ROS 1 has it outside the common messages
        store.register(
            get_types_from_msg("geometry_msgs/TransformStamped[] transforms\n", TRANSFORMS[0])
        )
    try:
        with contextlib.ExitStack() as stack:
            if kind in ("mcap", "db3") and path.suffix != f".{kind}":
                # rosbags goes by the name; the bytes said what it is.
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                (folder / f"recording.{kind}").symlink_to(path.resolve())
                path_named = folder / f"recording.{kind}"
            else:
                path_named = path
            reader = stack.enter_context((Reader1 if kind == "bag" else Reader2)(path_named))
            yield reader, store.deserialize_ros1 if kind == "bag" else store.deserialize_cdr
    except (
        ReaderError1, ReaderError2, SerdeError, TypesysError, CloudError, apsw.Error, struct.error,
        OSError, EOFError, ValueError, KeyError, IndexError, AttributeError, TypeError, AssertionError,
        OverflowError, RuntimeError,
    ) as exc:  # fmt: skip
        raise damaged(path, f"{type(exc).__name__}: {str(exc)[:200]}") from exc


def damaged(path: Path, why: str) -> R2SError:
    """Return the error for a recording that cannot be read."""
    remedy = "rosbag reindex {}    # or copy the recording again, whole"
    if path.suffix != ".bag":
        remedy = "ros2 bag reindex {}    # or copy the recording again, whole"
    return R2SError(
        "R2S-SCAN-030", "the recording is damaged or was not closed", where=shown(path), why=why,
        remedy=remedy.format(f"'{shown(path)}'"),
    )  # fmt: skip


def _ns(stamp: Any) -> int:
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)
