"""PLY: ascii, little and big endian, clouds and meshes, with whatever extra properties."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from r2s.core.errors import R2SError
from r2s.core.memory import release
from r2s.core.rigid import transform
from r2s.guard.limits import LIMITS
from r2s.guard.preflight import shown
from r2s.scan.capture import Capture, Mesh, Rows, color_bytes
from r2s.scan.readers.asked import Told, unheard
from r2s.scan.readers.broken import large_text, malformed, no_points, truncated
from r2s.scan.readers.numbers import parse_table

_TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4",
    "float": "f4", "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2",
    "int32": "i4", "uint32": "u4", "int64": "i8", "uint64": "u8", "float32": "f4", "float64": "f8",
}  # fmt: skip
_ORDER = {"ascii": "<", "binary_little_endian": "<", "binary_big_endian": ">"}
_NORMALS = (("nx", "ny", "nz"), ("normal_x", "normal_y", "normal_z"))
_COLORS = (
    ("red", "green", "blue"),
    ("diffuse_red", "diffuse_green", "diffuse_blue"),
    ("r", "g", "b"),
)
_CAMERA = [f"view_p{a}" for a in "xyz"] + [f"{axis}_axis{a}" for axis in "xyz" for a in "xyz"]
_WANTED = ("vertex", "face", "camera")
_malformed = partial(
    malformed,
    "the PLY file is malformed",
    "open and save it again as binary PLY, for example in CloudCompare or MeshLab",
)
_truncated = partial(truncated, "the PLY file is truncated or its header lies")


@dataclass(frozen=True)
class Property:
    """`code` is a numpy type; a list has the type of its length in `length`, else it is empty."""

    name: str
    code: str
    length: str = ""


@dataclass(frozen=True)
class Element:
    """`count` records of `properties`."""

    name: str
    count: int
    properties: tuple[Property, ...]

    @property
    def is_fixed(self) -> bool:
        return not any(p.length for p in self.properties)

    @property
    def dtype(self) -> np.dtype:
        return np.dtype([(p.name, p.code) for p in self.properties])

    @property
    def least_bytes(self) -> int:
        """Bytes of one record with empty lists."""
        return sum(np.dtype(p.length or p.code).itemsize for p in self.properties)


@dataclass(frozen=True)
class Header:
    """`encoding` is a key of `_ORDER`; `offset` is the byte after the header."""

    encoding: str
    elements: tuple[Element, ...]
    offset: int


def read_ply(path: Path, size: int, told: Told = unheard) -> Capture:
    """Open a PLY file of `size` bytes. A binary cloud stays on disk until rows are asked for."""
    header = read_header(path, size)
    tables = (
        _ascii(path, header, told) if header.encoding == "ascii" else _binary(path, header, size)
    )
    vertex = tables["vertex"]
    faces = _triangles(path, tables.get("face"), len(vertex))
    if len(faces):
        from r2s.scan.readers.mesh import capture_of_mesh

        points = np.stack([vertex[axis] for axis in "xyz"], axis=-1).astype(np.float64)
        colors = _columns(vertex, _COLORS)
        bytes_ = None if colors is None else color_bytes(np.stack([vertex[n] for n in colors], -1))
        return capture_of_mesh("ply", Mesh(points, faces), bytes_, where=shown(path))
    return _cloud(vertex, _camera(tables.get("camera")))


def read_header(path: Path, size: int) -> Header:
    """Read and check the header against the file's size."""
    encoding, elements, offset = "", [], 0
    with path.open("rb") as stream:
        for number in range(LIMITS.header_lines):
            line = stream.readline(LIMITS.header_bytes)
            offset += len(line)
            words = line.decode("ascii", "replace").split()
            if not line or offset > LIMITS.header_bytes:
                break
            match words:
                case ["ply"] if number == 0:
                    pass
                case [] | ["comment", *_] | ["obj_info", *_]:
                    pass
                case ["format", name, _] if name in _ORDER:
                    encoding = name
                case ["element", name, count] if count.isdigit() and len(count) < 19:
                    elements.append((name, int(count), []))
                case ["property", "list", length, kind, name] if elements:
                    elements[-1][2].append((name, kind, length))
                case ["property", kind, name] if elements:
                    elements[-1][2].append((name, kind, ""))
                case ["end_header"]:
                    return _check(path, size, encoding, elements, offset)
                case _:
                    raise _malformed(path, f"line {number + 1} reads {' '.join(words)[:60]!r}")
    raise _malformed(path, "it never comes to end_header")


