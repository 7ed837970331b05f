"""What an artifact needs: its blobs, and the artifacts it was made from, all the way to the scan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from r2s.store import errors, oci
from r2s.store.oci import Manifest

if TYPE_CHECKING:
    from r2s.store.store import Store


@dataclass
class Closure:
    """Everything reachable from some artifacts.

    Attributes:
        manifests: digest to manifest.
        blobs: digest to size [bytes] of every config and file, without the manifests.
        damaged: digest of an artifact to what is wrong with it.
    """

    manifests: dict[str, Manifest] = field(default_factory=dict)
    blobs: dict[str, int] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)

    def __contains__(self, digest: str) -> bool:
        return digest in self.manifests or digest in self.blobs


def closure(store: Store, roots: Iterable[str]) -> Closure:
    """Return all that `roots` need. Damage is noted in `damaged`, not raised."""
    found = Closure()
    waiting = sorted(set(roots), reverse=True)
    while waiting:
        digest = waiting.pop()
        if digest in found.manifests or digest in found.damaged:
            continue
        manifest = store.peek(digest)
        if manifest is None:
            found.damaged[digest] = "its manifest is missing or damaged"
            continue
        found.manifests[digest] = manifest
        for blob in manifest.blobs():
            found.blobs[blob.digest] = blob.size
            if store.blobs.size(blob.digest) != blob.size:
                found.damaged[digest] = f"{blob.title or 'its config'} is missing or cut"
        config = store.blobs.peek(manifest.config.digest)
        try:
            if config is None:
                raise errors.missing(manifest.config.digest, "config")
            waiting += oci.decode_config(config, manifest)[1].values()
        except errors.IntegrityError as exc:
            found.damaged[digest] = exc.what
    return found
