"""XML from strangers: read without entities, with errors that name the line."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

from r2s.core.errors import R2SError, UnsafeInput

MAX_XML_BYTES = 64 * 1024 * 1024
_DOCTYPE = re.compile(rb"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)


def read_xml(path: Path) -> ET.Element:
    """Return the root element of an XML file.

    Raises:
        UnsafeInput: it declares a document type or entities, or is far too large.
        R2SError: it is missing or is not XML.
    """
    try:
        size = path.stat().st_size
        if size > MAX_XML_BYTES:
            raise UnsafeInput(
                "R2S-ROBOT-003",
                f"the robot description is {size / 1e6:.0f} MB of XML",
                where=str(path),
                why=f"more than {MAX_XML_BYTES / 1e6:.0f} MB is not a robot description",
                remedy="pass the URDF or MJCF file itself; meshes belong in files of their own",
            )
        data = path.read_bytes()
    except OSError as exc:
        raise R2SError(
            "R2S-ROBOT-001",
            "the robot description cannot be read",
            where=str(path),
            why=exc.strerror or str(exc),
            remedy="r2s robot /path/to/robot.urdf",
        ) from exc
    if _DOCTYPE.search(_comments_removed(data)):
        raise UnsafeInput(
            "R2S-ROBOT-002",
            "the robot description declares a DOCTYPE or an ENTITY",
            where=str(path),
            why="entities can read other files or grow without bound; no robot needs them",
            remedy="delete the <!DOCTYPE ...> lines and run the command again",
        )
    try:
        return ET.fromstring(data)
    except ET.ParseError as exc:
        raise R2SError(
            "R2S-ROBOT-004",
            "the robot description is not well-formed XML",
            where=f"{path}:{exc.position[0]}",
            why=str(exc),
            remedy=f"xmllint --noout {path}",
        ) from exc


def _comments_removed(data: bytes) -> bytes:
    """Return the document without its comments. UTF-16 is unfolded, so nothing hides in it."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in data[:64]:
        data = data.replace(b"\x00", b"")
    return re.sub(rb"<!--.*?-->", b"", data, flags=re.DOTALL)
