"""Which files an MJCF consists of, and that none of them lies outside its package."""

from __future__ import annotations

from pathlib import Path

from r2s.core.errors import UnsafeInput
from r2s.robot.xmlfile import read_xml

MAX_INCLUDE_DEPTH = 8


def mjcf_files(path: Path, package_path: tuple[Path, ...] = ()) -> list[Path]:
    """Return an MJCF and every file it includes or loads, the MJCF first.

    Raises:
        UnsafeInput: a name leads out of the folder of the MJCF, its package and `package_path`.
    """
    roots = [_package_root(path), *(folder.resolve() for folder in package_path)]
    found: dict[Path, None] = {}
    _collect(path.resolve(), path.resolve().parent, roots, found, 0)
    return [path, *sorted(set(found) - {path.resolve()})]


def _collect(file: Path, top: Path, roots, found: dict[Path, None], depth: int) -> None:
    if depth > MAX_INCLUDE_DEPTH or file in found:
        return
    found[file] = None
    root = read_xml(file)
    folders = {"mesh": "", "texture": "", "hfield": ""}
    for compiler in root.iter("compiler"):
        for kind, key in (("mesh", "meshdir"), ("texture", "texturedir"), ("hfield", "meshdir")):
            folders[kind] = compiler.get(key, compiler.get("assetdir", folders[kind]))
    for element in root.iter():
        for key in (
            "file",
            *(f"file{side}" for side in ("up", "down", "left", "right", "front", "back")),
        ):
            name = element.get(key)
            if not name:
                continue
            inside = Path(folders.get(element.tag, "")) / name
            target = (top / inside).resolve()
            if not any(target.is_relative_to(root_folder) for root_folder in roots):
                raise UnsafeInput(
                    "R2S-ROBOT-008",
                    f"the MJCF names a file outside its package: {name}",
                    where=f"{file}: <{element.tag} {key}=...>",
                    why=f"{target} is not below {roots[0]}; a robot from a stranger must not read "
                    "other files of this computer",
                    remedy="move the file beside the MJCF, or pass --package-path with its folder",
                )
            if element.tag == "include":
                _collect(target, top, roots, found, depth + 1)
            elif target.is_file():
                found[target] = None


def _package_root(path: Path) -> Path:
    """Return the nearest folder above with a package.xml, else the MJCF's own folder's parent.

    The parent, because `../assets` is how many robots name their meshes.
    """
    folder = path.resolve().parent
    for ancestor in (folder, *list(folder.parents)[:4]):
        if (ancestor / "package.xml").is_file():
            return ancestor
    return folder.parent if folder.parent != folder.parent.parent else folder
