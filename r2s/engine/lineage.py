"""What an artifact was made from, back to the bytes of the scan and the robot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from r2s.store import Store


@dataclass(frozen=True)
class Origin:
    """One artifact of a lineage.

    Attributes:
        role: input role it has in the one it was made for; "" for the artifact asked about.
        depth: number of artifacts between it and the one asked about.
        refs: names that point to it now.
        stage: what its manifest says of the stage: name, config, seed, foreign files' digests.
        run: the record of the run that made it here; None where it came from elsewhere.
    """

    role: str
    depth: int
    digest: str
    kind: str
    refs: tuple[str, ...]
    stage: Mapping[str, Any]
    run: Mapping[str, Any] | None


def lineage(store: Store, digest: str) -> Iterator[Origin]:
    """Yield an artifact and all it was made from, depth first, shared inputs once each."""
    runs = {record["output"]: record for record in store.runs() if record.get("output")}
    names: dict[str, list[str]] = {}
    for name, target in store.refs().items():
        names.setdefault(target, []).append(name)
    seen: set[str] = set()

    def visit(role: str, depth: int, each: str) -> Iterator[Origin]:
        if each in seen:
            return
        seen.add(each)
        stored = store.get(each)
        refs = tuple(sorted(names.get(each, ())))
        yield Origin(role, depth, each, stored.kind, refs, stored.stage, runs.get(each))
        for name, source in stored.inputs.items():
            yield from visit(name, depth + 1, source)

    return visit("", 0, digest)


def made_by(store: Store, digest: str) -> Mapping[str, Any] | None:
    """Return the record of the run that made an artifact, or None."""
    return next((record for record in store.newest_runs() if record.get("output") == digest), None)


def metrics_of(store: Store, digest: str) -> Mapping[str, Any]:
    """Return an artifact's metrics: as its run recorded them, else measured from its bytes."""
    record = made_by(store, digest)
    if record is not None and "metrics" in record:
        return record["metrics"]
    from r2s.engine.catalog import ARTIFACTS, decoded
    from r2s.engine.metrics import metrics

    stored = store.get(digest)
    if stored.kind not in ARTIFACTS:
        return {}
    return metrics(stored.kind, decoded(stored), {})


class Family(Mapping[str, Any]):
    """Kind to artifact, each decoded when it is first asked for: a picture of a scene needs no scan."""

    def __init__(self, store: Store, digests: Mapping[str, str]):
        self._store, self._digests = store, digests
        self._decoded: dict[str, Any] = {}

    def __getitem__(self, kind: str) -> Any:
        from r2s.engine.trust import opened

        if kind not in self._decoded:
            self._decoded[kind] = opened(self._store, self._digests[kind])
        return self._decoded[kind]

    def __contains__(self, kind: object) -> bool:
        return kind in self._digests

    def __iter__(self) -> Iterator[str]:
        return iter(self._digests)

    def __len__(self) -> int:
        return len(self._digests)


def family(store: Store, digest: str) -> Family:
    """Return an artifact and what it was made from, the nearest of each kind.

    A policy brings the newest validation and bundle made from it, if there are any.
    """
    from r2s.engine.catalog import ARTIFACTS

    digests: dict[str, str] = {}
    for each in (*_descendants(store, digest), digest):
        for origin in lineage(store, each):
            if origin.kind in ARTIFACTS:
                digests.setdefault(origin.kind, origin.digest)
    return Family(store, digests)


def _descendants(store: Store, digest: str) -> list[str]:
    """Return the named artifacts made directly from one, furthest down the chain first."""
    children = []
    for name, target in sorted(store.refs().items()):
        stored = store.get(target)
        if digest in stored.inputs.values():
            rank = {"bundle": 0, "validation": 1}.get(name.split("/")[0])
            if rank is not None:
                children.append((rank, target))
    return [target for _, target in sorted(children)]
