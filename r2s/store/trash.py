"""The trash: what gc removed, restorable for 7 days.

`trash/<id>/journal` is written before anything moves there, and a folder leaves the trash in one rename,
so that what lies in the trash can be brought back whole at any moment.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from r2s.store import errors, fs, names, refs
from r2s.store.records import seal, unseal

if TYPE_CHECKING:
    from r2s.store.store import Store

SCHEMA = "r2s.trash/1"
KEPT_S = 7 * 86_400.0


@dataclass
class Load:
    """What goes to the trash together: digests, run file names, ref versions, checkpoint keys."""

    at_s: float
    manifests: list[str] = field(default_factory=list)
    blobs: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    refs: dict[str, list[int]] = field(default_factory=dict)
    checkpoints: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)


def throw(store: Store, load: Load, identifier: str) -> str | None:
    """Move a load to the trash, names first and bytes last; return the id, None for nothing."""
    if not (
        load.manifests or load.blobs or load.runs or load.checkpoints or any(load.refs.values())
    ):
        return None
    folder = store.path / "trash" / identifier
    for part in ("blobs", "runs", "checkpoints"):
        fs.make_folder(folder / part)
    forgotten = {name: _entries(store, name, set(numbers)) for name, numbers in load.refs.items()}
    journal = {**asdict(load), "refs": forgotten}
    fs.replace(folder / "journal", seal(SCHEMA, journal), store.temporary())
    for name, numbers in load.refs.items():
        _forget_versions(store, name, set(numbers))
    if load.runs:
        store.run_files.strike(load.runs, store.temporary)
    run_folders = {name[:2] for name in load.runs}
    for name in load.runs:
        fs.rename_if_there(store.path / "runs" / name[:2] / name, folder / "runs" / name)
    _flush(folder / "runs", *(store.path / "runs" / shard for shard in run_folders))
    for digests in (load.manifests, load.blobs):
        for digest in digests:
            fs.rename_if_there(store.blobs.path(digest), folder / "blobs" / names.hex_of(digest))
        _flush(folder / "blobs", store.blobs.folder)
    for key in load.checkpoints:
        fs.rename_if_there(store.path / "checkpoints" / key, folder / "checkpoints" / key)
    _flush(folder / "checkpoints", store.path / "checkpoints")
    return identifier


def identifiers(store: Store) -> list[str]:
    """Return the ids that can be brought back, the newest first."""
    dated = []
    for identifier in fs.names_in(store.path / "trash"):
        try:
            load = journal(store.path / "trash" / identifier)
        except errors.IntegrityError:
            continue  # fsck's business
        if load is not None:
            dated.append((load.at_s, identifier))
    return [identifier for _, identifier in sorted(dated, reverse=True)]


def restore(store: Store, identifier: str) -> list[str]:
    """Bring a load back, bytes first and names last; return what could not be, in words.

    Call under the exclusive store lock. Interrupted and called again, it goes on.
    """
    folder = store.path / "trash" / identifier
    load = journal(folder)
    if load is None:
        raise errors.nothing_to_undo()
    lost = []
    for digests in (load.blobs, load.manifests):
        for digest in digests:
            if store.blobs.state(digest) != "ok":
                fs.rename_if_there(
                    folder / "blobs" / names.hex_of(digest), store.blobs.path(digest)
                )
                if store.blobs.state(digest) != "ok":
                    store.blobs.quarantine(digest)
                    lost.append(digest)
        fs.flush_folder(store.blobs.folder)
    for name in load.runs:
        target = store.path / "runs" / name[:2] / name
        fs.make_folder(target.parent)
        fs.rename_if_there(folder / "runs" / name, target)
        fs.flush_folder(target.parent)
    store.run_files.rebuild_ledgers(store.temporary)
    for name, entries in _forgotten(folder).items():
        merged = {entry.number: entry for entry in [*entries, *store.reflog(name)]}
        history = [merged[number] for number in sorted(merged, reverse=True)]
        store.ref_files.write(name, history, store.temporary())
    for key in load.checkpoints:
        if not fs.exists(store.path / "checkpoints" / key):
            fs.rename_if_there(folder / "checkpoints" / key, store.path / "checkpoints" / key)
    fs.flush_folder(store.path / "checkpoints")
    discard(store, folder)
    return lost


def discard(store: Store, folder: Path) -> None:
    """Remove a trash folder for good: in one step out of sight, then bit by bit."""
    aside = store.temporary()
    fs.rename(folder, aside)
    fs.flush_folder(folder.parent)
    fs.remove_tree(aside)


def purge(store: Store, now_s: float, *, everything: bool = False) -> int:
    """Free what has lain in the trash for 7 days (or all of it); return how many folders went."""
    gone = 0
    for identifier in fs.names_in(store.path / "trash"):
        folder = store.path / "trash" / identifier
        try:
            load = journal(folder)
        except errors.IntegrityError:
            load = None
        empty = not fs.names_in(folder / "blobs")
        if everything or (load is None and empty) or (load and now_s - load.at_s > KEPT_S):
            discard(store, folder)
            gone += 1
    return gone


def journal(folder: Path) -> Load | None:
    """Return the journal of a trash folder, None when it has none (nothing was moved there yet).

    Raises:
        IntegrityError: R2S-STORE-013.
    """
    data = fs.read(folder / "journal")
    if data is None:
        return None
    body = unseal(data, SCHEMA, str(folder / "journal"))
    lists = ("manifests", "blobs", "runs", "checkpoints", "names")
    valid = (
        set(body) == {"at_s", "refs", *lists}
        and type(body["at_s"]) in (int, float)
        and isinstance(body["refs"], dict)
        and all(isinstance(body[part], list) for part in lists)
        and all(names.is_digest(digest) for digest in [*body["manifests"], *body["blobs"]])
        and all(isinstance(n, str) and "/" not in n for n in [*body["runs"], *body["checkpoints"]])
    )
    if not valid:
        raise errors.bad_record(str(folder / "journal"), "its fields are malformed")
    return Load(**{**body, "refs": {name: [] for name in body["refs"]}})


def _forgotten(folder: Path) -> dict[str, list[refs.RefEntry]]:
    where = str(folder / "journal")
    body = unseal(fs.read(folder / "journal") or b"", SCHEMA, where)
    return {
        name: [refs.parse_entry(item, where) for item in entries]
        for name, entries in body["refs"].items()
    }


def _entries(store: Store, name: str, numbers: set[int]) -> list[dict]:
    return [asdict(entry) for entry in store.reflog(name) if entry.number in numbers]


def _forget_versions(store: Store, name: str, numbers: set[int]) -> None:
    kept = [entry for entry in store.reflog(name) if entry.number not in numbers]
    store.ref_files.write(name, kept, store.temporary())


def _flush(*folders: Path) -> None:
    for folder in folders:
        fs.flush_folder(folder)
