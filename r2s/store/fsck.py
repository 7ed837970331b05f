"""fsck: every byte of the workspace is read and compared. Changes nothing.

Nothing is believed because of its permission bits, its time stamps, or because it was fine yesterday.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from r2s.store import checkpoints, errors, fs, ledger, names, oci, runs, trash, workspace

if TYPE_CHECKING:
    from r2s.store.store import Store

Problem = Literal["corrupt", "missing", "foreign", "bad record", "stale"]
_TRASH_ID = re.compile(r"[0-9a-f]{12}", re.ASCII)
_LOCK = re.compile(r"store|names|key-[0-9a-f]{64}", re.ASCII)
_LEASE = re.compile(r"[0-9a-f]{16}", re.ASCII)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        path: relative to the workspace, `/` between parts.
        what: a sentence.
        affects: names of the artifacts that need it.
    """

    problem: Problem
    path: str
    what: str
    affects: tuple[str, ...] = ()


def check(store: Store) -> list[Finding]:
    """Return everything that is wrong, sorted by path. Call under the store lock."""
    store.blobs.forget()
    findings = [
        *_fixed_files(store.path),
        *_strangers(store),
        *_blobs(store),
        *_refs(store),
        *_runs(store),
        *_index(store),
        *_current(store),
        *_checkpoints(store),
        *_trash(store),
    ]
    return sorted(set(findings), key=lambda f: (f.path, f.what))


def _fixed_files(root: Path) -> list[Finding]:
    expected = {**workspace.FIXED, "format": workspace.FORMAT.encode()}
    found = []
    for name, content in expected.items():
        data = fs.read(root / name)
        if data is None:
            found.append(Finding("missing", name, "a fixed file of the workspace is gone"))
        elif data != content:
            found.append(Finding("corrupt", name, "a fixed file of the workspace was changed"))
    missing = [f for f in workspace.FOLDERS if not fs.is_folder(root / f)]
    return found + [Finding("missing", f, "a folder of the workspace is gone") for f in missing]


def _strangers(store: Store) -> list[Finding]:
    return [
        Finding("foreign", path.relative_to(store.path).as_posix(), "r2s put nothing there")
        for path in _all_files(store.path)
        if not _belongs(path.relative_to(store.path).parts)
    ]


def _all_files(root: Path) -> list[Path]:
    # Scratch belongs to whoever runs; quarantine holds what was found wrong already.
    skipped = {"scratch", "quarantine"}
    found = []
    for name in fs.names_in(root):
        if name not in skipped:
            path = root / name
            found += list(fs.walk(path)) if fs.is_folder(path) else [path]
    return found


def _belongs(parts: tuple[str, ...]) -> bool:
    """Whether r2s may have put a file at this place. Its content is another matter."""
    top, rest = parts[0], parts[1:]
    if not rest:
        return top in workspace.FIXED or top in ("format", "index.json", "current")
    if top == "refs":
        return names.is_name("/".join(rest))
    if top == "runs":
        return len(rest) == 2 and runs.belongs(*rest)
    if top == "checkpoints":
        return len(rest) == 2 and names.is_hex(rest[0]) and checkpoints.is_file_name(rest[1])
    if top == "trash":
        return _belongs_in_trash(rest)
    pattern = {"locks": _LOCK, "leases": _LEASE}.get(top)
    if pattern is not None:
        return len(rest) == 1 and bool(pattern.fullmatch(rest[0]))
    return top == "blobs" and rest[:1] == ("sha256",) and len(rest) == 2 and names.is_hex(rest[1])


def _belongs_in_trash(rest: tuple[str, ...]) -> bool:
    if not _TRASH_ID.fullmatch(rest[0]):
        return False
    inside = rest[1:]
    return inside == ("journal",) or (len(inside) >= 2 and inside[0] in _TRASH_PARTS)


_TRASH_PARTS = ("blobs", "runs", "checkpoints")


def _blobs(store: Store) -> list[Finding]:
    found, owners = [], _owners(store)
    for digest in store.blobs:
        if fs.identity(store.blobs.path(digest)) is None:
            found.append(_about_blob(store, "foreign", digest, "it is no plain file", owners))
        elif store.blobs.state(digest) == "corrupt":
            what = "its bytes are not what its name says"
            found.append(_about_blob(store, "corrupt", digest, what, owners))
    for digest, needed_by in owners.items():
        if store.blobs.state(digest) == "missing":
            what = f"needed by {', '.join(needed_by)}"
            found.append(_about_blob(store, "missing", digest, what, owners))
    return found


def _about_blob(
    store: Store, problem: Problem, digest: str, what: str, owners: dict[str, list[str]]
) -> Finding:
    path = store.blobs.path(digest).relative_to(store.path).as_posix()
    return Finding(problem, path, what, tuple(owners.get(digest, [])))