def _check(path: Path, size: int, encoding: str, raw: list, offset: int) -> Header:
    if not encoding:
        raise _malformed(path, "it has no format line")
    order, elements = _ORDER[encoding], []
    for name, count, properties in raw:
        typed = []
        for label, kind, length in properties:
            if kind not in _TYPES or (length and _TYPES.get(length, "f")[0] == "f"):
                raise _malformed(
                    path, f"property {label[:30]!r} has the type {(length or kind)[:30]!r}"
                )
            typed.append(Property(label, order + _TYPES[kind], length and order + _TYPES[length]))
        if len({p.name for p in typed}) < len(typed) or len(typed) > LIMITS.fields:
            raise _malformed(path, f"element {name[:30]!r} repeats a property, or has too many")
        elements.append(Element(name, count, tuple(typed)))
    vertex = next((e for e in elements if e.name == "vertex"), None)
    if vertex is None or not {"x", "y", "z"} <= {p.name for p in vertex.properties if not p.length}:
        raise _malformed(path, "it has no vertex element with x, y and z")
    if vertex.count > LIMITS.points:
        raise _truncated(
            path, f"it promises {vertex.count:,} vertices, the limit is {LIMITS.points:,}"
        )
    # In ascii a value takes at least one digit and one separator.
    per = [2 * len(e.properties) if encoding == "ascii" else e.least_bytes for e in elements]
    least = sum(e.count * n for e, n in zip(elements, per, strict=True))
    if size - offset + 1 < least:
        raise _truncated(
            path, f"it promises {' and '.join(f'{e.count:,} {e.name}' for e in elements)[:200]}, at "
            f"least {least:,} bytes, and holds {size - offset:,}",
        )  # fmt: skip
    if vertex.count == 0:
        raise no_points(path, "its header says element vertex 0")
    return Header(encoding, tuple(elements), offset)


def _binary(path: Path, header: Header, size: int) -> dict[str, np.ndarray]:
    """Return a structured array per element; faces as int64 (n, 3) rows are split later."""
    tables: dict[str, np.ndarray] = {}
    offset = header.offset
    for element in header.elements:
        if element.name not in _WANTED and all(
            e.name in tables for e in header.elements if e.name in _WANTED and e.count
        ):
            break  # nothing that follows is wanted
        if element.count == 0:
            continue
        if element.is_fixed:
            dtype = element.dtype
            if offset + element.count * dtype.itemsize > size:
                raise _truncated(path, f"it ends inside the element {element.name[:30]!r}")
            tables[element.name] = np.memmap(path, dtype, "r", offset, (element.count,))
            offset += element.count * dtype.itemsize
        else:
            tables[element.name], offset = _lists(path, element, offset, size)
    if "vertex" not in tables:
        raise _malformed(path, "it holds no vertices")
    return tables


def _lists(path: Path, element: Element, offset: int, size: int) -> tuple[np.ndarray, int]:
    """Read records that hold lists. All lists of a column must have one length, as triangles do."""
    data = np.memmap(path, np.uint8, "r", offset, (size - offset,))
    fields: list[tuple] = []
    at = 0
    for i, p in enumerate(element.properties):
        if not p.length:
            fields.append((p.name, p.code))
            at += np.dtype(p.code).itemsize
            continue
        step = np.dtype(p.length).itemsize
        if at + step > len(data):
            raise _truncated(path, f"it ends inside the element {element.name[:30]!r}")
        count = int(np.frombuffer(data[at : at + step].tobytes(), p.length)[0])
        if not 0 <= count <= LIMITS.fields:
            raise _malformed(path, f"a list {p.name[:30]!r} claims {count} entries")
        fields += [(f"_length_{i}", p.length), (p.name, p.code, (count,))]
        at += step + count * np.dtype(p.code).itemsize
    dtype = np.dtype(fields)
    if element.count * dtype.itemsize <= len(data):
        table = np.frombuffer(data[: element.count * dtype.itemsize].tobytes(), dtype)
        lengths = [f"_length_{i}" for i, p in enumerate(element.properties) if p.length]
        if all((table[name] == table[name][0]).all() for name in lengths):
            return table, offset + element.count * dtype.itemsize
    raise R2SError(
        "R2S-SCAN-008", f"the {element.name[:30]!r} lists have unequal lengths, or the file is cut",
        where=shown(path), why="only meshes whose faces all have the same number of corners are read",
        remedy="triangulate the mesh in the program that exported it, and export it again",
    )  # fmt: skip


def _ascii(path: Path, header: Header, told: Told) -> dict[str, np.ndarray]:
    if (size := path.stat().st_size) > LIMITS.text_bytes:
        raise large_text(
            path, size, "CloudCompare -SILENT -O {file} -C_EXPORT_FMT PLY -SAVE_CLOUDS"
        )
    with path.open("rb") as stream:
        stream.seek(header.offset)
        lines = stream.read().split(b"\n")
    lines = [line for line in lines if line.strip()]
    tables: dict[str, np.ndarray] = {}
    at = done = 0
    for element in header.elements:
        part = lines[at : at + element.count]
        at += element.count
        if len(part) < element.count:
            raise _truncated(
                path,
                f"it promises {element.count:,} {element.name[:30]}, and {len(part):,} lines are left",
            )
        if element.count == 0 or element.name not in _WANTED:
            continue
        try:
            text = b"\n".join(part)
            table = parse_table(text, _shifted(told, done, size))
            done += len(text)
        except (ValueError, UnicodeDecodeError) as exc:
            raise _malformed(path, f"a line of numbers cannot be read: {str(exc)[:120]}") from exc
        tables[element.name] = _records(path, element, table)
    return tables


