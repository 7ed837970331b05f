"""The workspace `.r2s/`: a content-addressed store that any kill, flip or full disk leaves readable.

It is an OCI image layout, so registries are remotes and `skopeo` reads it. Knows no robotics: an
artifact is a kind, a JSON config, named files and the digests of its inputs.

Reading order: `names` (what may be called what), `records` (JSON that proves itself), `oci`
(manifests), `fs` (the only module that touches the disk), `locks`, `blobs`, `refs`, `runs`,
`checkpoints`, `workspace` (the folder and its fixed files), `store` (the facade: use this one),
`select` (selectors), `closure`, `gc` and `trash`, `fsck` and `repair`, `transfer` and `tar`.

Invariants, tested after a crash at every file-system call:
    I1  a manifest names only durable blobs.        I5  removal goes ref, run, manifest, blob.
    I2  a run names only durable manifests.         I6  any prefix of a commit is invisible.
    I3  a ref names only an existing manifest.      I7  a killed process leaves nothing that needs
    I4  nothing in `blobs/` is changed in place.        a human: no unlock, no clean-up command.
"""

from __future__ import annotations

from r2s.store.names import slug
from r2s.store.oci import Stored
from r2s.store.store import Store
from r2s.store.workspace import find_workspace, is_workspace

__all__ = ["Store", "Stored", "find_workspace", "is_workspace", "slug"]