def _owners(store: Store) -> dict[str, list[str]]:
    """Digest of a blob to what people call the things that need it."""
    called = {digest: name for name, digest in store.ref_files.readable().items()}
    owners: dict[str, list[str]] = {digest: [name] for digest, name in called.items()}
    for record in store.runs():
        if record.get("output"):
            owners.setdefault(record["output"], []).append(f"run {record['key'][7:19]}")
    for digest in list(store.blobs):
        manifest = store.peek(digest)
        if manifest is None:
            continue
        name = called.get(digest, f"{manifest.kind} {digest[7:19]}")
        needs = [blob.digest for blob in manifest.blobs()]
        config = store.blobs.peek(manifest.config.digest)
        with suppress(errors.IntegrityError):
            needs += oci.decode_config(config or b"", manifest)[1].values()
        for need in needs:
            owners.setdefault(need, []).append(name)
    return owners


def _refs(store: Store) -> list[Finding]:
    found = []
    for name in store.ref_files.names():
        try:
            digest = store.ref_files.get(name)
        except errors.IntegrityError as exc:
            found.append(Finding("bad record", f"refs/{name}", exc.what, (name,)))
            continue
        if digest and store.blobs.state(digest) == "ok" and not store.peek(digest):
            what = "it points to something that is no artifact"
            found.append(Finding("bad record", f"refs/{name}", what, (name,)))
    listed = store.listed()
    for name in sorted(set(listed) - set(store.ref_files.names())):
        found.append(Finding("missing", f"refs/{name}", "index.json lists it", (name,)))
    return found


def _runs(store: Store) -> list[Finding]:
    found, present = [], set()
    for path in store.run_files.files():
        present.add(path.name)
        try:
            runs.load(path)
        except errors.IntegrityError as exc:
            place = path.relative_to(store.path).as_posix()
            found.append(Finding("bad record", place, exc.what))
    for shard in store.run_files.shards():
        found += _ledger(
            store.path / "runs" / shard, {name for name in present if name[:2] == shard}
        )
    return found


def _ledger(shard: Path, present: set[str]) -> list[Finding]:
    place = f"runs/{shard.name}"
    try:
        listed = ledger.read(shard)
    except errors.IntegrityError as exc:
        return [Finding("bad record", f"{place}/{ledger.NAME}", exc.what)]
    if listed is None:
        what = "the list of runs is gone"
        return [Finding("missing", f"{place}/{ledger.NAME}", what)] if present else []
    gone = sorted(listed - present)
    return [Finding("missing", f"{place}/{name}", "the ledger lists this run") for name in gone]


def _index(store: Store) -> list[Finding]:
    with store.names_lock():
        data, right = fs.read(store.path / "index.json"), store.index_bytes()
    if data == right:
        return []
    problem: Problem = "missing" if data is None else "stale"
    return [Finding(problem, "index.json", "it does not list what refs/ holds")]


def _current(store: Store) -> list[Finding]:
    try:
        workspace.read_current(store.path / "current")
    except errors.IntegrityError as exc:
        return [Finding("bad record", "current", exc.what)]
    return []


def _checkpoints(store: Store) -> list[Finding]:
    found = []
    for path in _checkpoint_files(store):
        try:
            checkpoints.read(path)
        except errors.IntegrityError as exc:
            if fs.exists(path):  # it may just have been replaced by a newer one
                place = path.relative_to(store.path).as_posix()
                found.append(Finding("bad record", place, exc.what))
    return found


def _checkpoint_files(store: Store) -> list[Path]:
    folder = store.path / "checkpoints"
    return [folder / k / n for k in checkpoints.keys(folder) for n in fs.names_in(folder / k)]


def _trash(store: Store) -> list[Finding]:
    found = []
    for identifier in fs.names_in(store.path / "trash"):
        place = f"trash/{identifier}"
        found += _trashed(store.path / place, place)
        try:
            load = trash.journal(store.path / place)
        except errors.IntegrityError as exc:
            found.append(Finding("bad record", f"{place}/journal", exc.what))
            continue
        if load is None and fs.names_in(store.path / place / "blobs"):
            found.append(
                Finding("missing", f"{place}/journal", "this trash cannot be brought back")
            )
    return found


def _trashed(folder: Path, place: str) -> list[Finding]:
    found = []
    for name in fs.names_in(folder / "blobs"):
        actual = fs.digest_with_identity(folder / "blobs" / name)
        if actual is None or actual[0] != f"sha256:{name}":
            what = "its bytes are not what its name says"
            found.append(Finding("corrupt", f"{place}/blobs/{name}", what))
    for path in [*fs.walk(folder / "runs"), *fs.walk(folder / "checkpoints")]:
        read = runs.load if path.parent.name == "runs" else checkpoints.read
        try:
            read(path)
        except errors.IntegrityError as exc:
            inside = path.relative_to(folder).as_posix()
            found.append(Finding("bad record", f"{place}/{inside}", exc.what))
    return found
