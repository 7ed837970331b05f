"""A bundle folder: load its manifest, verify every byte, and hold manifest and model against each other."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from .contract import Contract, parse_contract
from .errors import EdgeError
from .policy import OnnxPolicy

SCHEMA = "r2s.bundle/1"
MANIFEST_FILE = "manifest.json"
SUMS_FILE = "SHA256SUMS"
# Facts that the model carries in its own metadata and the manifest repeats.
SHARED_FACTS = (
    "observations", "actions", "control_s", "gains", "limits", "home", "chain", "task", "robot",
)  # fmt: skip
# Written on the robot, beside the bundle's own files.
LOCAL_FILES = ("selftest.json",)
_REMEDY = "copy the bundle again, or: r2s export"


@dataclass(frozen=True)
class Manifest:
    """Attributes:
    root: the bundle folder.
    data: the parsed manifest.json.
    contract: what the policy expects and promises.
    """

    root: Path
    data: Mapping[str, Any]
    contract: Contract

    @property
    def model_file(self) -> Path:
        return self.root / self.data["policy"]["file"]


def load_manifest(root: Path) -> Manifest:
    """Read manifest.json of a bundle folder.

    Raises:
        EdgeError: R2S-EDGE-001 not a bundle or not understood, R2S-EDGE-004 wrong names.
    """
    path = Path(root) / MANIFEST_FILE
    try:
        data = json.loads(path.read_bytes())
        schema = data["schema"]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise EdgeError(
            "R2S-EDGE-001",
            f"this is not an r2s bundle: {exc}",
            where=str(path),
            why="there is nothing to run",
            remedy="give the folder that holds manifest.json",
        ) from exc
    if schema != SCHEMA:
        raise EdgeError(
            "R2S-EDGE-001",
            f"the manifest has schema {schema!r}, this runtime reads {SCHEMA!r}",
            where=str(path),
            why="the runtime acts only on a manifest it understands completely",
            remedy="use the runtime inside the bundle: runtime/r2s_edge",
        )
    missing = [
        key for key in ("contract", "policy", "golden", "files", "target") if key not in data
    ]
    if missing:
        raise EdgeError(
            "R2S-EDGE-001",
            f"the manifest lacks {missing[0]!r}",
            where=str(path),
            why="the runtime acts only on a complete manifest",
            remedy=_REMEDY,
        )
    return Manifest(Path(root), data, parse_contract(data["contract"]))


def verify_files(manifest: Manifest) -> int:
    """Check every file of the bundle against SHA256SUMS and the manifest; return how many.

    Raises:
        EdgeError: R2S-EDGE-002 for a changed, missing or extra file.
    """
    root = manifest.root
    sums = _read_sums(root / SUMS_FILE)
    present = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if not path.is_dir() and "__pycache__" not in path.parts
    }
    present -= {SUMS_FILE, *LOCAL_FILES}
    for title, names in (("missing", sums.keys() - present), ("extra", present - sums.keys())):
        if names:
            raise _changed(f"file {min(names)!r} is {title}", root)
    for name, expected in sorted(sums.items()):
        if digest(root / name) != expected:
            raise _changed(f"file {name!r} is not the one that was exported", root / name)
    listed = {item["path"]: item["sha256"] for item in manifest.data["files"]}
    listed[MANIFEST_FILE] = sums.get(MANIFEST_FILE, "")
    if listed != sums:
        odd = min(name for name in {*listed, *sums} if listed.get(name) != sums.get(name))
        raise _changed(f"manifest.json and {SUMS_FILE} disagree on {odd!r}", root)
    if sums.get(manifest.data["policy"]["file"]) != manifest.data["policy"]["sha256"]:
        raise _changed("the policy is not the one the manifest names", manifest.model_file)
    return len(sums)


def verify_agreement(manifest: Manifest, policy: OnnxPolicy) -> None:
    """Check that the model's own metadata says what the manifest says.

    Raises:
        EdgeError: R2S-EDGE-003 naming the first difference.
    """
    for name in SHARED_FACTS:
        key = f"r2s.{name}"
        if key not in policy.metadata:
            raise _disagree(f"the model does not say its {name}", key)
        said = policy.metadata[key] if name == "robot" else policy.fact(key)
        if said != manifest.data["contract"][name]:
            raise _disagree(
                f"manifest and model disagree on {name}: "
                f"{_difference(manifest.data['contract'][name], said)}",
                f"manifest.json contract.{name}, policy.onnx metadata {key}",
            )


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_sums(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        pairs = [line.split("  ", 1) for line in lines if line]
        return {name: digits for digits, name in pairs}
    except (OSError, ValueError) as exc:
        raise _changed(f"the checksums cannot be read: {exc}", path) from exc


def _difference(manifest: Any, model: Any, at: str = "") -> str:
    """Say in words where two JSON trees differ first."""
    if isinstance(manifest, dict) and isinstance(model, dict):
        for key in sorted({*manifest, *model}):
            if manifest.get(key) != model.get(key):
                return _difference(manifest.get(key), model.get(key), f"{at}.{key}".lstrip("."))
    if (
        isinstance(manifest, list)
        and isinstance(model, list)
        and len(manifest) == len(model)
        and manifest != model
    ):
        index = next(i for i in range(len(model)) if manifest[i] != model[i])
        return _difference(manifest[index], model[index], f"{at}[{index}]")
    return f"{at + ' ' if at else ''}is {_short(manifest)} in the manifest, {_short(model)} in the model"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _changed(what: str, where: Path) -> EdgeError:
    return EdgeError(
        "R2S-EDGE-002",
        what,
        where=str(where),
        why="a bundle runs unchanged or not at all",
        remedy=_REMEDY,
    )


def _disagree(what: str, where: str) -> EdgeError:
    return EdgeError(
        "R2S-EDGE-003",
        what,
        where=where,
        why="a new model with an old manifest moves the wrong joints",
        remedy="export the policy again: r2s export",
    )
