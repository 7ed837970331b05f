"""Garbage collection: a plan with names people know, then the trash, then 7 days to think again.

Kept: what refs point to and pointed to in the last 30 days, what living processes hold, the outputs of
the last runs of each stage, everything younger than a day, and all that those were made from. Removal
goes ref, run, manifest, blob, so that a crash in between never leaves a name without its bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from r2s.store import checkpoints, errors, fs, runs, trash
from r2s.store.closure import Closure, closure
from r2s.store.locks import leased

if TYPE_CHECKING:
    from r2s.store.store import Store

DAY_S = 86_400.0


@dataclass(frozen=True)
class Keep:
    """What gc spares.

    Attributes:
        reflog_s: age below which former values of a name are kept [s].
        young_s: age below which everything is kept [s].
        runs: how many of the newest runs of each stage keep their outputs.
        checkpoints_s: age below which the checkpoints of unfinished actions are kept [s].
        damaged: collect although something that is kept is damaged.
    """

    reflog_s: float = 30 * DAY_S
    young_s: float = DAY_S
    runs: int = 3
    checkpoints_s: float = 14 * DAY_S
    damaged: bool = False


DEFAULT_KEEP = Keep()


@dataclass(frozen=True)
class GcItem:
    """One thing gc would remove: its name in words, kind, digest, size [bytes], age [s]."""

    name: str
    kind: str
    digest: str
    bytes: int
    age_s: float


@dataclass(frozen=True)
class GcPlan:
    """What gc would do. Nothing was changed to make it.

    Attributes:
        items: for people. The other lists are for `collect`.
        freed_bytes: size of all of it.
        kept: number of artifacts that stay.
        damaged: names of kept artifacts that are damaged; `collect` refuses while there are any.
    """

    now_s: float
    keep: Keep
    items: tuple[GcItem, ...]
    freed_bytes: int
    kept: int
    damaged: tuple[str, ...]
    manifests: tuple[str, ...]
    blobs: tuple[str, ...]
    runs: tuple[str, ...]
    refs: dict[str, tuple[int, ...]]
    checkpoints: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.manifests or self.blobs or self.runs or self.refs or self.checkpoints)


def plan(store: Store, now_s: float, keep: Keep) -> GcPlan:
    """Return what may go. Call under the store lock (shared to look, exclusive to collect)."""
    expired = {name: _expired(store, name, now_s, keep) for name in store.ref_files.names()}
    roots = _roots(store, expired, now_s, keep)
    live = closure(store, roots)
    manifests, blobs = [], []
    dead_sizes: dict[str, int] = {}
    for digest in store.blobs:
        if digest in live:
            continue
        dead_sizes[digest] = store.blobs.size(digest) or 0
        (manifests if store.peek(digest) else blobs).append(digest)
    dead = set(manifests)
    dead_runs = [
        path.name
        for path in store.run_files.files()
        if _run_may_go(_load(path), live.manifests, int(path.stem[65:]) / 1e9, now_s, keep)
    ]
    drop = {
        name: tuple(number for number, digest in entries.items() if digest not in live.manifests)
        for name, entries in expired.items()
    }
    folder = store.path / "checkpoints"
    idle = tuple(key for key in checkpoints.keys(folder) if _idle(store, key, now_s, keep))
    items = _items(store, dead, set(blobs), dead_sizes, now_s)
    return GcPlan(
        now_s=now_s,
        keep=keep,
        items=tuple(items),
        freed_bytes=sum(dead_sizes.values()) + sum(checkpoints.size(folder / key) for key in idle),
        kept=len(live.manifests),
        damaged=tuple(f"{store.called(digest)}: {why}" for digest, why in live.damaged.items()),
        manifests=tuple(manifests),
        blobs=tuple(blobs),
        runs=tuple(dead_runs),
        refs={name: numbers for name, numbers in drop.items() if numbers},
        checkpoints=idle,
    )


def collect(store: Store, shown: GcPlan) -> str | None:
    """Move what `shown` lists, and what may still go, to the trash; return the trash's id.

    Call under the exclusive store lock. What became reachable since the plan was made stays.

    Raises:
        IntegrityError: R2S-STORE-052, something that is kept is damaged.
    """
    fresh = plan(store, shown.now_s, shown.keep)
    if fresh.damaged and not shown.keep.damaged:
        raise errors.damaged_roots(fresh.damaged)
    # Garbage that came after the plan stays this time, and with it all that it names.
    spared = closure(store, set(fresh.manifests) - set(shown.manifests))
    manifests = [d for d in _both(shown.manifests, fresh.manifests) if d not in spared]
    load = trash.Load(
        at_s=shown.now_s,
        manifests=manifests,
        blobs=[d for d in _both(shown.blobs, fresh.blobs) if d not in spared],
        runs=_runs_to_go(store, set(shown.runs), set(fresh.runs), set(manifests), spared),
        refs={
            name: _both(numbers, fresh.refs.get(name, ())) for name, numbers in shown.refs.items()
        },
        checkpoints=_both(shown.checkpoints, fresh.checkpoints),
        names=[item.name for item in shown.items],
    )
    return trash.throw(store, load, os.urandom(6).hex())


def _runs_to_go(
    store: Store, shown: set[str], fresh: set[str], manifests: set[str], spared: Closure
) -> list[str]:
    """Return the runs of the plan, and later ones whose output goes: a run never outlives it."""
    going = []
    for path in store.run_files.files():
        record = _load(path) if path.name in fresh else None
        output = record.get("output") if record else None
        if output in manifests or (path.name in shown & fresh and output not in spared.manifests):
            going.append(path.name)
    return going


def _both(shown: Iterable, fresh: Iterable) -> list:
    still = set(fresh)
    return [each for each in shown if each in still]


def _roots(
    store: Store, expired: dict[str, dict[int, str | None]], now_s: float, keep: Keep
) -> set[str]:
    roots = leased(store.path / "leases")
    for name, gone in expired.items():
        roots |= {e.digest for e in store.reflog(name) if e.digest and e.number not in gone}
    seen: dict[str, int] = {}
    for record in store.newest_runs():
        stage, output = str(record.get("stage", "")), record.get("output")
        seen[stage] = seen.get(stage, 0) + 1
        if output and (seen[stage] <= keep.runs or now_s - record["recorded_at_s"] < keep.young_s):
            roots.add(output)
    for digest in store.blobs:
        if _age(store.blobs.path(digest), now_s) < keep.young_s and store.peek(digest):
            roots.add(digest)
    return roots


def _expired(store: Store, name: str, now_s: float, keep: Keep) -> dict[int, str | None]:
    """Version to digest of the values of a ref that gc may forget. Its last value stays."""
    log = store.reflog(name)
    return {
        entry.number: entry.digest
        for entry, newer in zip(log[1:], log[:-1], strict=True)
        if now_s - newer.at_s > keep.reflog_s  # it was the value until the newer one came
    }


def _load(path: Path) -> dict | None:
    try:
        return runs.load(path)
    except errors.IntegrityError:
        return None  # damaged: fsck's business, not garbage


def _run_may_go(
    record: dict | None, live: dict, recorded_s: float, now_s: float, keep: Keep
) -> bool:
    if record is None:
        return False
    output = record.get("output")
    if output is None:
        return now_s - recorded_s > keep.reflog_s
    return output not in live


def _idle(store: Store, key: str, now_s: float, keep: Keep) -> bool:
    """Whether the checkpoints of a key are of no use: nobody builds it, and it is done or old."""
    folder = store.path / "checkpoints" / key
    ages = [_age(folder / name, now_s) for name in fs.names_in(folder)]
    if store.key_is_locked(key) or not ages:
        return False
    finished = store.get_run(key) is not None
    return min(ages) > (keep.young_s if finished else keep.checkpoints_s)


def _age(path: Path, now_s: float) -> float:
    """Return a file's age [s]; a file that is gone or from the future has none."""
    found = fs.identity(path)
    return 0.0 if found is None else max(now_s - found.mtime_ns / 1e9, 0.0)


def _items(
    store: Store, manifests: set[str], blobs: set[str], sizes: dict[str, int], now_s: float
) -> list[GcItem]:
    former = _former_names(store)
    items, claimed = [], set()
    for digest in sorted(manifests):
        manifest = store.peek(digest)
        if manifest is None:
            continue
        own = {blob.digest for blob in manifest.blobs()} & blobs
        claimed |= own
        size = sizes[digest] + sum(sizes[blob] for blob in own)
        name = former.get(digest) or f"{manifest.kind} {digest[7:19]}"
        age_s = _age(store.blobs.path(digest), now_s)
        items.append(GcItem(name, manifest.kind, digest, size, age_s))
    loose = blobs - claimed
    if loose:
        size = sum(sizes[digest] for digest in loose)
        items.append(GcItem(f"{len(loose)} files of unfinished commits", "file", "", size, 0.0))
    return sorted(items, key=lambda item: -item.bytes)


def _former_names(store: Store) -> dict[str, str]:
    """Digest to the name it had: `policy/lab@3`."""
    return {
        entry.digest: f"{name}@{entry.number}"
        for name in store.ref_files.names()
        for entry in store.reflog(name)
        if entry.digest
    }
