"""Where a mesh file lies that a robot description names by `package://`, `file://` or a relative path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from r2s.core.errors import R2SError

# How far up from the description packages are searched; deeper trees are named by --package-path.
MAX_ANCESTORS = 6


@dataclass(frozen=True)
class Resolver:
    """Resolves mesh names of one description.

    Attributes:
        description: the URDF file.
        package_path: further folders that are packages or contain packages.
    """

    description: Path
    package_path: tuple[Path, ...] = ()

    def candidates(self, name: str) -> list[Path]:
        """Return every path that `name` may mean, most likely first."""
        folder = self.description.resolve().parent
        name = unquote(name.strip()).replace("\\", "/")
        if name.startswith("file:"):
            return [Path("/" + name.removeprefix("file:").lstrip("/"))]
        if not name.startswith(("package:", "model:")):
            path = Path(name)
            bases = [folder, *self.package_path, *self._ancestors()[:2]]
            return [path] if path.is_absolute() else _unique([base / path for base in bases])
        rest = name.split(":", 1)[1].lstrip("/")
        package, _, inside = rest.partition("/")
        found: list[Path] = []
        for root in self.package_path:
            found += [root / rest] + ([root / inside] if root.name == package else [])
        for ancestor in self._ancestors():
            # A package is an ancestor of that name, a folder with a package.xml that says so,
            # or a neighbour of one of the ancestors.
            if ancestor.name == package or _package_name(ancestor) == package:
                found.append(ancestor / inside)
            found.append(ancestor / rest)
        found += [folder / inside]
        found += [ancestor / inside for ancestor in self._ancestors()[:2]]
        return _unique(found)

    def find(self, name: str) -> Path | None:
        """Return the existing file that `name` means, or None."""
        return next((path for path in self.candidates(name) if path.is_file()), None)

    def missing(self, name: str, link: str, role: str = "collision") -> R2SError:
        """Return the error for a mesh that is nowhere, with every path tried."""
        tried = "\n    ".join(str(path) for path in self.candidates(name))
        package = name.split(":", 1)[-1].lstrip("/").partition("/")[0]
        return R2SError(
            "R2S-ROBOT-010",
            f"the {role} mesh {name} of link {link} is not there",
            where=str(self.description),
            why=f"tried:\n    {tried}",
            remedy=f"name the folder that contains {package!r}: r2s robot {self.description} "
            "--package-path FOLDER (in build-scene: --robot-package-path FOLDER)",
        )

    def _ancestors(self) -> list[Path]:
        return list(self.description.resolve().parents)[: MAX_ANCESTORS + 1]


def _package_name(folder: Path) -> str:
    """Return the package name in a folder's package.xml, or ""."""
    import re

    try:
        text = (folder / "package.xml").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = re.search(r"<name>\s*([^<\s]+)\s*</name>", text)
    return found.group(1) if found else ""


def _unique(paths: Sequence[Path]) -> list[Path]:
    return list(dict.fromkeys(paths))
