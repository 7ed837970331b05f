"""The facade of the workspace. Everything outside `r2s.store` uses this class and nothing below it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from r2s.core.errors import R2SError
from r2s.store import errors, fs, fsck, gc, names, oci, repair, runs, transfer, trash, workspace
from r2s.store.blobs import Blobs
from r2s.store.checkpoints import StoredCheckpoint
from r2s.store.fsck import Finding
from r2s.store.gc import DEFAULT_KEEP, GcPlan, Keep
from r2s.store.locks import Gate, Lease, OnWait, is_locked, locked, sweep
from r2s.store.oci import Descriptor, Manifest, Stored
from r2s.store.refs import RefEntry, Refs
from r2s.store.repair import Broken, Repair
from r2s.store.select import resolve
from r2s.store.transfer import DEFAULT_LIMITS, Imported, Limits


class Store:
    """An open workspace. Cheap to open; holds nothing until it writes.

    Use as a context manager or call `close`; a process that does neither is swept up after.

    Attributes:
        trusting: the user lets code run that artifacts brought from elsewhere, as long as this is open.
    """

    def __init__(self, path: Path):
        """Open without looking. Use `Store.open` or `Store.create`."""
        self.path = path
        self._store_gate = Gate(path / "locks" / "store", "the workspace")
        self._names_gate = Gate(path / "locks" / "names", "the names of the workspace")
        self.blobs = Blobs(path / "blobs" / "sha256", path / "quarantine", self.names_lock)
        self.ref_files = Refs(path / "refs")
        self.run_files = runs.Runs(path / "runs")
        self._lease: Lease | None = None
        self.trusting = False

    @classmethod
    def create(cls, path: Path) -> Store:
        """Make a workspace at `path` (the `.r2s` folder itself); one that exists is opened."""
        path = Path(path)
        workspace.lay_out(path)
        return cls.open(path)

    @classmethod
    def open(cls, path: Path, *, damaged: bool = False) -> Store:
        """Open the workspace at `path` and sweep what dead processes left in it.

        Args:
            damaged: open although the format file is gone or wrong, to run `fsck` on it.

        Raises:
            R2SError: R2S-STORE-001 no workspace, -002 newer format, -003 damaged.
        """
        path = Path(path)
        if damaged:
            if not workspace.is_workspace(path):
                raise errors.no_workspace(path)
        else:
            workspace.check_format(path)
        store = cls(path)
        with suppress(R2SError):  # a read-only workspace can still be read
            if sweep(path / "leases", path / "scratch"):
                store._finish_for_the_dead()
        return store

    def close(self) -> None:
        """Let go of the lease and its scratch folder."""
        if self._lease is not None:
            lease, self._lease = self._lease, None
            lease.release()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Artifacts -------------------------------------------------------------------------------------

    def put(
        self,
        kind: str,
        config: Mapping[str, Any],
        files: Mapping[str, bytes],
        *,
        inputs: Mapping[str, str],
        stage: Mapping[str, Any],
    ) -> str:
        """Store an artifact durably and return its digest; the same content gives the same digest.

        Args:
            kind: `scan`, `policy`, …
            config: JSON tree, the artifact's description.
            files: name (posix, relative, no `..`) to bytes; each is asked for once.
            inputs: role to digest of artifacts in this store.
            stage: JSON tree about what made it, without times and hosts: name, version.

        Raises:
            R2SError: R2S-STORE-014, something has no place in an artifact.
            IntegrityError: R2S-STORE-011, an input is not in the store.
            ResourceError: R2S-STORE-040, the disk is full.
        """
        _check_artifact(kind, files, inputs, stage)
        config_bytes = oci.encode_config(kind, config, inputs, stage)
        with self.commit_lock():
            for digest in inputs.values():
                self.manifest(digest)
            batch = self.blobs.batch(self.temporary)
            layers = []
            for name in sorted(files):
                data = files[name]
                layers.append(Descriptor(batch.add(data), len(data), name))
            if not layers:
                batch.add(oci.EMPTY_BLOB)
            config_blob = Descriptor(batch.add(config_bytes), len(config_bytes))
            manifest = oci.encode_manifest(kind, config_blob, layers)
            if len(manifest) > oci.MAX_MANIFEST_BYTES:
                raise errors.bad_artifact(
                    f"{len(layers)} files are too many; pack small ones", kind
                )
            batch.commit()
            return self._commit_manifest(manifest)

    def get(self, digest: str) -> Stored:
        """Return an artifact: manifest and config verified now, each file when it is asked for.

        Raises:
            IntegrityError: R2S-STORE-010 corrupt, -011 missing, -012 no artifact.
        """
        manifest = self.manifest(digest)
        config = self.blobs.read(manifest.config.digest, where=self._where(manifest, "its config"))
        body, inputs, stage = oci.decode_config(config, manifest)
        files = _Files(self, manifest)
        sizes = {layer.title: layer.size for layer in manifest.layers}
        return Stored(digest, manifest.kind, body, inputs, stage, files, sizes)

    def has(self, digest: str) -> bool:
        """Whether an artifact is there with all its blobs at their right sizes. Reads only JSON."""
        try:
            manifest = self.manifest(digest)
        except errors.IntegrityError:
            return False
        return all(self.blobs.size(blob.digest) == blob.size for blob in manifest.blobs())

    def manifest(self, digest: str) -> Manifest:
        """Return the verified, parsed manifest of an artifact."""
        size = self.blobs.size(digest)
        if size is not None and size > oci.MAX_MANIFEST_BYTES:
            raise errors.not_a_manifest(digest, "larger than 4 MiB")
        return oci.decode_manifest(self.blobs.read(digest), digest)

    def peek(self, digest: str) -> Manifest | None:
        """Return an intact manifest, or None for whatever is not one; moves and raises nothing."""
        size = self.blobs.size(digest)
        if size is None or size > oci.MAX_MANIFEST_BYTES:
            return None
        data = self.blobs.peek(digest)
        try:
            return None if data is None else oci.decode_manifest(data, digest)
        except errors.IntegrityError:
            return None

    def export(self, digest: str, folder: Path) -> list[Path]:
        """Write an artifact's files, verified, under `folder`; return their paths.

        The files are copies: changing them changes nothing in the store.
        """
        stored, folder = self.get(digest), Path(folder)
        written = []
        for name in stored.files:
            path = folder / name
            fs.make_folder(path.parent)
            data = stored.files[name]
            fs.replace(path, data, path.with_name(f".{path.name}.part"))
            written.append(path)
        return written

    # Runs ------------------------------------------------------------------------------------------

    def put_run(self, key: str, record: Mapping[str, Any]) -> runs.Kept:
        """Keep the record of a finished action. `record["output"]` is the artifact it made.

        Returns:
            `first`; `same` when an attempt with this output is already kept (nothing is written);
            `attempt` when another output stands, which stays the answer of `get_run`.
        """
        output = record.get("output")
        with self.commit_lock():
            if output is not None:
                self._require(output)
            with self.names_lock():
                return self.run_files.put(key, dict(record), self.temporary)

    def get_run(self, key: str) -> dict[str, Any] | None:
        """Return the first finished attempt of a key whose output is still here, else the first.

        The record comes back with `key`, `recorded_at_s` [s since 1970] and `attempts` (how many
        different outputs are kept) added. None: never finished.
        """
        finished = [record for record in self.run_files.attempts(key) if record.get("output")]
        if not finished:
            return None
        usable = (record for record in finished if self.has(record["output"]))
        return {**next(usable, finished[0]), "attempts": len(finished)}

    def attempts(self, key: str) -> list[dict[str, Any]]:
        """Return every kept attempt of a key, oldest first."""
        return self.run_files.attempts(key)

    def runs(self, last: int | None = None) -> Iterator[dict[str, Any]]:
        """Yield run records, the newest last; only the newest `last` when given."""
        return self.run_files.newest_last(last)

    def newest_runs(self) -> Iterator[dict[str, Any]]:
        """Yield run records, the newest first, opening each only when it is asked for."""
        return self.run_files.newest_first()

    # Names -----------------------------------------------------------------------------------------

    def set_ref(self, name: str, digest: str, reason: str) -> None:
        """Point a name to an artifact, durably, and remember what it pointed to before."""
        names.check_name(name)
        with self.commit_lock():
            self._require(digest)
            with self.names_lock():
                self.ref_files.set(name, digest, reason, self.temporary())
                self.write_index()

    def delete_ref(self, name: str, reason: str = "removed") -> None:
        """Remove a name; its history stays, and its artifacts until gc."""
        with self.commit_lock(), self.names_lock():
            if self.ref_files.get(name) is None:
                raise errors.unknown_ref(name, list(self.refs()))
            self.ref_files.set(name, None, reason, self.temporary())
            self.write_index()

    def ref(self, name: str) -> str | None:
        """Return the digest a name points to, or None."""
        return self.ref_files.get(name)

    def refs(self) -> dict[str, str]:
        """Return name to digest of every name, sorted by name."""
        return self.ref_files.all()

    def reflog(self, name: str) -> list[RefEntry]:
        """Return what a name pointed to, newest first."""
        return self.ref_files.log(name)

    @property
    def current(self) -> str | None:
        """The workspace's current name, or None."""
        return workspace.read_current(self.path / "current")

    def set_current(self, name: str) -> None:
        """Make `name` the one that commands use when none is given."""
        data = workspace.encode_current(names.check_name(name))
        if fs.read(self.path / "current") != data:
            with self.commit_lock(), self.names_lock():
                fs.replace(self.path / "current", data, self.temporary())

    def resolve(self, selector: str) -> str:
        """Return the digest a selector means; see `r2s.store.select`."""
        return resolve(self, selector)

    # Work in progress ------------------------------------------------------------------------------

    def key_lock(self, key: str, on_wait: OnWait | None = None) -> AbstractContextManager[None]:
        """Hold the lock of an action while it is built, so that two processes never build it twice.

        Args:
            on_wait: called once with a sentence when it takes longer than a second.
        """
        digits = runs.key_hex(key)
        path = self.path / "locks" / f"key-{digits}"
        return locked(path, f"the action {digits[:12]}", on_wait=on_wait)

    def checkpoint(self, key: str) -> StoredCheckpoint:
        """Return the checkpoints of an action; use under its key lock."""
        folder = self.path / "checkpoints"
        return StoredCheckpoint(folder, key, self.temporary, self.commit_lock)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Yield an empty folder that is removed afterwards, by the next process if this one dies."""
        path = self.temporary()
        fs.make_folder(path)
        try:
            yield path
        finally:
            fs.remove_tree(path)

    def hold(self, digests: Iterable[str]) -> None:
        """Keep artifacts from gc for the life of this process (inputs of a stage that runs)."""
        with self.commit_lock():
            for digest in digests:
                self._own_lease().hold(digest)

    # Care ------------------------------------------------------------------------------------------

    def plan_gc(self, now_s: float, keep: Keep = DEFAULT_KEEP) -> GcPlan:
        """Return what gc would remove at `now_s` [s since 1970], with names people know."""
        with self.commit_lock():
            return gc.plan(self, now_s, keep)

    def gc(self, plan: GcPlan, on_wait: OnWait | None = None) -> str | None:
        """Move what the plan lists to the trash; return an id for `undo_gc`, None for nothing."""
        with self.exclusive_lock(on_wait):
            trash.purge(self, plan.now_s)
            return gc.collect(self, plan)

    def undo_gc(self, identifier: str | None = None) -> list[str]:
        """Bring back what a gc removed (the newest, or `identifier`); return what was lost.

        Raises:
            R2SError: R2S-STORE-051, there is nothing to bring back.
        """
        with self.exclusive_lock():
            known = trash.identifiers(self)
            if not known or (identifier is not None and identifier not in known):
                raise errors.nothing_to_undo()
            return trash.restore(self, identifier or known[0])

    def purge(self, now_s: float, *, everything: bool = False) -> int:
        """Free the trash older than 7 days (or all); return how many gc's were made final."""
        with self.exclusive_lock():
            return trash.purge(self, now_s, everything=everything)

    def fsck(self) -> list[Finding]:
        """Read and verify every byte of the workspace; return what is wrong. Changes nothing."""
        with self.commit_lock():
            return fsck.check(self)

    def repair(self, rerun: Callable[[Broken], None] | None = None) -> Repair:
        """Quarantine what is wrong, rebuild what is derived, make the rest again.

        Args:
            rerun: makes a broken artifact again (by its action key); called without any lock held,
                inputs before what was made from them.
        """
        with self.exclusive_lock():
            broken, report = repair.mend(self)
        return repair.remake(self, broken, report, rerun)

    # Exchange --------------------------------------------------------------------------------------

    def pack(self, digests: Iterable[str], file: Path) -> None:
        """Write artifacts with all they were made from into one OCI tar; the same bytes each time."""
        with self.commit_lock():
            transfer.pack(self, list(digests), Path(file))

    def unpack(
        self, file: Path, name: str = "", *, limits: Limits = DEFAULT_LIMITS
    ) -> list[Imported]:
        """Store the artifacts of a package from a stranger, named `imported/<name>/…`.

        Raises:
            UnsafeInput: R2S-STORE-050; nothing of it is visible then.
        """
        return transfer.unpack(self, Path(file), name, limits)

    def push(self, digests: Iterable[str], layout: Path) -> list[str]:
        """Copy artifacts with all they were made from into another OCI layout; return their names."""
        with self.commit_lock():
            return transfer.push(self, list(digests), Path(layout))

    def pull(
        self, layout: Path, name: str = "", *, limits: Limits = DEFAULT_LIMITS
    ) -> list[Imported]:
        """Store the artifacts of another OCI layout, treated like a package from a stranger."""
        return transfer.pull(self, Path(layout), name, limits)

    # Locks and inner parts, for the modules of this package ----------------------------------------

    def commit_lock(self) -> AbstractContextManager[None]:
        """The store lock, shared: many may commit at once, none while gc or repair runs."""
        return self._store_gate.passed(shared=True)

    def exclusive_lock(self, on_wait: OnWait | None = None) -> AbstractContextManager[None]:
        """The store lock, exclusive: gc and repair run alone."""
        return self._store_gate.passed(on_wait=on_wait)

    def key_is_locked(self, key: str) -> bool:
        """Whether somebody is building the action `key` right now."""
        return is_locked(self.path / "locks" / f"key-{runs.key_hex(key)}")

    def called(self, digest: str) -> str:
        """Return what people call an artifact: its names, else its kind and first digits."""
        found = [name for name, value in self.ref_files.readable().items() if value == digest]
        if found:
            return ", ".join(found)
        manifest = self.peek(digest)
        return f"{manifest.kind} {digest[7:19]}" if manifest else digest[7:19]

    def names_lock(self) -> AbstractContextManager[None]:
        return self._names_gate.passed()

    def _own_lease(self) -> Lease:
        import os

        if self._lease is None or self._lease.pid != os.getpid():
            self._lease = lease = Lease(self.path / "leases", self.path / "scratch")
            weakref.finalize(self, _release_quietly, lease)
        return self._lease

    def temporary(self) -> Path:
        """Return a new path for a temporary file or folder, swept if this process dies."""
        return self._own_lease().temporary()

    def _commit_manifest(self, manifest: bytes) -> str:
        batch = self.blobs.batch(self.temporary)
        digest = batch.add(manifest)
        batch.commit()
        self._own_lease().hold(digest)
        return digest

    def _require(self, digest: str) -> None:
        manifest = self.manifest(digest)
        for blob in manifest.blobs():
            if self.blobs.size(blob.digest) != blob.size:
                raise errors.missing(blob.digest, self._where(manifest, blob.title or "its config"))

    def index_bytes(self, *, forget_lost: bool = False) -> bytes:
        """Return what `index.json` must hold, from `refs/`. Call under the names lock.

        A removed name leaves a ref file that says so. One whose file is damaged or gone is therefore
        lost by accident, and stays listed until repair brings it back or gives it up.
        """
        named = self.ref_files.readable()
        if not forget_lost:
            named = {**self.listed(), **named}
            named = {n: d for n, d in named.items() if not self.ref_files.is_removed(n)}
        peeked = ((name, self.peek(digest)) for name, digest in named.items())
        return oci.encode_index((name, manifest) for name, manifest in peeked if manifest)

    def listed(self) -> dict[str, str]:
        """Return the names that `index.json` lists, as far as it can be read."""
        try:
            data = fs.read(self.path / "index.json")
            entries = oci.decode_index(data or b"", "index.json")
        except errors.IntegrityError:
            return {}
        return {name: target.digest for name, target in entries if names.is_name(name)}

    def write_index(self, *, forget_lost: bool = False) -> None:
        """Rewrite `index.json` where it is not right. Call under the names lock."""
        data = self.index_bytes(forget_lost=forget_lost)
        if fs.read(self.path / "index.json") != data:
            fs.replace(self.path / "index.json", data, self.temporary())

    def _finish_for_the_dead(self) -> None:
        """Bring what is derived up to date: somebody died between a ref or run and its list."""
        with self.commit_lock(), self.names_lock():
            self.write_index()
            self.run_files.write_ledgers(self.temporary)

    def _where(self, manifest: Manifest, part: str) -> str:
        called = [
            name for name, digest in self.ref_files.readable().items() if digest == manifest.digest
        ]
        return f"{part} of {manifest.kind} {', '.join(called) or manifest.digest[7:19]}"


