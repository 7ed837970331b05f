"""LAS and LAZ: integers with scale and offset, kept in double precision; the unit from the CRS records.

The header is checked here. LAS records are then read as they are asked for; LAZ is decoded once, in a
child process, into integers on disk.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from r2s.core.errors import R2SError
from r2s.guard.child import run_limited
from r2s.guard.limits import GIB, LIMITS, MIB, ChildLimits
from r2s.guard.preflight import shown
from r2s.scan import units
from r2s.scan.capture import BLACK, Capture, Doubt, Rows
from r2s.scan.readers import crs
from r2s.scan.readers.asked import Told, unheard
from r2s.scan.readers.broken import malformed, no_points, truncated
from r2s.scan.readers.spool import READ_ROWS, Records, growth, no_space, spool_file

# Bytes of a record and where its red, green and blue are, by point format (LAS 1.4 R15, tables 7-17).
_RECORD_BYTES = (20, 28, 26, 34, 57, 63, 30, 36, 38, 59, 67)
_COLOR_AT = {2: 20, 3: 28, 5: 28, 7: 30, 8: 30, 10: 30}
_MOST_VLRS = 10_000
_PROBE_ROWS = 200_000
_malformed = partial(
    malformed,
    "the LAS header cannot be trusted",
    "export the file again; `pdal info --metadata` shows what another program reads in it",
)
_truncated = partial(truncated, "the LAS file is truncated or its header lies")


@dataclass(frozen=True)
class Header:
    """A checked LAS header.

    Attributes:
        point_format: 0..10, without the compression bits; record_bytes: of one point.
        offset: byte of the first point; count: number of points.
        scales, offsets: (3,) float64; a coordinate is integer * scale + offset.
        says_wkt: the header's own word that the CRS is WKT.
        records: CRS records by (user, number).
    """

    point_format: int
    record_bytes: int
    offset: int
    count: int
    scales: np.ndarray
    offsets: np.ndarray
    says_wkt: bool
    records: dict[int, bytes]


def read_las(path: Path, kind: str, size: int, told: Told = unheard) -> Capture:
    """Open a LAS or LAZ file of `size` bytes."""
    header = read_header(path, size, compressed=kind == "laz")
    where = shown(path)
    colored = header.point_format in _COLOR_AT
    if kind == "las":
        names, formats, at = ["xyz"], ["(3,)<i4"], [0]
        if colored:
            names, formats = [*names, "rgb"], [*formats, "(3,)<u2"]
            at = [*at, _COLOR_AT[header.point_format]]
        dtype = np.dtype(
            {"names": names, "formats": formats, "offsets": at, "itemsize": header.record_bytes}
        )
        records = Records(path.open("rb"), dtype, header.offset, header.count)
    else:
        with spool_file(where) as (spool, stream):
            run_limited(
                "r2s.scan.readers.las:decode", (path, spool, where, header.count, colored),
                limits=_unpacking(size), what=f"lazrs decompressing {where}",
                watch=growth(spool, header.count * record_type(colored).itemsize, told),
            )  # fmt: skip
        records = Records(stream, record_type(colored), 0, header.count)
    return _capture(kind, header, records, where)


def _unpacking(size: int) -> ChildLimits:
    """Return the limits of decompressing `size` bytes: a chunk's layers are no larger than the file.

    lazrs takes the memory that a layer says it needs, which is up to 4 GiB in a damaged file of some kB.
    """
    memory = min(LIMITS.parse.memory_bytes, GIB + 2 * size)
    return replace(LIMITS.parse, memory_bytes=memory)


def record_type(colored: bool) -> np.dtype:
    """Return the record on disk of a decompressed point."""
    return np.dtype([("xyz", "<i4", (3,))] + [("rgb", "<u2", (3,))] * colored)


def decode(path: Path, spool: Path, where: str, count: int, colored: bool) -> None:
    """Write the integers (and colours) of a LAZ file to `spool`. Runs in the child."""
    import laspy
    from lazrs import LazrsError  # pyright: ignore[reportAttributeAccessIssue] - compiled

    done = 0
    try:
        layers = laspy.DecompressionSelection  # of point formats 6 and on: the others stay packed
        wanted = layers.XY_RETURNS_CHANNEL | layers.Z | layers.RGB
        with (
            laspy.LasReader(path.open("rb"), decompression_selection=wanted) as reader,
            spool.open("wb") as out,
        ):
            for part in reader.chunk_iterator(READ_ROWS):
                table = np.empty(len(part), record_type(colored))
                for i, axis in enumerate("XYZ"):
                    table["xyz"][:, i] = part[axis]
                for i, channel in enumerate(("red", "green", "blue") if colored else ()):
                    table["rgb"][:, i] = part[channel]
                out.write(table.tobytes())
                done += len(part)
    except OSError as exc:
        raise no_space(exc, where) or _truncated(where, str(exc)[:200]) from exc
    except (LazrsError, laspy.errors.LaspyException, RuntimeError, ValueError) as exc:
        raise _truncated(where, f"its point {done:,} or one after it: {str(exc)[:160]}") from exc
    if done != count:
        raise _truncated(where, f"it promises {count:,} points and holds {done:,}")


def read_header(path: Path, size: int, *, compressed: bool) -> Header:
    """Read and check the header and the records before the points against the file's size."""
    where = shown(path)
    with path.open("rb") as stream:
        head = stream.read(375)
        if len(head) < 227:
            raise _truncated(where, f"it has {size} bytes, and a LAS header at least 227")
        major, minor = head[24], head[25]
        header_bytes, offset, vlrs = struct.unpack_from("<HII", head, 94)
        raw_format, record_bytes, count = struct.unpack_from("<BHI", head, 104)
        if (major, minor) >= (1, 4) and len(head) >= 255 and header_bytes >= 255:
            (evlr_at, evlrs) = struct.unpack_from("<QI", head, 235)
            count = struct.unpack_from("<Q", head, 247)[0] or count
        else:
            evlr_at, evlrs = 0, 0
        scales = np.array(struct.unpack_from("<3d", head, 131))
        offsets = np.array(struct.unpack_from("<3d", head, 155))
        point_format = raw_format & 0x3F
        if major != 1 or point_format >= len(_RECORD_BYTES):
            raise _malformed(where, f"it says LAS {major}.{minor}, point format {point_format}")
        if not 227 <= header_bytes <= offset or record_bytes < _RECORD_BYTES[point_format]:
            raise _malformed(
                where, f"header of {header_bytes} bytes, points at byte {offset:,}, records of "
                f"{record_bytes} bytes for point format {point_format}",
            )  # fmt: skip
        if not (np.isfinite(scales).all() and scales.all() and np.isfinite(offsets).all()):
            raise _malformed(where, f"scale {scales.tolist()} and offset {offsets.tolist()}")
        _check_count(where, size, offset, count, record_bytes, compressed=compressed)
        records = _vlrs(stream, where, header_bytes, vlrs, offset)
        if evlrs and header_bytes <= evlr_at < size:
            records = _evlrs(stream, evlr_at, evlrs, size) | records
    if compressed and 22204 not in records:
        raise _malformed(where, "it is compressed and has no laszip record")
    says_wkt = bool(struct.unpack_from("<H", head, 6)[0] & 0x10)
    return Header(point_format, record_bytes, offset, count, scales, offsets, says_wkt, records)