def _shifted(told: Told, before: float, total: float) -> Told:
    """Return a `Told` for a part of the work that begins `before` of `total`."""
    return lambda done, _: told(before + done, total)


def _records(path: Path, element: Element, table: np.ndarray) -> np.ndarray:
    """Return the structured array of an ascii element."""
    fields: list[tuple] = []
    columns: list[tuple[str, slice]] = []
    at = 0
    for i, p in enumerate(element.properties):
        width = 1
        if p.length:
            width = int(table[0, at]) if at < table.shape[1] and 0 <= table[0, at] < 1000 else -1
            if width < 0 or not (table[:, at] == width).all():
                raise _malformed(path, f"the lists {p.name[:30]!r} have unequal lengths")
            fields.append((f"_length_{i}", p.length))
            columns.append((f"_length_{i}", slice(at, at + 1)))
            at += 1
        fields.append((p.name, p.code, (width,)) if p.length else (p.name, p.code))
        columns.append((p.name, slice(at, at + width)))
        at += width
    if at > table.shape[1]:
        raise _truncated(path, f"{element.name[:30]} lines have {table.shape[1]} numbers, not {at}")
    records = np.zeros(len(table), np.dtype(fields))
    with np.errstate(invalid="ignore", over="ignore"):
        for name, part in columns:
            records[name] = (
                table[:, part].reshape(records[name].shape).astype(records.dtype[name].base)
            )
    return records


def _triangles(path: Path, table: np.ndarray | None, vertices: int) -> np.ndarray:
    """Return faces (f, 3) int64, polygons as fans; empty where there are none."""
    none = np.empty((0, 3), np.int64)
    if table is None or len(table) == 0:
        return none
    name = next(
        (n for n in ("vertex_indices", "vertex_index") if n in (table.dtype.names or ())), ""
    )
    if not name:
        raise _malformed(path, "its faces have no vertex_indices")
    corners = table[name].astype(np.int64)
    if corners.ndim != 2 or corners.shape[1] < 3:
        return none
    if len(corners) > LIMITS.faces:
        raise _truncated(path, f"it has {len(corners):,} faces, the limit is {LIMITS.faces:,}")
    if corners.min() < 0 or corners.max() >= vertices:
        raise _malformed(path, f"a face names vertex {corners.max()}, and there are {vertices}")
    fans = [corners[:, (0, i, i + 1)] for i in range(1, corners.shape[1] - 1)]
    return np.concatenate(fans)


def _camera(table: np.ndarray | None) -> np.ndarray | None:
    """Return the sensor's pose (4, 4) that PCL writes as element `camera`, or None.

    It is the place and the axes in the cloud's frame; the default, the origin, says nothing.
    """
    if table is None or len(table) != 1 or not set(_CAMERA) <= set(table.dtype.names or ()):
        return None
    values = np.array([table[name][0] for name in _CAMERA], np.float64)
    axes = values[3:].reshape(3, 3)
    if not np.isfinite(values).all() or not np.allclose(axes @ axes.T, np.eye(3), atol=1e-3):
        return None
    pose = transform(axes.T, values[:3])
    return None if np.allclose(pose, np.eye(4)) or np.linalg.det(axes) < 0 else pose


def _cloud(vertex: np.ndarray, pose: np.ndarray | None) -> Capture:
    colors, normals = _columns(vertex, _COLORS), _columns(vertex, _NORMALS)

    def stack(part: slice, names: tuple[str, ...]) -> np.ndarray:
        return np.stack([vertex[name][part] for name in names], axis=-1)

    def rows(part: slice) -> Rows:
        found = Rows(
            stack(part, ("x", "y", "z")).astype(np.float64),
            color_bytes(stack(part, colors)) if colors else None,
            stack(part, normals).astype(np.float64) if normals else None,
        )
        release(vertex)
        return found

    return Capture(
        "ply", len(vertex), rows, has_colors=bool(colors), has_normals=bool(normals), pose=pose,
        viewpoint=None if pose is None else pose[:3, 3], viewpoint_is_default=pose is None,
        viewpoint_by="element camera of the file",
    )  # fmt: skip


def _columns(vertex: np.ndarray, options: tuple[tuple[str, ...], ...]) -> tuple[str, ...] | None:
    return next((o for o in options if set(o) <= set(vertex.dtype.names or ())), None)