class _Files(Mapping[str, bytes]):
    """The files of an artifact; each access reads and verifies."""

    def __init__(self, store: Store, manifest: Manifest):
        self._store = store
        self._manifest = manifest
        self._layers = {layer.title: layer for layer in manifest.layers}

    def __getitem__(self, name: str) -> bytes:
        layer = self._layers[name]
        try:
            return self._store.blobs.read(layer.digest)
        except errors.IntegrityError as exc:
            exc.where = self._store._where(self._manifest, name)
            raise

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)


def _check_artifact(
    kind: str, files: Mapping[str, bytes], inputs: Mapping[str, str], stage: Mapping[str, Any]
) -> None:
    if not names.is_kind(kind):
        raise errors.bad_artifact(f"{kind!r} is no kind")
    for name in files:
        reason = names.why_not_a_file_name(name)
        if reason:
            raise errors.bad_artifact(f"file name {name!r}: {reason}", where=kind)
    for role, digest in inputs.items():
        if not names.is_digest(digest):
            raise errors.bad_artifact(f"input {role!r} is no digest", where=kind)
    if not isinstance(stage, Mapping):
        raise errors.bad_artifact('`stage` is a mapping such as {"name": "scan"}', where=kind)


def _release_quietly(lease: Lease) -> None:
    with suppress(R2SError, OSError):
        lease.release()
