"""Every way the store fails, one function per code, so that `R2S-STORE-NNN` is said in one place.

001-009  the workspace folder      020-029  names and selectors     040-049  the disk
010-019  stored bytes              030-039  locks                   050-059  transfer and trash
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Sequence
from pathlib import Path

from r2s.core.errors import (
    IntegrityError,
    LockTimeout,
    R2SError,
    ResourceError,
    UnsafeInput,
    UsageError,
)
from r2s.core.files import NO_SPACE, NOT_ALLOWED

REPAIR = "r2s fsck --repair"


def no_workspace(start: Path) -> R2SError:
    return R2SError(
        "R2S-STORE-001",
        "this is not an r2s workspace",
        where=str(start),
        why="artifacts are kept in a folder `.r2s`, searched upwards from the current folder",
        remedy="r2s scan YOUR_SCAN.pcd   # makes a workspace here, or pass --workspace FOLDER",
    )


def unknown_format(path: Path, found: str, known: str) -> R2SError:
    return R2SError(
        "R2S-STORE-002",
        f"the workspace has the format {found!r}, this r2s knows {known!r}",
        where=str(path),
        why="reading a newer format with an older program could lose what it does not know",
        remedy="pip install --upgrade r2s-pipeline",
    )


def damaged_format(path: Path) -> R2SError:
    return IntegrityError(
        "R2S-STORE-003",
        "the workspace's `format` file is missing or damaged",
        where=str(path),
        why="without it r2s cannot tell how to read the rest",
        remedy=REPAIR,
    )


def workspace_in_the_way(path: Path) -> R2SError:
    return UsageError(
        "R2S-STORE-004",
        "there is something else where the workspace should be",
        where=str(path),
        why="r2s makes a workspace only in an empty or new folder",
        remedy="move it away, or pass another --workspace FOLDER",
    )


def corrupt(digest: str, where: str, *, made_by: str = "") -> R2SError:
    return IntegrityError(
        "R2S-STORE-010",
        f"stored bytes are not what their digest {digest[:19]} says",
        where=where,
        why="wrong data must not reach a stage, a report or a robot" + made_by,
        remedy=f"{REPAIR}   # or run the same command again: what is missing is made anew",
    )


def missing(digest: str, where: str) -> R2SError:
    return IntegrityError(
        "R2S-STORE-011",
        f"{digest[:19]} is not in the workspace",
        where=where,
        why="something names it, but it was removed or quarantined",
        remedy=f"{REPAIR}   # or bring it back: r2s gc --undo",
    )


def not_a_manifest(digest: str, reason: str) -> R2SError:
    return IntegrityError(
        "R2S-STORE-012",
        f"{digest[:19]} is not an r2s artifact: {reason}",
        where=digest,
        why="only manifests of the type application/vnd.r2s.<kind>.v1 are artifacts",
        remedy="r2s log   # lists the artifacts of this workspace",
    )


def bad_record(where: str, reason: str) -> R2SError:
    return IntegrityError(
        "R2S-STORE-013",
        f"a workspace record is damaged: {reason}",
        where=where,
        why="a record that does not prove itself is not believed",
        remedy=REPAIR,
    )


def bad_artifact(reason: str, where: str = "") -> R2SError:
    return R2SError(
        "R2S-STORE-014",
        f"this cannot be stored: {reason}",
        where=where,
        why="an artifact is canonical JSON, files with plain relative names, and stored inputs",
        remedy="report this with the command that led to it: it is a defect of the stage",
    )


def bad_name(name: str, reason: str, suggestion: str) -> R2SError:
    return UsageError(
        "R2S-STORE-020",
        f"{name!r} cannot be a name: {reason}",
        why="names are files in the workspace and tags in registries: ASCII letters and digits, "
        "joined by single `.`, `_`, `+`, `-`",
        remedy=f"--name {suggestion}",
    )


def unknown_ref(name: str, known: Sequence[str]) -> R2SError:
    under_it = [each for each in known if each.endswith(f"/{name}")]
    near = under_it or difflib.get_close_matches(name, known, n=3)
    listed = ", ".join(known[:8]) if known else "none yet"
    return R2SError(
        "R2S-STORE-021",
        f"there is no artifact called {name!r} in this workspace",
        why=f"the nearest names are: {', '.join(near)}"
        if near
        else f"the names here are: {listed}",
        remedy=f"r2s show {near[0]}" if near else "r2s status",
    )


def ambiguous(selector: str, candidates: Sequence[str]) -> R2SError:
    return UsageError(
        "R2S-STORE-022",
        f"{selector!r} fits {len(candidates)} artifacts",
        why="candidates: " + "; ".join(candidates[:8]),
        remedy=f"give more characters, for example {candidates[0].split()[0]}",
    )


def no_layout(path: Path, *, packed: bool) -> R2SError:
    remedy = f"r2s unpack '{path}'   # for a packed file" if packed else f"ls '{path.parent}'"
    return UsageError(
        "R2S-STORE-055",
        "there is no such folder",
        where=str(path),
        why="`pull` reads the folder of an OCI image layout, as `r2s push` makes it",
        remedy=remedy,
    )


def unknown_version(name: str, wanted: int, known: Sequence[int]) -> R2SError:
    return R2SError(
        "R2S-STORE-023",
        f"{name} has no version {wanted}",
        why=f"versions kept: {', '.join(map(str, known)) or 'none'}",
        remedy=f"r2s log {name}",
    )


def name_conflict(name: str, other: str) -> R2SError:
    return UsageError(
        "R2S-STORE-024",
        f"{name!r} cannot be a name beside {other!r}",
        why="a name cannot also be the folder of another name",
        remedy=f"--name {name.rsplit('/', 1)[-1]}-2",
    )


def lock_timeout(what: str, holder: str, seconds: float) -> R2SError:
    return LockTimeout(
        "R2S-STORE-030",
        f"{what} is still locked after {seconds:.0f} s",
        where=holder,
        why="two processes must not build the same thing or change the same names at once",
        remedy="wait for it to end, or allow more time: R2S_LOCK_TIMEOUT=3600",
    )


def bad_timeout(value: str) -> R2SError:
    return UsageError(
        "R2S-STORE-031",
        f"R2S_LOCK_TIMEOUT={value!r} is not a number of seconds",
        remedy="R2S_LOCK_TIMEOUT=600",
    )


def disk(error: OSError, path: Path | str, needed_bytes: int = 0) -> R2SError:
    """Return what an `OSError` at `path` means for the user."""
    reason = (error.strerror or str(error)).lower()
    if error.errno in NO_SPACE:
        need = f"{needed_bytes} more bytes are needed" if needed_bytes else "more space is needed"
        return ResourceError(
            "R2S-STORE-040",
            f"the disk is full: {need}",
            where=str(path),
            why=f"the system says: {reason}. Everything stored before is untouched",
            remedy="r2s gc   # shows what can go; then run the same command again",
        )
    if error.errno in NOT_ALLOWED:
        there = next((each for each in (Path(path), *Path(path).parents) if each.exists()), path)
        return R2SError(
            "R2S-STORE-041",
            f"the workspace does not let r2s do this: {reason}",
            where=str(path),
            why="r2s writes in the workspace folder and nowhere else",
            remedy=(
                "r2s -w FOLDER ...   # a folder on a disk that can be written"
                if error.errno == errno.EROFS
                else f"chmod -R u+rwX '{there}'   # or pass --workspace FOLDER"
            ),
        )
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return R2SError(
            "R2S-STORE-044",
            f"this is not there: {reason}",
            where=str(path),
            why="it was removed, or the name is wrong",
            remedy=f"ls '{Path(path).parent}'",
        )
    if error.errno in (errno.EISDIR, errno.EEXIST):
        return UsageError(
            "R2S-STORE-045",
            f"something else is there: {reason}",
            where=str(path),
            why="it would be lost",
            remedy="name another file or folder",
        )
    if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
        return ResourceError(
            "R2S-STORE-043",
            f"the system has no resources left: {reason}",
            where=str(path),
            remedy="ulimit -n 4096   # then run the same command again",
        )
    return IntegrityError(
        "R2S-STORE-042",
        f"the disk failed: {reason}",
        where=str(path),
        why="what could not be flushed counts as not written",
        remedy=f"check the disk (dmesg), then {REPAIR}",
    )


def hostile(reason: str, where: str) -> R2SError:
    return UnsafeInput(
        "R2S-STORE-050",
        f"this package is refused: {reason}",
        where=where,
        why="nothing of it was stored: a package is checked as a whole before any of it is visible",
        remedy="ask for it again, made by `r2s push` or another OCI tool",
    )


def nothing_to_undo() -> R2SError:
    return R2SError(
        "R2S-STORE-051",
        "there is nothing to bring back",
        why="the trash is empty: it keeps what gc removed for 7 days",
        remedy="r2s gc   # shows a plan first",
    )


def damaged_roots(damaged: Sequence[str]) -> R2SError:
    return IntegrityError(
        "R2S-STORE-052",
        f"{len(damaged)} artifacts that are in use are damaged, so nothing is removed",
        where="; ".join(damaged[:8]),
        why="parts of them that look unused may be what repairs them",
        remedy=REPAIR,
    )


def push_to_workspace(layout: Path) -> R2SError:
    return UsageError(
        "R2S-STORE-053",
        "the target is an r2s workspace, which has its own names and history",
        where=str(layout),
        why="pushing writes index.json, and a workspace's index is made from its refs",
        remedy=f"r2s pull FROM_HERE --workspace {layout}   # run it on the other side",
    )


def incomplete(called: str, reason: str) -> R2SError:
    return IntegrityError(
        "R2S-STORE-054",
        f"{called} is not complete: {reason}",
        why="what leaves takes along all it was made from",
        remedy=REPAIR,
    )
