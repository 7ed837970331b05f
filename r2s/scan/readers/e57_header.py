"""What an E57 file (ASTM E2807) says about itself, checked before any native library sees it.

The file is a row of pages, each with 4 bytes of CRC-32C at its end; an offset counts them ("physical"),
a length does not ("logical"). An XML tree names the scans and where their packed points are.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import BinaryIO
from xml.etree import ElementTree

import numpy as np

from r2s.core.rigid import quat_to_matrix, transform
from r2s.guard.limits import LIMITS, MIB
from r2s.guard.preflight import shown
from r2s.scan.readers.broken import malformed, no_points, truncated

CARTESIAN = ("cartesianX", "cartesianY", "cartesianZ")
SPHERICAL = ("sphericalRange", "sphericalAzimuth", "sphericalElevation")
COLORS = ("colorRed", "colorGreen", "colorBlue")
_NAMESPACE = "{http://www.astm.org/COMMIT/E57/2010-e57-v1.0}"
_HEADER = struct.Struct("<8sIIQQQQ")
_SECTION = struct.Struct("<B7xQQQ")
_POLYNOMIAL = 0x82F63B78  # CRC-32C, bits reversed
_MOST_XML = 32 * MIB
_MOST_SCANS = 100_000
# Every page of files up to this size is checked here; of larger ones the pages of the XML, and the native
# reader checks the others as it comes to them.
_ALL_PAGES_UP_TO = 64 * MIB
_PAGE_BYTES = 1024
_malformed = partial(
    malformed,
    "the E57 file is malformed",
    "export it again in the scanner's program, or open and save it in CloudCompare",
)
damaged = partial(truncated, "the E57 file is truncated, damaged, or its header lies")


@dataclass(frozen=True)
class ScanEntry:
    """One scan of the file.

    Attributes:
        index: its place under data3D; name; count: number of records.
        fields: names of the values of a point.
        is_single: whether its coordinates are single precision.
        T_file_scan: (4, 4) its pose, which maps its points into the file's frame; has_pose: whether
            the file states one.
        color_max: largest value of a colour channel.
    """

    index: int
    name: str
    count: int
    fields: tuple[str, ...]
    is_single: bool
    T_file_scan: np.ndarray
    has_pose: bool
    color_max: float

    @property
    def axes(self) -> tuple[str, str, str]:
        return CARTESIAN if set(CARTESIAN) <= set(self.fields) else SPHERICAL

    @property
    def is_gridded(self) -> bool:
        """Whether the points are a scanner's rows and columns, so in its own frame."""
        return {"rowIndex", "columnIndex"} <= set(self.fields)

    @property
    def has_colors(self) -> bool:
        return set(COLORS) <= set(self.fields) and self.color_max > 0


def read_header(path: Path, size: int) -> list[ScanEntry]:
    """Return the scans of a file that hold points.

    Raises:
        R2SError: cut, damaged, a header or a scan that lies, no points.
    """
    where = shown(path)
    with path.open("rb") as stream:
        text = _xml(stream, where, size)
        try:
            root = ElementTree.fromstring(text)
        except (ElementTree.ParseError, ValueError, LookupError) as exc:
            raise _malformed(where, f"its XML cannot be read: {str(exc)[:120]}") from exc
        data3d = root.find(f"{_NAMESPACE}data3D")
        nodes = [] if data3d is None else list(data3d)
        if len(nodes) > _MOST_SCANS:
            raise _malformed(where, f"it lists {len(nodes):,} scans")
        scans = [_scan(stream, where, size, i, node) for i, node in enumerate(nodes)]
    full = [scan for scan in scans if scan.count]
    if not full:
        raise no_points(
            where,
            f"it lists {len(nodes)} scans, and none has points: it may hold pictures only",
            "export the scans again, with their points",
        )
    total = sum(scan.count for scan in full)
    if total > LIMITS.points:
        raise damaged(where, f"it promises {total:,} points, the limit is {LIMITS.points:,}")
    return full