def _check_count(
    where: str, size: int, offset: int, count: int, record_bytes: int, *, compressed: bool
) -> None:
    if count == 0:
        raise no_points(where, "its header says 0 points")
    if count > LIMITS.points:
        raise _truncated(where, f"it promises {count:,} points, the limit is {LIMITS.points:,}")
    needed = offset + (9 if compressed else count * record_bytes)
    if size < needed:
        raise _truncated(
            where, f"it promises {count:,} points, {needed:,} bytes in all, and has {size:,}"
        )


def _vlrs(stream, where: str, start: int, count: int, end: int) -> dict[int, bytes]:
    """Return the wanted records between header and points."""
    found: dict[int, bytes] = {}
    at = start
    for _ in range(min(count, _MOST_VLRS)):
        if at + 54 > end:
            break  # some writers count a record too many
        stream.seek(at)
        head = stream.read(54)
        if len(head) < 54:
            raise _truncated(where, "it ends inside its header records")
        number, length = struct.unpack_from("<HH", head, 18)
        at += 54 + length
        if at > end:
            raise _malformed(where, f"a header record of {length:,} bytes reaches into the points")
        if _wanted(head[2:18], number):
            found[number] = stream.read(length)
    return found


def _evlrs(stream, start: int, count: int, size: int) -> dict[int, bytes]:
    """Return the wanted records behind the points (LAS 1.4)."""
    found: dict[int, bytes] = {}
    at = start
    for _ in range(min(count, _MOST_VLRS)):
        stream.seek(at)
        head = stream.read(60)
        if len(head) < 60:
            break
        number, length = struct.unpack_from("<HQ", head, 18)
        at += 60 + length
        if at > size:
            break
        if _wanted(head[2:18], number) and length <= MIB:
            found[number] = stream.read(length)
    return found


