"""What a file is, by its first bytes. Names lie: a `.pcd` may be a PNG."""

from __future__ import annotations

import contextlib
import gzip
import re
import zlib
from pathlib import Path

from r2s.core.errors import R2SError
from r2s.guard.archive import names

HEAD_BYTES = 4096
_ZIP = b"PK\x03\x04"

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"glTF", "glb"),
    (b"LASF", "las"),
    (b"ASTM-E57", "e57"),
    (b"#ROSBAG V", "bag"),
    (b"SQLite format 3\x00", "db3"),
    (b"\x89MCAP", "mcap"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpg"),
    (b"P5\n", "pgm"),
    (b"P5 ", "pgm"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"v/1\x01", "exr"),
    (b"\x1f\x8b", "gz"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zst"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!", "rar"),
    (b"\xd4\xc3\xb2\xa1", "pcap"),
    (b"\xa1\xb2\xc3\xd4", "pcap"),
    (b"\x4d\x3c\xb2\xa1", "pcap"),
    (b"\x0a\x0d\x0d\x0a", "pcapng"),
    (b"#usda", "usd"),
    (b"PXR-USDC", "usd"),
    (b"\x89HDF", "hdf5"),
    (b"\x93NUMPY", "npy"),
    (b"Kaydara FBX", "fbx"),
    (b"%PDF", "pdf"),
    (b"\x7fELF", "elf"),
)
_NUMBER = rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_CELL = rb"\"?(?:" + _NUMBER + rb"|nan)\"?"
# What a table may have above its first row: remarks, a count, one line of column names.
_ABOVE = (
    rb"\A(?:\xef\xbb\xbf)?(?:\s*(?:#|//|%|!)[^\n]*\n|\s*\d+[ \t]*\r?\n|\s*\n)*"
    rb"(?:[^\n]*[A-Za-z_][^\n]*\n)?(?:\s*\d+[ \t]*\r?\n)?[ \t]*"
)
_TEXT: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"\A\s*(?:#[^\n]*\n\s*)*(?:VERSION\s+\.?\d|FIELDS\s+\w)"), "pcd"),
    (re.compile(rb"\A\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:mujoco|robot)\b", re.S), "robot"),
    (re.compile(rb"\A\s*(?:<\?xml[^>]*>\s*)?<COLLADA\b"), "dae"),
    (re.compile(rb"\A\s*<"), "xml"),
    (re.compile(rb"\A\s*\{.*\"asset\"", re.S), "gltf"),
    (re.compile(rb"\A\s*[\[{]"), "json"),
    (re.compile(rb"\AOFF\s"), "off"),
    (re.compile(rb"\A(?:\s*#[^\n]*\n|\s*\n|\s*(?:mtllib|usemtl|o|g|s|vn|vt)\s[^\n]*\n)*"
                rb"\s*(?:mtllib\s|v\s+" + _NUMBER + rb"\s)"), "obj"),
    (re.compile(rb"\A\s*\d+\s*\n\s*\d+\s*\n(?:" + (_NUMBER + rb"[ \t]+") * 2 + _NUMBER + rb"\s*\n){4}"),
     "ptx"),
    (re.compile(_ABOVE + rb"(?:" + _NUMBER + rb"[ \t]+){2}" + _NUMBER + rb"\s"), "xyz"),
    (re.compile(_ABOVE + rb"(?:[-+]?\d+,\d+[ \t]+){2}[-+]?\d+,\d+\s"), "xyz"),
    (re.compile(_ABOVE + _CELL + rb"\s*[,;|]"), "csv"),
)  # fmt: skip


def sniff(path: Path) -> str:
    """Return the format of a file by its bytes (`pcd`, `ply`, `glb`, ...), or `unknown`.

    A Record3D recording is a zip file known by what it holds; other zip files are told apart by suffix
    (`usdz`, `npz`, `3mf`), since their first bytes are the same.
    """
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    if head.startswith(_ZIP):
        with contextlib.suppress(R2SError):
            if "metadata" in (held := names(path)) and any(n.startswith("rgbd/") for n in held):
                return "r3d"
    return sniff_bytes(head, size=path.stat().st_size, suffix=path.suffix.lower())


def sniff_gzip(path: Path) -> str:
    """Return the format of what a gzip file holds, or `gz` where it does not unpack."""
    try:
        with gzip.open(path) as stream:
            head = stream.read(HEAD_BYTES)
    except (OSError, EOFError, zlib.error):
        return "gz"
    inside = sniff_bytes(head, size=-1, suffix=Path(path.stem).suffix.lower())
    return "gz" if inside == "unknown" else inside


def sniff_bytes(head: bytes, *, size: int, suffix: str = "") -> str:
    """Return the format of a file from its first `HEAD_BYTES`, its size and, for zip only, its suffix."""
    if head.startswith((b"ply\n", b"ply\r", b"ply ")):
        return "ply"
    if head.startswith(b"# .PCD"):
        return "pcd"
    for magic, name in _MAGIC:
        if head.startswith(magic):
            if name == "las":
                # Bit 7 or 6 of the point format (byte 104) marks LASzip compression.
                return "laz" if len(head) > 104 and head[104] & 0xC0 else "las"
            return name
    if head.startswith(_ZIP):
        return {".usdz": "usdz", ".npz": "npz", ".3mf": "3mf", ".r3d": "r3d"}.get(suffix, "zip")
    if head[8:12] == b"OSF$":
        return "osf"
    if len(head) >= 84 and size == 84 + 50 * int.from_bytes(head[80:84], "little"):
        return "stl"
    if head[257:262] == b"ustar":
        return "tar"
    if not _is_text(head):
        return "stl" if suffix == ".stl" and not head.startswith(b"solid") else "unknown"
    if re.match(rb"\A\s*solid\b", head) and (b"facet" in head or b"endsolid" in head):
        return "stl"
    for pattern, name in _TEXT:
        if pattern.match(head):
            return name
    return "unknown"


def _is_text(head: bytes) -> bool:
    return b"\x00" not in head and sum(b < 9 or 13 < b < 32 for b in head) == 0
