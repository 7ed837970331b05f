"""Ouster recordings: raw packets (PCAP, with the sensor's metadata beside it) and OSF, through ouster-sdk.

The library is optional. It decodes in a child process; container and metadata are checked here first.
"""

from __future__ import annotations

import importlib.util
import json
import struct
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from r2s.core.errors import R2SError, UsageError
from r2s.guard.child import run_limited
from r2s.guard.limits import LIMITS, MIB
from r2s.guard.preflight import regular_file, shown
from r2s.scan.capture import Capture, Rows
from r2s.scan.readers.asked import Asked, Told
from r2s.scan.readers.broken import malformed, no_points, truncated
from r2s.scan.readers.spool import Records, growth, no_space, spool_file

POINT = np.dtype([("xyz", "<f8", (3,))])
# More frames than this hardly add surface; they are thinned evenly, and it is said.
MOST_FRAMES = 100
# Ranges that change by less than this part, in the median over the pixels, and the sensor stood still.
STILL = 0.005
# So many frames of a sensor that moved are put together by their shapes; more need poses.
MOST_REGISTERED = 20
# A packet record is a jumbo frame at most; libpcap's own limit is 256 KiB.
_MOST_PACKET, _PACKETS_CHECKED = 262_144, 1000
_malformed = partial(
    malformed, "the recording cannot be trusted", "ouster-cli source {file} info    # on the recorder"
)  # fmt: skip
_truncated = partial(truncated, "the recording is damaged or cut")


def read_ouster(path: Path, kind: str, size: int, asked: Asked, told: Told) -> Capture:
    """Open a recording of `size` bytes. kind: `pcap` or `osf`.

    Raises:
        R2SError: the library or the metadata is missing, the file is damaged, or the sensor moved and
            nothing says how.
    """
    where = shown(path)
    meta = None
    if kind == "pcap":
        _check_packets(path, size)
        meta = metadata_of(path)
        if meta is None:
            raise _no_metadata(where)
        _check_metadata(meta)
    else:
        _check_osf(path, size)
    if importlib.util.find_spec("ouster") is None:
        raise _no_library(where)
    with spool_file(where) as (spool, stream):
        held = run_limited(
            "r2s.scan.readers.ouster:decode", (path, meta, spool, where, asked.message),
            limits=LIMITS.parse, what=f"ouster-sdk reading {where}",
            watch=growth(spool, 4 * size, told),
        )  # fmt: skip
    if held["of"] == 0:
        raise no_points(where, "it holds no complete frame")
    if asked.message is not None and asked.message >= held["of"]:
        raise UsageError(
            "R2S-SCAN-035", f"there is no frame number {asked.message}", where="--message",
            why=f"the recording has {held['of']:,} frames, counted from 0",
            remedy=f"r2s scan '{where}' --message 0",
        )  # fmt: skip
    count = int(held["counts"].sum())
    if count == 0:
        raise no_points(where, "no beam of it came back")
    records = Records(stream, POINT, 0, count)
    if len(held["counts"]) == 1 or held["posed"] or held["change"] <= STILL:
        return _capture(kind, held, records)
    if len(held["counts"]) > MOST_REGISTERED:
        raise _moving(where, held)
    return _registered(path, kind, held, records, asked, told)


def metadata_of(path: Path) -> Path | None:
    """Return the sensor's metadata beside a PCAP: the JSON whose name the PCAP's begins with, the longest."""
    found = [p for p in path.parent.glob("*.json") if path.stem.startswith(p.stem)]
    return max(found, key=lambda p: len(p.stem), default=None)


