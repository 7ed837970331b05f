"""xacro files become URDF through the optional package `xacrodoc`.

xacro evaluates Python expressions of the file: expand only files whose makers you trust.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from r2s.core.errors import R2SError
from r2s.robot.urdf_elements import is_xacro
from r2s.robot.xmlfile import read_xml

# What an expression, an argument without a value, or a file that is not there raises in xacro.
_IN_EXPRESSIONS = (
    ArithmeticError, AttributeError, ExpatError, LookupError, NameError, OSError, SyntaxError,
    TypeError, ValueError,
)  # fmt: skip


def read_urdf_xml(path: Path, package_path: tuple[Path, ...] = ()) -> ET.Element:
    """Return the root element of a URDF, or of the URDF that a xacro file expands to.

    Raises:
        R2SError: it is xacro and `xacrodoc` is absent or refuses it.
    """
    root = read_xml(path)
    return ET.fromstring(_expanded(path, package_path)[0]) if _has_macros(root) else root


def xacro_files(path: Path, package_path: tuple[Path, ...] = ()) -> list[Path]:
    """Return the xacro and YAML files that a xacro file includes; none for a URDF."""
    return list(_expanded(path, package_path)[1]) if _has_macros(read_xml(path)) else []


def _has_macros(root: ET.Element) -> bool:
    return root.tag == "robot" and any(is_xacro(element) for element in root.iter())


def _expanded(path: Path, package_path: tuple[Path, ...]) -> tuple[str, tuple[Path, ...]]:
    stamp = path.stat().st_mtime_ns
    return _expand(path.resolve(), package_path, stamp)


@lru_cache(maxsize=4)
def _expand(path: Path, package_path: tuple[Path, ...], stamp: int) -> tuple[str, tuple[Path, ...]]:
    try:
        xacrodoc: Any = import_module("xacrodoc")  # lets $(find PACKAGE) work without ROS
        xacro: Any = import_module("xacro")
    except ImportError as exc:
        raise R2SError(
            "R2S-ROBOT-006",
            "this is a xacro file, not a URDF",
            where=str(path),
            why="its macros are expanded by the optional package xacrodoc, which is not installed",
            remedy="pip install 'r2s-pipeline[robots]'   "
            f"# or: xacro {path.name} > robot.urdf && r2s robot robot.urdf",
        ) from exc
    packages = xacrodoc.packages
    packages.reset()
    packages.look_in([str(folder) for folder in package_path])
    packages.walk_up_from(str(path))
    xacro.all_includes.clear()
    try:
        text = xacro.process_file(str(path), mappings={}).toxml()
    except (xacro.XacroException, packages.PackageNotFoundError, *_IN_EXPRESSIONS) as exc:
        first = " ".join(str(exc).split()) or type(exc).__name__
        raise R2SError(
            "R2S-ROBOT-009",
            "the xacro file cannot be expanded",
            where=str(path),
            why=first[:400],
            remedy="pass the folder that contains its packages with --package-path FOLDER, "
            f"or: xacro {path.name} ARG:=VALUE > robot.urdf",
        ) from exc
    included = {Path(str(file)).resolve() for file in xacro.all_includes}  # YAML files too
    return text, tuple(sorted(file for file in included if file != path and file.is_file()))