def _wanted(user: bytes, number: int) -> bool:
    name = user.split(b"\0")[0]
    return (name == b"LASF_Projection" and number in (34735, 34736, 34737, 2112)) or (
        name == b"laszip encoded" and number == 22204
    )


def read_crs(header: Header) -> tuple[crs.Crs, tuple[str, ...]]:
    """Return the CRS and remarks, where two records disagree."""
    records = header.records
    keys, text = crs.Crs(), crs.Crs()
    if 34735 in records:
        data = records[34735]
        doubles = records.get(34736, b"")
        title = records.get(34737, b"").split(b"|")[0].decode("ascii", "replace").strip("\0 ")[:60]
        keys = crs.from_geokeys(
            np.frombuffer(data[: len(data) // 2 * 2], "<u2").tolist(),
            np.frombuffer(doubles[: len(doubles) // 8 * 8], "<f8").tolist(), title,
        )  # fmt: skip
    if 2112 in records:
        text = crs.from_wkt(records[2112].split(b"\0")[0].decode("utf-8", "replace"))
    first, second = (text, keys) if header.says_wkt else (keys, text)
    if first.kind == "" or (first.unit == "" and second.unit != "" and first.kind == second.kind):
        first, second = second, first
    if first.unit and second.unit and first.unit != second.unit:
        return first, (
            Doubt(f"its CRS records disagree: {first.evidence} (taken), {second.evidence}"),
        )
    return first, ()


def _capture(kind: str, header: Header, records: Records, where: str) -> Capture:
    probe = records.read(slice(0, header.count, max(1, header.count // _PROBE_ROWS)))
    points = probe["xyz"] * header.scales + header.offsets
    low, high = points.min(axis=0), points.max(axis=0)
    system, facts = read_crs(header)
    unit, by, stretch = system.unit, f"{kind.upper()}: {system.evidence}", 1.0
    on_map = units.on_a_map(low, high)
    up = "+z" if system.kind == "projected" or on_map else ""
    if why := crs.contradiction(system, low, high):
        facts += (
            Doubt(
                f"its CRS {system.name} ({_word(system)}) is not used: {why}"
                + ", but those of a map" * on_map
            ),
        )
        system, unit = crs.Crs(), ""
    elif system.kind == "geographic":
        raise _degrees(where, system, (low + high) / 2)
    elif system.kind == "geocentric":
        up = ",".join(f"{v:.12f}" for v in crs.plumb_up((low + high) / 2))
    elif unit and system.vertical and system.vertical != unit:
        stretch = units.METRES[system.vertical] / units.METRES[unit]
        facts += (f"heights in {system.vertical}, positions in {unit}: heights were converted",)
    elif system.kind == "projected" and unit == "":
        facts += (Doubt(f"its CRS is {system.name}, whose unit r2s does not know"),)
    scales, offsets = header.scales * [1, 1, stretch], header.offsets * [1, 1, stretch]
    brightest = int(probe["rgb"].max()) if "rgb" in records.names else 0
    if "rgb" in records.names and brightest == 0:
        facts += (BLACK,)
    # Bytes in the 16-bit fields are common, and against the standard.
    shift = 8 if brightest > 255 else 0

    def rows(part: slice) -> Rows:
        table = records.read(part)
        colors = None
        if brightest:
            colors = np.minimum(table["rgb"] >> shift, 255).astype(np.uint8)
        return Rows(table["xyz"] * scales + offsets, colors, None)

    return Capture(
        kind, header.count, rows, has_colors=brightest > 0, declared_unit=unit, declared_up=up,
        plumb=bool(up), declared_by=by if unit else "coordinates of a map", surveyed=True, facts=facts,
        may_be_y_up=not up,
    )  # fmt: skip


def _word(system: crs.Crs) -> str:
    return {"geographic": "degrees", "geocentric": "geocentric"}.get(system.kind, system.kind)


def _degrees(where: str, system: crs.Crs, middle: np.ndarray) -> R2SError:
    zone = int((middle[0] + 180) // 6) % 60 + 1
    code = (32600 if middle[1] >= 0 else 32700) + zone
    return R2SError(
        "R2S-SCAN-051", f"the coordinates are degrees ({system.name})", where=where,
        why="longitude and latitude have no common length; a scene needs metres",
        remedy=f"pdal translate '{where}' metres.las reprojection "
        f"--filters.reprojection.out_srs=EPSG:{code}",
    )  # fmt: skip
