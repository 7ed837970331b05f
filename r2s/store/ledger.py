"""The ledger of a shard of run records: which there are, so that one that vanished is noticed.

A record is written first and listed after, and struck off before it is moved away: the ledger never
promises what is not there. One per shard, because it is rewritten with every run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from r2s.store import errors, fs
from r2s.store.records import seal, unseal

NAME = "ledger"
SCHEMA = "r2s.run-ledger/1"


def read(shard: Path) -> set[str] | None:
    """Return the file names that are listed, None when there is no ledger.

    Raises:
        IntegrityError: R2S-STORE-013, damaged or of another shard.
    """
    where = str(shard / NAME)
    data = fs.read(shard / NAME)
    if data is None:
        return None
    body = unseal(data, SCHEMA, where)
    listed = body.get("files")
    if body.get("shard") != shard.name or not isinstance(listed, list):
        raise errors.bad_record(where, "it belongs to another shard")
    if not all(isinstance(name, str) and name.startswith(shard.name) for name in listed):
        raise errors.bad_record(where, "it lists no files")
    return set(listed)


def add(shard: Path, names: Iterable[str], temporary: Callable[[], Path]) -> None:
    """List more names. A damaged ledger is left for repair."""
    _change(shard, set(names), set(), temporary)


def drop(shard: Path, names: Iterable[str], temporary: Callable[[], Path]) -> None:
    """Strike names off. A damaged ledger is left for repair."""
    _change(shard, set(), set(names), temporary)


def write(shard: Path, names: set[str], temporary: Callable[[], Path]) -> None:
    """Make the ledger list exactly these names."""
    body = {"shard": shard.name, "files": sorted(names)}
    fs.replace(shard / NAME, seal(SCHEMA, body), temporary())


def _change(shard: Path, more: set[str], less: set[str], temporary: Callable[[], Path]) -> None:
    try:
        listed = read(shard)
    except errors.IntegrityError:
        return
    wanted = ((listed or set()) | more) - less
    if listed is None or wanted != listed:
        write(shard, wanted, temporary)
