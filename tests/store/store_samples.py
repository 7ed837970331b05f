"""What the store's tests put into a workspace."""

from __future__ import annotations

from r2s.core.canonical import digest_json
from r2s.store import Store


def key_of(text: str) -> str:
    return digest_json({"key": text})


def fill(store: Store) -> tuple[str, str]:
    files = {"points.bin": bytes(range(256)) * 8, "notes/a.txt": b"a"}
    scan = store.put("scan", {"points": 2048}, files, inputs={}, stage={"name": "scan"})
    store.put_run(key_of("scan"), {"stage": "scan", "output": scan})
    store.set_ref("scan/lab", scan, "scan")
    made = store.put(
        "reconstruction", {"objects": 1}, {"m.obj": b"v 0 0 0"}, inputs={"scan": scan}, stage={}
    )
    store.put_run(key_of("reconstruct"), {"stage": "reconstruct", "output": made})
    store.set_ref("reconstruction/lab", made, "reconstruct")
    store.set_current("lab")
    store.checkpoint(key_of("train")).save(1, {"params": b"p" * 300})
    return scan, made
