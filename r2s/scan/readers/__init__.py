"""Open a capture: one module per format family, chosen by the file's bytes.

`read` and, for several clouds, `read_all` are the only entries. Formats that r2s does not read
yet are refused by name (`refused`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from r2s.guard.preflight import regular_file, shown
from r2s.guard.sniff import sniff, sniff_gzip
from r2s.scan.capture import Capture
from r2s.scan.readers.asked import NOTHING, Asked, Told, check_units, unheard
from r2s.scan.readers.refused import refusal

READABLE = (
    "pcd", "ply", "las", "laz", "e57", "ptx", "xyz", "csv", "glb", "obj", "stl", "png", "pgm", "bag", "db3",
    "mcap", "pcap", "osf", "usdz", "usd", "r3d",
)  # fmt: skip


def read_all(paths: Sequence[Path], asked: Asked = NOTHING, told: Told = unheard) -> Capture:
    """Open one capture, or several clouds as one.

    Raises:
        R2SError: as `read`; or a cloud does not fit the others, in shape or in unit.
    """
    if len(paths) == 1:
        return read(paths[0], asked, told)
    from r2s.scan.together.capture import put_together

    check_units(asked, len(paths), paths[0])
    each = replace(asked, unit=None)
    return put_together([read(path, each, told) for path in paths], paths, asked, told)


def read(path: Path, asked: Asked = NOTHING, told: Told = unheard) -> Capture:
    """Open a capture, a file or a folder, and check it against its own header.

    told: hears how much of a long decoding is done, and may raise to end it.

    Raises:
        R2SError: no such file, empty, truncated, a header that lies, a format that is not read.
    """
    if path.is_dir():
        from r2s.scan.readers.folder import read_folder

        return read_folder(path, asked, told)
    size = regular_file(path)
    check_units(asked, 1, path)
    kind = sniff(path)
    match kind:
        case "pcd":
            from r2s.scan.readers.pcd import read_pcd

            return read_pcd(path, size, told)
        case "ply":
            from r2s.scan.readers.ply import read_ply

            return read_ply(path, size, told)
        case "glb" | "obj" | "stl":
            from r2s.scan.readers.mesh import read_mesh

            return read_mesh(path, kind)
        case "xyz" | "csv":
            from r2s.scan.readers.text import read_text

            return read_text(path, kind, size, told)
        case "las" | "laz":
            from r2s.scan.readers.las import read_las

            return read_las(path, kind, size, told)
        case "e57":
            from r2s.scan.readers.e57 import read_e57

            return read_e57(path, size, told)
        case "ptx":
            from r2s.scan.readers.ptx import read_ptx

            return read_ptx(path, size, told)
        case "gz":
            inside = sniff_gzip(path)
            if inside == "ptx":
                from r2s.scan.readers.ptx import read_ptx

                return read_ptx(path, size, told)
            if inside in ("xyz", "csv"):
                from r2s.scan.readers.text import read_text

                return read_text(path, inside, size, told)
            raise refusal(kind, where=shown(path), inside=inside)
        case "png" | "pgm":
            from r2s.scan.readers.rgbd.single import read_depth

            return read_depth(path, kind, asked)
        case "bag" | "db3" | "mcap":
            from r2s.scan.readers.ros.recording import read_recording

            return read_recording(path, kind, asked)
        case "r3d":
            from r2s.scan.readers.rgbd import record3d
            from r2s.scan.readers.rgbd.stream import capture_of

            return capture_of(record3d.read(path), asked, path)
        case "usdz" | "usd":
            from r2s.scan.readers.usd import read_usd

            return read_usd(path, kind)
        case "pcap" | "osf":
            from r2s.scan.readers.ouster import read_ouster

            return read_ouster(path, kind, size, asked, told)
    raise refusal(kind, where=shown(path), suffix=path.suffix.lower())


def companions(path: Path) -> list[Path]:
    """Return the other files a capture consists of; for a folder, all its files."""
    if path.is_dir():
        from r2s.scan.readers.folder import folder_files

        return folder_files(path)
    kind = sniff(path) if path.is_file() else ""
    if kind == "pcap":
        from r2s.scan.readers.ouster import metadata_of

        meta = metadata_of(path)
        return [] if meta is None else [meta]
    if kind != "obj":
        return []
    from r2s.scan.readers.mesh import obj_companions

    return obj_companions(path)
