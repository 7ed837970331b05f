"""Repair: quarantine what is wrong, rebuild what is derived, name (or make again) what is lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from r2s.store import fs, fsck, runs, workspace
from r2s.store.closure import Closure, closure
from r2s.store.refs import RefEntry

if TYPE_CHECKING:
    from r2s.store.store import Store


@dataclass(frozen=True)
class Broken:
    """An artifact in use that lacks bytes.

    Attributes:
        key: the action that made it, "" when no run record tells.
        stage: the stage of that action, "" when unknown.
        record: that run record.
    """

    digest: str
    called: str
    key: str
    stage: str
    record: dict[str, Any]


@dataclass
class Repair:
    """What repair did: `mended` and `remade` are fine again, `lost` are not; in words."""

    mended: list[str] = field(default_factory=list)
    remade: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def mend(store: Store) -> tuple[list[Broken], Repair]:
    """Put right what needs no stage; return what does. Call under the exclusive store lock."""
    report = Repair()
    workspace.lay_out(store.path, rewrite=True)
    listed = store.listed()
    for finding in fsck.check(store):
        if finding.path.startswith("refs/") and finding.problem != "foreign":
            _restore_ref(store, finding.path.removeprefix("refs/"), listed, report)
        elif _must_go(finding):
            _quarantine_finding(store, finding, report)
    store.run_files.rebuild_ledgers(store.temporary)
    broken = _broken(store, report)
    with store.names_lock():
        store.write_index(forget_lost=True)
    return broken, report


_QUARANTINED = frozenset({"corrupt", "foreign", "bad record"})
_REWRITTEN = frozenset({*workspace.FIXED, "format", "index.json"})


def _quarantine(store: Store, path: Path) -> None:
    folder = store.path / "quarantine"
    fs.make_folder(folder)
    fs.rename_if_there(path, folder / f"{path.name[:80]}-{store.temporary().name}")
    fs.flush_folder(folder)
    if fs.is_folder(path.parent):
        fs.flush_folder(path.parent)
    store.blobs.forget()


def _must_go(finding: fsck.Finding) -> bool:
    if finding.path.startswith("trash/") and finding.path.endswith("/journal"):
        return True
    return finding.problem in _QUARANTINED and finding.path not in _REWRITTEN


def _quarantine_finding(store: Store, finding: fsck.Finding, report: Repair) -> None:
    path = store.path / finding.path
    # Without its journal a trash is only a heap of blobs: it goes as a whole.
    _quarantine(store, path.parent if path.name == "journal" else path)
    report.mended.append(f"quarantined {finding.path}: {finding.what}")


def _restore_ref(store: Store, name: str, listed: dict[str, str], report: Repair) -> None:
    """Write a damaged or vanished ref anew, in one step, so that no crash loses the name."""
    digest, path = listed.get(name), store.ref_files.path(name)
    made = any(record.get("output") == digest for record in store.runs())
    if digest is None or not (made or store.peek(digest)):
        if fs.exists(path):
            _quarantine(store, path)
        report.lost.append(f"the name {name}: neither its file nor index.json tells what it was")
        return
    entry = RefEntry(1, digest, round(time.time(), 3), "brought back from index.json")
    with store.names_lock():
        store.ref_files.write(name, [entry], store.temporary())
    report.mended.append(f"brought {name} back from index.json")


def _broken(store: Store, report: Repair) -> list[Broken]:
    """Return the artifacts in use that lack bytes, oldest first; forget unused runs without output."""
    used = closure(store, store.ref_files.readable().values())
    made = {record["output"]: record for record in store.newest_runs() if record.get("output")}
    while unused := _unused_and_incomplete(store, used):
        _quarantine(store, store.blobs.path(unused))
        report.mended.append(
            f"quarantined {unused[7:19]}, which nothing uses and which lacks parts"
        )
    for path in store.run_files.files():
        record = runs.load(path)
        output = record.get("output") if record else None
        if output and output not in used.damaged and not store.has(output):
            _quarantine(store, path)
            report.mended.append(f"forgot the run {path.stem[:12]}, whose output is gone")
    store.run_files.rebuild_ledgers(store.temporary)
    broken = []
    for digest in used.damaged:
        record = made.get(digest, {})
        stage = str(record.get("stage", ""))
        broken.append(Broken(digest, store.called(digest), record.get("key", ""), stage, record))
    return sorted(broken, key=lambda each: each.record.get("recorded_at_s", 0.0))


def _unused_and_incomplete(store: Store, used: Closure) -> str | None:
    for digest in store.blobs:
        if digest not in used and store.peek(digest) and closure(store, [digest]).damaged:
            return digest
    return None


def remake(
    store: Store, broken: list[Broken], report: Repair, rerun: Callable[[Broken], None] | None
) -> Repair:
    """Make broken artifacts again through `rerun`, inputs first. Holds no lock while it does."""
    for each in broken:
        tried = rerun is not None and each.key != ""
        if tried and rerun is not None and not store.has(each.digest):
            rerun(each)
        if store.has(each.digest):
            report.remade.append(each.called)
        elif tried:
            report.lost.append(f"{each.called}: stage {each.stage} gave other bytes this time")
        else:
            hint = f"run stage {each.stage} again" if each.stage else "no run record tells how"
            report.lost.append(f"{each.called}: {hint}")
    with store.commit_lock(), store.names_lock():
        store.write_index()
    return report
