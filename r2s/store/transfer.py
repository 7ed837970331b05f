"""Artifacts that leave and arrive: one tar file, or another OCI layout on a disk.

What leaves takes along all it was made from, with the same bytes each time. What arrives comes from a
stranger: everything is hashed, parsed and found complete before any of it is visible, and its names go
under `imported/<name>/`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

from r2s.store import errors, fs, names, oci, tar, workspace
from r2s.store.closure import Closure, closure
from r2s.store.locks import locked
from r2s.store.oci import Descriptor, Manifest
from r2s.store.records import parse_object

if TYPE_CHECKING:
    from r2s.store.store import Store


@dataclass(frozen=True)
class Limits:
    """What a package may cost before it is refused: bytes in all, members, bytes of one JSON file."""

    total_bytes: int = 20 << 30
    members: int = 100_000
    json_bytes: int = 16 << 20


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Imported:
    """An artifact that arrived, and the name it got."""

    name: str
    digest: str
    kind: str


# Leaving -------------------------------------------------------------------------------------------


def pack(store: Store, digests: list[str], file: Path) -> None:
    """Write `digests` and all they need as an OCI tar. Call under the store lock."""
    found = _complete(store, digests)
    layout, index = workspace.FIXED["oci-layout"], oci.encode_index(_named(store, digests))
    sizes = {**found.blobs, **{d: manifest.size for d, manifest in found.manifests.items()}}

    def parts() -> Iterator[tuple[str, int, Iterable[bytes]]]:
        yield "oci-layout", len(layout), [layout]
        yield "index.json", len(index), [index]
        for digest in sorted(sizes):
            yield f"blobs/sha256/{digest[7:]}", sizes[digest], [store.blobs.read(digest)]

    temporary = file.with_name(f".{file.name}.part")
    fs.remove(temporary)
    fs.write_new(temporary, tar.joined(parts()))
    fs.flush([temporary])
    fs.rename(temporary, file)
    fs.flush_folder(file.parent)


def push(store: Store, digests: list[str], layout: Path) -> list[str]:
    """Copy `digests` and all they need into the OCI layout `layout`. Call under the store lock."""
    if workspace.is_workspace(layout):
        raise errors.push_to_workspace(layout)
    found = _complete(store, digests)
    folder = layout / "blobs" / "sha256"
    fs.make_folder(folder)
    with locked(layout / ".r2s-lock", f"the layout {layout}"):
        if not fs.exists(layout / "oci-layout"):
            _write(layout / "oci-layout", [workspace.FIXED["oci-layout"]])
        for group in (found.blobs, found.manifests):  # a manifest only after all it names
            for digest in group:
                target = folder / names.hex_of(digest)
                there = fs.digest_with_identity(target)
                if there is None or there[0] != digest:
                    _write(target, [store.blobs.read(digest)])
        known = fs.read(layout / "index.json", DEFAULT_LIMITS.json_bytes)
        pairs = _named(store, digests)
        _write(layout / "index.json", [oci.merge_index(known, pairs, str(layout / "index.json"))])
    return [name for name, _ in pairs if name]


def _complete(store: Store, digests: list[str]) -> Closure:
    found = closure(store, digests)
    for digest, why in found.damaged.items():
        raise errors.incomplete(store.called(digest), why)
    return found


def _named(store: Store, digests: list[str]) -> list[tuple[str, Manifest]]:
    """Every (name, manifest) of the digests, sorted; one without a name has ''."""
    refs, pairs = store.refs(), []
    for digest in sorted(set(digests)):
        called = sorted(name for name, value in refs.items() if value == digest)
        pairs += [(name, store.manifest(digest)) for name in called or [""]]
    return sorted(pairs, key=lambda pair: (pair[0], pair[1].digest))


def _write(path: Path, content: list[bytes]) -> None:
    temporary = path.with_name(f".{path.name}.part")
    fs.remove(temporary)
    fs.replace(path, b"".join(content), temporary)


# Arriving ------------------------------------------------------------------------------------------

Fetch = Callable[[Descriptor], Path]
UNKNOWN = -1  # the size of an input: its config tells only the digest


def unpack(store: Store, file: Path, name: str, limits: Limits) -> list[Imported]:
    """Store the artifacts of an OCI tar."""
    where = str(file)
    with store.scratch() as folder:
        staged, small = _extract(file, folder, limits, where)
        if not is_layout(small.get("oci-layout", b"")):
            raise errors.hostile("it is no OCI layout of version 1", where)

        def fetch(blob: Descriptor) -> Path:
            path = staged.get(blob.digest)
            if path is None:
                raise errors.hostile(f"{blob.digest[:19]} is named but not in it", where)
            return path

        entries = _entries(small.get("index.json", b""), where)
        return _arrive(store, entries, fetch, name or names.slug(file.stem), limits, where)


def pull(store: Store, layout: Path, name: str, limits: Limits) -> list[Imported]:
    """Store the artifacts that another OCI layout lists."""
    where = str(layout)
    if not fs.is_folder(layout):
        raise errors.no_layout(layout, packed=fs.exists(layout))
    index = fs.read(layout / "index.json", limits.json_bytes)
    marker = fs.read(layout / "oci-layout", limits.json_bytes)
    if index is None or not is_layout(marker or b""):
        raise errors.hostile("it is no OCI layout of version 1", where)
    spent = 0
    with store.scratch() as folder:

        def fetch(blob: Descriptor) -> Path:
            nonlocal spent
            source, target = layout / "blobs" / "sha256" / blob.digest[7:], folder / blob.digest[7:]
            if fs.exists(target):
                return target
            found = fs.identity(source)
            if found is None or blob.size not in (UNKNOWN, found.size):
                raise errors.hostile(f"{blob.digest[:19]} is missing or has another size", where)
            spent += found.size
            if spent > limits.total_bytes:
                raise errors.hostile(f"it holds more than {limits.total_bytes} bytes", where)
            if _copy_hashed(fs.read_chunks(source), target) != blob.digest:
                raise errors.hostile(f"{blob.digest[:19]} does not match its digest", where)
            return target

        entries = _entries(index, where)
        return _arrive(store, entries, fetch, name or _layout_name(layout), limits, where)


def is_layout(marker: bytes) -> bool:
    """Whether these are the bytes of an `oci-layout` file of version 1."""
    try:
        return parse_object(marker, "oci-layout").get("imageLayoutVersion") == "1.0.0"
    except errors.IntegrityError:
        return False


def _layout_name(layout: Path) -> str:
    absolute = layout.absolute()
    return names.slug(absolute.parent.name if absolute.name == ".r2s" else absolute.name)


def _extract(
    file: Path, folder: Path, limits: Limits, where: str
) -> tuple[dict[str, Path], dict[str, bytes]]:
    """Return digest to path of every blob (hashed) and the bytes of the two JSON files."""
    staged: dict[str, Path] = {}
    small: dict[str, bytes] = {}
    spent = 0
    with fs.reader(file) as read:
        for name, size in tar.members(read, where, limits.members):
            spent += size
            if spent > limits.total_bytes:
                raise errors.hostile(f"it holds more than {limits.total_bytes} bytes", where)
            content = tar.pieces(read, size, where)
            digest = "sha256:" + name.removeprefix("blobs/sha256/")
            if name in ("oci-layout", "index.json") and name not in small:
                if size > limits.json_bytes:
                    raise errors.hostile(f"{name} is larger than {limits.json_bytes} bytes", where)
                small[name] = b"".join(content)
            elif name.startswith("blobs/sha256/") and names.is_digest(digest):
                if digest in staged:
                    raise errors.hostile(f"{digest[:19]} is in it twice", where)
                staged[digest] = folder / digest[7:]
                if _copy_hashed(content, staged[digest]) != digest:
                    raise errors.hostile(f"{digest[:19]} does not match its digest", where)
            else:
                raise errors.hostile(f"{name[:80]!r} has no place in an OCI layout", where)
    return staged, small


def _copy_hashed(content: Iterable[bytes], target: Path) -> str:
    sha = hashlib.sha256()

    def hashed() -> Iterator[bytes]:
        for piece in content:
            sha.update(piece)
            yield piece

    fs.write_new(target, hashed())
    return "sha256:" + sha.hexdigest()


def _entries(index: bytes, where: str) -> list[tuple[str, Descriptor]]:
    try:
        entries = oci.decode_index(index, where)
    except errors.IntegrityError as exc:
        raise errors.hostile(f"its index.json: {exc.what}", where) from exc
    if not entries:
        raise errors.hostile("it lists no artifacts", where)
    return entries


def _arrive(
    store: Store,
    entries: list[tuple[str, Descriptor]],
    fetch: Fetch,
    name: str,
    limits: Limits,
    where: str,
) -> list[Imported]:
    """Check everything, then make it durable and named, bytes first."""
    folder = f"imported/{names.check_name(name)}"
    manifests, blobs, oldest_first = _collect(entries, fetch, limits, where)
    imported = []
    for ref, entry in entries:
        manifest = manifests[entry.digest]
        label = ref if names.is_name(ref) else f"{manifest.kind}-{entry.digest[7:19]}"
        imported.append(Imported(f"{folder}/{label}", entry.digest, manifest.kind))
    for each in imported:
        names.check_name(each.name)
    with store.commit_lock():
        batch = store.blobs.batch(store.temporary)
        for digest, path in blobs.items():
            batch.adopt(digest, path)
        batch.commit()
        for digest in oldest_first:
            batch.adopt(digest, fetch(Descriptor(digest, manifests[digest].size)))
        batch.commit()
        with store.names_lock():
            for each in imported:
                store.ref_files.set(each.name, each.digest, f"from {name}", store.temporary())
            store.write_index()
    return imported


def _collect(
    entries: list[tuple[str, Descriptor]], fetch: Fetch, limits: Limits, where: str
) -> tuple[dict[str, Manifest], dict[str, Path], list[str]]:
    """Return manifests, paths of all other blobs, and the manifests, inputs before what used them."""
    made_from: dict[str, list[str]] = {}
    manifests: dict[str, Manifest] = {}
    blobs: dict[str, Path] = {}
    waiting = [(entry.digest, entry.size) for _, entry in entries]
    while waiting:
        digest, size = waiting.pop()
        if digest in manifests:
            continue
        if len(manifests) + len(blobs) > limits.members:
            raise errors.hostile(f"it has more than {limits.members} blobs", where)
        path = fetch(Descriptor(digest, size))
        data = fs.read(path, oci.MAX_MANIFEST_BYTES) or b""
        try:
            manifests[digest] = manifest = oci.decode_manifest(data, digest)
            for blob in manifest.blobs():
                found = fs.identity(fetch(blob))
                if found is None or found.size != blob.size:
                    raise errors.hostile(f"{blob.digest[:19]} has another size than stated", where)
                blobs[blob.digest] = fetch(blob)
            if manifest.config.size > limits.json_bytes:
                raise errors.hostile("a config is too large", where)
            config = fs.read(blobs[manifest.config.digest]) or b""
            made_from[digest] = list(oci.decode_config(config, manifest)[1].values())
        except errors.IntegrityError as exc:
            raise errors.hostile(exc.what, where) from exc
        waiting += [(each, UNKNOWN) for each in made_from[digest]]
    return manifests, blobs, list(TopologicalSorter(made_from).static_order())