def _check_packets(path: Path, size: int) -> None:
    """Check the file header and the first packet records (libpcap's format, pcap-savefile(5))."""
    with path.open("rb") as stream:
        head = stream.read(24)
        order = "<" if head[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
        if len(head) < 24 or struct.unpack(order + "H", head[4:6])[0] != 2:
            raise _malformed(path, "it is no libpcap file of version 2")
        at = 24
        for number in range(_PACKETS_CHECKED):
            record = stream.read(16)
            if len(record) < 16:
                break
            kept, sent = struct.unpack(order + "II", record[8:])
            if not 0 < kept <= _MOST_PACKET or kept > sent:
                raise _malformed(path, f"packet {number} says {kept:,} of {sent:,} bytes were kept")
            at += 16 + kept
            if at > size:
                if number == 0:
                    raise _truncated(path, "it ends inside its first packet")
                break  # a recording that was stopped ends anywhere
            stream.seek(at)


def _check_metadata(path: Path) -> None:
    if regular_file(path) > MIB:
        raise _malformed(path, "it is larger than any sensor metadata")
    try:
        tree = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as exc:
        raise _malformed(path, f"the sensor metadata is no JSON: {str(exc)[:100]}") from exc
    if not isinstance(tree, dict) or "beam_altitude_angles" not in json.dumps(tree):
        raise _malformed(
            path, "it has no beam_altitude_angles, as the metadata of an Ouster sensor has"
        )


def _check_osf(path: Path, size: int) -> None:
    """Check the OSF header: a size-prefixed flatbuffer whose table tells the file's length."""
    with path.open("rb") as stream:
        head = stream.read(64)
    if len(head) < 48 or not 24 <= struct.unpack("<I", head[:4])[0] <= 4096:
        raise _truncated(path, "it ends inside its header")
    said = [v for (v,) in struct.iter_unpack("<Q", head[: len(head) // 8 * 8])]
    said += [v for (v,) in struct.iter_unpack("<Q", head[4 : 4 + (len(head) - 4) // 8 * 8])]
    if size not in said:
        raise _truncated(path, f"its header does not tell of {size:,} bytes, which it has")


def decode(
    path: Path, meta: Path | None, spool: Path, where: str, message: int | None
) -> dict[str, Any]:
    """Write the points of each frame to `spool`. Runs in the child.

    Returns:
        `counts` (k,) points a frame, `eyes` (k, 3) sensor positions, `of` frames in the file, `posed`
        whether the file says where the sensor was, `change` (k > 1) median relative change of range
        between the first and last frame, `sensor` its name.
    """
    import warnings

    warnings.simplefilter("ignore")
    try:
        with spool.open("wb") as out:
            return _decode(path, meta, out, message)
    except OSError as exc:
        raise no_space(exc, where) or _truncated(where, str(exc)[:200]) from exc
    except (RuntimeError, ValueError, IndexError, KeyError, TypeError, AttributeError) as exc:
        raise _truncated(where, f"{type(exc).__name__}: {str(exc)[:200]}") from exc


def _decode(path: Path, meta: Path | None, out: Any, message: int | None) -> dict[str, Any]:
    from ouster.sdk import core  # pyright: ignore[reportMissingImports] - optional

    tables: dict[str, Any] = {}
    counts, eyes, posed, of = [], [], False, 0
    first = last = None
    total = sum(1 for _ in _frames(path, meta))
    wanted = set(np.linspace(0, total - 1, min(total, MOST_FRAMES)).round().astype(int).tolist())
    for number, frame in enumerate(_frames(path, meta)):
        of = number + 1
        if (number != message) if message is not None else number not in wanted:
            continue
        info = frame.sensor_info
        lut = tables.setdefault(str(info.sn), core.XYZLut(info, True))
        reach = np.asarray(frame.field("RANGE"))
        points = np.asarray(lut(reach), np.float64)
        poses = np.asarray(frame.body_to_world, np.float64)
        if not np.allclose(poses, np.eye(4)):
            posed = True
            points = np.einsum("wij,hwj->hwi", poses[:, :3, :3], points) + poses[None, :, :3, 3]
        valid = reach > 0
        table = np.empty(int(valid.sum()), POINT)
        table["xyz"] = points[valid]
        out.write(table.tobytes())
        counts.append(len(table))
        eyes.append(poses[len(poses) // 2, :3, 3])
        first = reach if first is None else first
        last = reach
    return {
        "counts": np.array(counts, np.int64), "eyes": np.array(eyes).reshape(-1, 3), "of": of,
        "posed": posed, "change": _change(first, last),
    }  # fmt: skip


def _frames(path: Path, meta: Path | None):
    """Yield every frame of the recording, of every sensor."""
    from ouster.sdk import osf, pcap  # pyright: ignore[reportMissingImports] - optional

    source = (
        osf.OsfFrameSetSource(str(path))
        if meta is None
        else pcap.PcapFrameSetSource(str(path), meta=[str(meta)])
    )
    for frames in source:
        yield from (frame for frame in frames if frame is not None)


def _change(first: np.ndarray | None, last: np.ndarray | None) -> float:
    """Return the median relative change of range over the pixels that came back in both frames."""
    if first is None or last is None or first.shape != last.shape:
        return 1.0
    both = (first > 0) & (last > 0)
    if not both.any():
        return 1.0
    a, b = first[both].astype(np.float64), last[both].astype(np.float64)
    return float(np.median(np.abs(a - b) / a))


def _capture(kind: str, held: dict[str, Any], records: Records) -> Capture:
    counts, posed = held["counts"], held["posed"]
    ends = np.cumsum(counts)

    def rows(part: slice) -> Rows:
        start, stop, step = part.indices(len(records))
        frame = np.searchsorted(ends, np.arange(start, stop, step), side="right").astype(np.int32)
        return Rows(records.read(part)["xyz"], None, None, frame if posed else None)

    facts = []
    if len(counts) < held["of"]:
        facts.append(f"{len(counts):,} of {held['of']:,} frames are read")
    if len(counts) > 1 and not posed:
        facts.append(
            f"the sensor stood still: ranges change by {100 * held['change']:.2g} % (median) from the first "
            "frame to the last, so the frames are merged"
        )
    return Capture(
        kind, len(records), rows, declared_unit="m", declared_up="+z",
        declared_by="Ouster, the sensor's poses," if posed else "Ouster, the sensor's own frame,",
        viewpoint=None if posed else np.zeros(3), viewpoint_is_default=False,
        viewpoint_by="the origin of the sensor's frame", in_place=posed,
        viewpoints=held["eyes"] if posed else None,
        viewpoints_by=f"{len(counts):,} poses of the recording" if posed else "", facts=tuple(facts),
    )  # fmt: skip


def _registered(
    path: Path, kind: str, held: dict[str, Any], records: Records, asked: Asked, told: Told
) -> Capture:
    """Return a few frames of a sensor that may have moved, fitted to each other by their shapes."""
    from r2s.scan.together.capture import put_together

    ends = np.cumsum(held["counts"])
    frames = []
    for end, count in zip(ends.tolist(), held["counts"].tolist(), strict=True):
        own = {**held, "counts": np.array([count], np.int64), "of": 1}
        frames.append(_capture(kind, own, records.part(end - count, count)))
    names = [path.with_name(f"{path.name} frame {i}") for i in range(len(frames))]
    return put_together(frames, names, asked, told)


def _no_metadata(where: str) -> R2SError:
    return R2SError(
        "R2S-SCAN-039", "there is no sensor metadata beside these packets", where=where,
        why="packets hold ranges, and the beam angles are in the JSON that the sensor gives; r2s looks for "
        "NAME.json where the capture is NAME...pcap; packets of other makers are not read",
        remedy="curl http://SENSOR/api/v1/sensor/metadata -o NAME.json    # or save the cloud as PCD or PLY",
    )  # fmt: skip


def _no_library(where: str) -> R2SError:
    return R2SError(
        "R2S-SCAN-052", "Ouster recordings are read by the package ouster-sdk, which is not installed",
        where=where,
        why="it is optional, and asks for an older rosbags than r2s does, which its reading does not need",
        remedy="pip install --no-deps 'ouster-sdk>=1.0' more-itertools",
    )  # fmt: skip


def _moving(where: str, held: dict[str, Any]) -> R2SError:
    return R2SError(
        "R2S-SCAN-038", f"{len(held['counts']):,} frames, and nothing says how the sensor moved between them",
        where=where,
        why=f"ranges change by {100 * held['change']:.2g} % (median) from the first to the last; put "
        "together as they are, they would smear",
        remedy=f"r2s scan '{where}' --message 0    (one frame), or save an OSF with poses: "
        f"ouster-cli source '{where}' slam save posed.osf",
    )  # fmt: skip