def _xml(stream: BinaryIO, where: str, size: int) -> bytes:
    head = stream.read(_HEADER.size)
    if len(head) < _HEADER.size:
        raise damaged(where, f"it has {size} bytes, and an E57 header {_HEADER.size}")
    _, major, _, length, xml_at, xml_bytes, page = _HEADER.unpack(head)
    if major != 1 or page != _PAGE_BYTES:
        raise _malformed(
            where, f"it says version {major} and pages of {page:,} bytes, not 1 and 1,024"
        )
    if length != size:
        raise damaged(where, f"its header says {length:,} bytes, and it has {size:,}")
    if size % page or not _HEADER.size <= xml_at < size or xml_bytes > min(size, _MOST_XML):
        raise _malformed(
            where, f"its XML of {xml_bytes:,} bytes at byte {xml_at:,} does not fit {size:,} bytes"
        )
    first, last = (0, size) if size <= _ALL_PAGES_UP_TO else (xml_at, _end(xml_at, xml_bytes))
    _check_pages(stream, where, first // page, min(-(-last // page), size // page))
    text = _logical(stream, xml_at, xml_bytes)
    if len(text) < xml_bytes:
        raise damaged(where, f"its XML promises {xml_bytes:,} bytes, and {len(text):,} are left")
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise _malformed(where, "its XML defines entities, which E57 has no use for and bombs do")
    return text.rstrip(b"\0 \n\r\t")


def _end(start: int, logical: int) -> int:
    """Return the physical end, rounded up, of `logical` bytes that begin at a physical byte."""
    return start + logical + 4 * (logical // (_PAGE_BYTES - 4) + 2)


def _logical(stream: BinaryIO, start: int, length: int) -> bytes:
    """Return `length` bytes from a physical offset on, without the checksums."""
    first = start - start % _PAGE_BYTES
    stream.seek(first)
    raw = stream.read(_end(start, length) - first)
    pages = [raw[i : i + _PAGE_BYTES - 4] for i in range(0, len(raw), _PAGE_BYTES)]
    return b"".join(pages)[start - first :][:length]


@cache
def _crc_table() -> np.ndarray:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1)
    return table.astype(np.uint32)


def page_checksums(pages: np.ndarray) -> np.ndarray:
    """Return CRC-32C (n,) uint32 of pages (n, k) uint8, all pages at once."""
    table = _crc_table()
    crc = np.full(len(pages), 0xFFFFFFFF, np.uint32)
    for column in np.ascontiguousarray(pages.T):
        crc = table[(crc ^ column) & 0xFF] ^ (crc >> np.uint32(8))
    return crc ^ np.uint32(0xFFFFFFFF)


def _check_pages(stream: BinaryIO, where: str, first: int, last: int) -> None:
    stream.seek(first * _PAGE_BYTES)
    for start in range(first, last, 16 * 1024):
        raw = np.frombuffer(stream.read(min(16 * 1024, last - start) * _PAGE_BYTES), np.uint8)
        pages = raw[: len(raw) // _PAGE_BYTES * _PAGE_BYTES].reshape(-1, _PAGE_BYTES)
        stored = np.ascontiguousarray(pages[:, -4:]).view(">u4")[:, 0]
        wrong = np.flatnonzero(stored != page_checksums(pages[:, :-4]))
        if len(wrong):
            raise damaged(
                where, f"{len(wrong)} of its pages fail their checksum, the first at byte "
                f"{(start + int(wrong[0])) * _PAGE_BYTES:,}",
            )  # fmt: skip


def _scan(stream: BinaryIO, where: str, size: int, index: int, node) -> ScanEntry:
    name = (node.findtext(f"{_NAMESPACE}name") or f"scan {index}").strip()[:60]
    points = node.find(f"{_NAMESPACE}points")
    prototype = None if points is None else points.find(f"{_NAMESPACE}prototype")
    if points is None or prototype is None:
        return ScanEntry(index, name, 0, (), False, np.eye(4), False, 0.0)
    fields = {child.tag.removeprefix(_NAMESPACE): child for child in prototype}
    count = _whole(where, points.get("recordCount"), f"scan {name!r}: recordCount")
    offset = _whole(where, points.get("fileOffset"), f"scan {name!r}: fileOffset")
    axes = next((a for a in (CARTESIAN, SPHERICAL) if set(a) <= set(fields)), None)
    if count and axes is None:
        raise _malformed(where, f"scan {name!r} has no coordinates, only {', '.join(fields)[:120]}")
    if count:
        _check_section(stream, where, size, name, offset, count, list(fields.values()))
    T, has_pose = _pose(where, name, node.find(f"{_NAMESPACE}pose"))
    limits = [
        float(node.findtext(f"{_NAMESPACE}colorLimits/{_NAMESPACE}{c}Maximum") or 0) for c in COLORS
    ]
    declared = [_float(fields[c].get("maximum"), 0.0) for c in COLORS if c in fields]
    single = axes is not None and all(
        fields[a].get("type") == "Float" and fields[a].get("precision") == "single" for a in axes
    )
    return ScanEntry(
        index, name, count, tuple(fields), single, T, has_pose,
        max(limits) if max(limits) > 0 else max(declared, default=0.0),
    )  # fmt: skip


def _check_section(
    stream: BinaryIO, where: str, size: int, name: str, offset: int, count: int, fields: list
) -> None:
    """Compare the number of records with the bytes their packed points take."""
    if offset + _SECTION.size > size:
        raise damaged(where, f"scan {name!r} begins at byte {offset:,} of {size:,}")
    kind, length, data_at, _ = _SECTION.unpack(_logical(stream, offset, _SECTION.size))
    if kind != 1 or length > size or data_at >= size:
        raise damaged(where, f"scan {name!r}: a section of kind {kind} and {length:,} bytes")
    least = count * sum(_bits(where, field) for field in fields) // 8
    if length < least:
        raise damaged(
            where, f"scan {name!r} promises {count:,} points, at least {least:,} bytes, in a section "
            f"of {length:,}",
        )  # fmt: skip


def _bits(where: str, field) -> int:
    """Return the bits a value of a prototype takes, at least."""
    if field.get("type") == "Float":
        return 32 if field.get("precision") == "single" else 64
    if field.get("type") not in ("Integer", "ScaledInteger"):
        return 0
    low = _whole(where, field.get("minimum", str(-(1 << 63))), "a minimum", signed=True)
    high = _whole(where, field.get("maximum", str((1 << 63) - 1)), "a maximum", signed=True)
    return max(0, high - low).bit_length()


def _pose(where: str, name: str, node) -> tuple[np.ndarray, bool]:
    if node is None:
        return np.eye(4), False

    def numbers(part: str, keys: str, default: list[float]) -> np.ndarray:
        if node.find(_NAMESPACE + part) is None:
            return np.array(default)
        found = [node.findtext(f"{_NAMESPACE}{part}/{_NAMESPACE}{key}") for key in keys]
        return np.array([_float(text, 0.0) for text in found])

    quaternion = numbers("rotation", "wxyz", [1, 0, 0, 0])
    shift = numbers("translation", "xyz", [0, 0, 0])
    norm = float(np.linalg.norm(quaternion))
    if not (np.isfinite(norm) and abs(norm - 1) < 0.01 and np.isfinite(shift).all()):
        raise _malformed(
            where, f"scan {name!r} has the pose {quaternion.tolist()} {shift.tolist()}"
        )
    return transform(quat_to_matrix(quaternion), shift), True


def _float(text: str | None, default: float) -> float:
    try:
        return float(text) if text else default
    except ValueError:
        return float("nan")


def _whole(where: str, text: str | None, what: str, *, signed: bool = False) -> int:
    digits = (text or "").strip()
    bare = digits.removeprefix("-") if signed else digits
    if not bare.isdecimal() or len(bare) > 19:
        raise _malformed(where, f"{what} is {digits[:30]!r}")
    return int(digits)
