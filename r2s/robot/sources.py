"""Which files a robot description consists of."""

from __future__ import annotations

from pathlib import Path

from r2s.robot.resolve import Resolver
from r2s.robot.xmlfile import read_xml


def is_mjcf(path: Path) -> bool:
    """Whether a file's root element is <mujoco>."""
    return read_xml(path).tag == "mujoco"


def referenced_files(path: Path, package_path: tuple[Path, ...] = ()) -> list[Path]:
    """Return the description and every existing file it references, sorted, the description first."""
    if is_mjcf(path):
        from r2s.robot.mjcf_files import mjcf_files

        return mjcf_files(path, package_path)
    from r2s.robot.urdf import mesh_names
    from r2s.robot.xacro import xacro_files

    resolver = Resolver(path, package_path)
    found = {
        file for name in mesh_names(path, package_path) if (file := resolver.find(name)) is not None
    }
    found |= set(xacro_files(path, package_path))
    for mesh in list(found):
        if mesh.suffix.lower() == ".obj":  # its colours are in a second file
            found |= set(mesh.parent.glob(f"{mesh.stem}.mtl"))
    return [path, *sorted(found - {path})]
