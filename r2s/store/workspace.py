"""The workspace folder: where it is found, what fixed files it has, which format it speaks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from r2s.store import errors, fs, names
from r2s.store.locks import Lease
from r2s.store.oci import encode_index
from r2s.store.records import seal, unseal

FOLDER_NAME = ".r2s"
FORMAT = "r2s-workspace 1\n"
_FORMAT = re.compile(r"r2s-workspace ([0-9]{1,6})(?:\.[0-9]{1,6})?\n", re.ASCII)
CURRENT_SCHEMA = "r2s.current/1"

FOLDERS = (
    "blobs/sha256", "checkpoints", "leases", "locks", "quarantine", "refs", "runs", "scratch", "trash",
)  # fmt: skip

# Files with one right content, which fsck compares and repair rewrites.
FIXED = {
    "CACHEDIR.TAG": b"Signature: 8a477f597d28d172789f06886806bc55\n"
    b"# Made by r2s: backup tools may skip this folder. See https://bford.info/cachedir/\n",
    ".gitignore": b"*\n",
    "README": b"""The workspace of r2s: scans, scenes, policies and how they were made.

An OCI image layout: every file in blobs/sha256 is named by the SHA-256 of its bytes
(`sha256sum blobs/sha256/*`), index.json lists the named artifacts, and OCI tools read it:

    skopeo inspect --raw oci:.r2s:scan/lab

Nothing in here is meant to be edited by hand. `r2s status` shows it, `r2s fsck` checks it,
`r2s gc` tidies it. To move it, move the folder. To delete it, delete the folder.
""",
    "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
}


def find_workspace(start: Path, explicit: Path | None, env: Mapping[str, str]) -> Path | None:
    """Return the `.r2s` folder to use, or None when there is none yet.

    `--workspace` (explicit) goes before `R2S_WORKSPACE` before the search upwards from `start`. The
    first two may name the `.r2s` folder or the folder that holds (or shall hold) it, and are
    returned whether they exist or not; the search finds only what exists.
    """
    named = explicit if explicit is not None else env.get("R2S_WORKSPACE") or None
    if named is not None:
        path = start / Path(named).expanduser()
        return path if path.name == FOLDER_NAME or is_workspace(path) else path / FOLDER_NAME
    start = start.absolute()
    for folder in (start, *start.parents):
        if is_workspace(folder / FOLDER_NAME):
            return folder / FOLDER_NAME
    return None


def is_workspace(path: Path) -> bool:
    """Whether `path` is a workspace, sound or damaged; one whose making was interrupted is none yet."""
    return fs.exists(path / "format") or (
        fs.exists(path / "oci-layout") and bool(fs.names_in(path / "refs"))
    )


def lay_out(path: Path, *, rewrite: bool = False) -> None:
    """Make a workspace folder, or finish one whose making was interrupted. `format` comes last.

    Args:
        rewrite: also put fixed files right whose content was changed.
    """
    fs.make_folder(path)
    strangers = set(fs.names_in(path)) - _known_names()
    if strangers and not is_workspace(path):
        raise errors.workspace_in_the_way(path)
    for folder in FOLDERS:
        fs.make_folder(path / folder)
    lease = Lease(path / "leases", path / "scratch")
    try:
        for name, content in FIXED.items():
            _put_right(path / name, content, lease, rewrite=rewrite)
        _put_right(path / "index.json", encode_index([]), lease, rewrite=False)
        _put_right(path / "format", FORMAT.encode(), lease, rewrite=rewrite)
    finally:
        lease.release()


def _put_right(path: Path, content: bytes, lease: Lease, *, rewrite: bool) -> None:
    if not fs.exists(path) or (rewrite and fs.read(path) != content):
        fs.replace(path, content, lease.temporary())


def check_format(path: Path) -> None:
    """Raise unless `path` is a workspace this program can read."""
    if not is_workspace(path):
        raise errors.no_workspace(path)
    data = fs.read(path / "format", 64)
    if data is None:
        raise errors.damaged_format(path / "format")
    text = data.decode("ascii", "replace")
    match = _FORMAT.fullmatch(text)
    if match is None:
        raise errors.damaged_format(path / "format")
    if int(match[1]) != 1:
        raise errors.unknown_format(path / "format", text.strip()[:40], FORMAT.strip())


def read_current(path: Path) -> str | None:
    """Return the workspace's current name, or None; R2S-STORE-013 when the file is damaged."""
    data = fs.read(path)
    if data is None:
        return None
    body = unseal(data, CURRENT_SCHEMA, str(path))
    name = body.get("name")
    if set(body) != {"name"} or not isinstance(name, str) or not names.is_name(name):
        raise errors.bad_record(str(path), "it holds no name")
    return name


def encode_current(name: str) -> bytes:
    return seal(CURRENT_SCHEMA, {"name": name})


def _known_names() -> set[str]:
    return {folder.split("/")[0] for folder in FOLDERS} | set(FIXED) | {
        "index.json", "format", "current",
    }  # fmt: skip
