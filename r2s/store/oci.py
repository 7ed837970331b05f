"""An artifact as an OCI manifest. Pure: bytes in, bytes out.

Media types follow the OCI artifact guidance: `artifactType` says what it is, the config blob is
canonical JSON `{"schema", "stage", "inputs", "body"}`, one layer per file with its title.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from r2s.core.canonical import canonical_json, digest_bytes
from r2s.store import errors, names
from r2s.store.records import parse_object

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
FILE_TYPE = "application/vnd.r2s.file.v1"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
EMPTY_BLOB = b"{}"
TITLE = "org.opencontainers.image.title"
REF_NAME = "org.opencontainers.image.ref.name"
MAX_MANIFEST_BYTES = 4 << 20  # registries refuse larger ones (distribution spec: 4 MiB)


@dataclass(frozen=True)
class Descriptor:
    """Points at a blob: its digest, size in bytes and (for files) its name."""

    digest: str
    size: int
    title: str = ""


@dataclass(frozen=True)
class Manifest:
    """A parsed artifact manifest. `layers` are files only; the empty layer is left out."""

    digest: str
    size: int
    kind: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    empty: bool

    def blobs(self) -> Iterator[Descriptor]:
        """Every blob this manifest needs, the config first."""
        yield self.config
        yield from self.layers
        if self.empty:
            yield Descriptor(digest_bytes(EMPTY_BLOB), len(EMPTY_BLOB))


@dataclass(frozen=True)
class Stored:
    """An artifact in the store.

    Attributes:
        digest: of its manifest; the artifact's identity.
        kind: `scan`, `policy`, …
        config: the body given to `put`.
        inputs: role to digest of the artifacts it was made from.
        stage: what `put` was told about the stage that made it.
        files: name to bytes; each is read and verified when it is asked for.
        sizes: name to size in bytes, without reading.
    """

    digest: str
    kind: str
    config: dict[str, Any]
    inputs: dict[str, str]
    stage: dict[str, Any]
    files: Mapping[str, bytes]
    sizes: Mapping[str, int]


def config_schema(kind: str) -> str:
    return f"r2s.{kind}/1"


def encode_config(
    kind: str, body: Mapping[str, Any], inputs: Mapping[str, str], stage: Mapping[str, Any]
) -> bytes:
    """Return the config blob; R2S-STORE-014 when a value has no canonical JSON."""
    content = {
        "schema": config_schema(kind),
        "stage": dict(stage),
        "inputs": dict(inputs),
        "body": dict(body),
    }
    try:
        return canonical_json(content)
    except (TypeError, ValueError, RecursionError) as exc:
        raise errors.bad_artifact(str(exc), where=f"config of {kind}") from exc


def encode_manifest(kind: str, config: Descriptor, layers: list[Descriptor]) -> bytes:
    """Return the manifest bytes of an artifact whose files are `layers` (any order)."""
    entries = [
        {
            "mediaType": FILE_TYPE,
            "digest": layer.digest,
            "size": layer.size,
            "annotations": {TITLE: layer.title},
        }
        for layer in sorted(layers, key=lambda layer: layer.title)
    ]
    # The image spec wants at least one layer; an artifact without files gets the empty one.
    empty = [{"mediaType": EMPTY_TYPE, "digest": digest_bytes(EMPTY_BLOB), "size": len(EMPTY_BLOB)}]
    return canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "artifactType": f"application/vnd.r2s.{kind}.v1",
            "config": {
                "mediaType": f"application/vnd.r2s.{kind}.config.v1+json",
                "digest": config.digest,
                "size": config.size,
            },
            "layers": entries or empty,
        }
    )


def decode_manifest(data: bytes, digest: str) -> Manifest:
    """Parse untrusted manifest bytes; R2S-STORE-012 when they are no r2s artifact."""

    def refuse(reason: str) -> errors.R2SError:
        return errors.not_a_manifest(digest, reason)

    if len(data) > MAX_MANIFEST_BYTES:
        raise refuse("larger than 4 MiB")
    try:
        content = parse_object(data, digest)
    except errors.IntegrityError as exc:
        raise refuse("it is not a JSON object") from exc
    kind = _kind_of(content.get("artifactType"))
    if content.get("mediaType") != MANIFEST_TYPE or content.get("schemaVersion") != 2 or not kind:
        raise refuse("another media type")
    entries = content.get("layers")
    if not isinstance(entries, list) or not entries:
        raise refuse("no layers")
    config, layers, empty = _descriptor(content.get("config")), [], False
    for entry in entries:
        layer = _descriptor(entry)
        if layer is None:
            raise refuse("a layer without digest and size")
        if isinstance(entry, dict) and entry.get("mediaType") == EMPTY_TYPE:
            empty = True
        elif names.why_not_a_file_name(layer.title):
            raise refuse("a file with an unsafe name")
        else:
            layers.append(layer)
    if config is None:
        raise refuse("no config")
    if len({layer.title for layer in layers}) != len(layers):
        raise refuse("two files of one name")
    return Manifest(digest, len(data), kind, config, tuple(layers), empty)


def decode_config(data: bytes, manifest: Manifest) -> tuple[dict, dict[str, str], dict]:
    """Return (body, inputs, stage) of untrusted config bytes; R2S-STORE-012 when malformed."""
    try:
        content = parse_object(data, manifest.config.digest)
    except errors.IntegrityError as exc:
        raise errors.not_a_manifest(manifest.digest, "its config is not JSON") from exc
    body, inputs, stage = (content.get(field) for field in ("body", "inputs", "stage"))
    if content.get("schema") != config_schema(manifest.kind):
        raise errors.not_a_manifest(manifest.digest, "its config has another schema")
    if not (isinstance(body, dict) and isinstance(inputs, dict) and isinstance(stage, dict)):
        raise errors.not_a_manifest(manifest.digest, "its config lacks body, inputs or stage")
    if not all(names.is_digest(digest) for digest in inputs.values()):
        raise errors.not_a_manifest(manifest.digest, "its inputs are no digests")
    return body, inputs, stage


def encode_index(entries: Iterable[tuple[str, Manifest]]) -> bytes:
    """Return `index.json`: one descriptor per (name, artifact), sorted; '' is no name."""
    ordered = sorted(entries, key=lambda entry: (entry[0], entry[1].digest))
    return _index([_index_entry(name, manifest) for name, manifest in ordered])


def merge_index(known: bytes | None, entries: Iterable[tuple[str, Manifest]], where: str) -> bytes:
    """Return an index with `entries` added, replacing those of the same name or digest.

    Entries of other tools stay as they are. R2S-STORE-013 when `known` is no index.
    """
    added = [_index_entry(name, manifest) for name, manifest in entries]
    keys = {_key(entry) for entry in added}
    old = parse_object(known, where).get("manifests", []) if known is not None else []
    if not isinstance(old, list) or not all(isinstance(entry, dict) for entry in old):
        raise errors.bad_record(where, "it lists no manifests")
    return _index([entry for entry in old if _key(entry) not in keys] + added)


def decode_index(data: bytes, where: str) -> list[tuple[str, Descriptor]]:
    """Return the (ref name, manifest) pairs of an untrusted index; unnamed ones have ''."""
    entries = parse_object(data, where).get("manifests")
    if not isinstance(entries, list):
        raise errors.bad_record(where, "it lists no manifests")
    pairs = []
    for entry in entries:
        target = _descriptor(entry)
        if target is None:
            raise errors.bad_record(where, "an entry without digest and size")
        pairs.append((_ref_name(entry), target))
    return pairs


def _index(manifests: list[dict[str, Any]]) -> bytes:
    return canonical_json({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": manifests})


def _index_entry(name: str, manifest: Manifest) -> dict[str, Any]:
    entry = {
        "mediaType": MANIFEST_TYPE,
        "artifactType": f"application/vnd.r2s.{manifest.kind}.v1",
        "digest": manifest.digest,
        "size": manifest.size,
    }
    return {**entry, "annotations": {REF_NAME: name}} if name else entry


def _key(entry: dict[str, Any]) -> tuple[str, str]:
    """What makes an index entry one: its name, or its digest when it has none."""
    name = _ref_name(entry)
    return (name, "") if name else ("", str(entry.get("digest")))


def _ref_name(entry: dict[str, Any]) -> str:
    notes = entry.get("annotations")
    name = notes.get(REF_NAME, "") if isinstance(notes, dict) else ""
    return name if isinstance(name, str) else ""


def _kind_of(artifact_type: object) -> str:
    if not isinstance(artifact_type, str) or not artifact_type.startswith("application/vnd.r2s."):
        return ""
    kind, _, version = artifact_type.removeprefix("application/vnd.r2s.").rpartition(".")
    return kind if version == "v1" and names.is_kind(kind) else ""


def _descriptor(entry: object) -> Descriptor | None:
    if not isinstance(entry, dict) or not names.is_digest(entry.get("digest")):
        return None
    size, notes = entry.get("size"), entry.get("annotations")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        return None
    title = notes.get(TITLE, "") if isinstance(notes, dict) else ""
    return Descriptor(entry["digest"], size, title if isinstance(title, str) else "")
