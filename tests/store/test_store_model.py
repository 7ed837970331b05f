"""The store against a dictionary: any sequence of commands, any damage, one truth."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from store_samples import key_of

from r2s.store import Store
from r2s.store.gc import Keep

NOTHING = Keep(reflog_s=0, young_s=0, runs=0, checkpoints_s=0)
NAMES = st.sampled_from(["scan/a", "scan/b", "policy/a"])
TEXTS = st.sampled_from(["x", "y", "z"])


class StoreMachine(RuleBasedStateMachine):
    """`names` is what every name must be; `content` what every digest must hold."""

    @initialize()
    def start(self) -> None:
        shm = Path("/dev/shm")
        self.folder = Path(tempfile.mkdtemp(dir=shm if shm.is_dir() else None))
        self.store = Store.create(self.folder / ".r2s")
        self.names: dict[str, str] = {}
        self.content: dict[str, str] = {}
        self.far_s = time.time() + 60 * 86_400.0

    @rule(name=NAMES, text=TEXTS, base=NAMES)
    def put(self, name: str, text: str, base: str) -> None:
        inputs = {"base": self.names[base]} if base in self.names else {}
        digest = self.store.put(
            "scan", {"text": text}, {"f": text.encode()}, inputs=inputs, stage={}
        )
        self.content[digest] = text
        self.store.put_run(key_of(digest), {"stage": "scan", "output": digest})
        self.store.set_ref(name, digest, "")
        self.names[name] = digest

    @rule(text=TEXTS)
    def put_unnamed(self, text: str) -> None:
        self.store.put("scan", {"unnamed": text}, {"f": text.encode()}, inputs={}, stage={})

    @precondition(lambda self: self.names)
    @rule(data=st.data())
    def delete(self, data) -> None:
        name = data.draw(st.sampled_from(sorted(self.names)))
        self.store.delete_ref(name)
        del self.names[name]

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = Store.open(self.store.path)

    @rule(leave=st.booleans())
    def collect(self, leave: bool) -> None:
        if leave:
            self.reopen()
        self.store.gc(self.store.plan_gc(self.far_s, NOTHING))
        self.far_s += 1

    @rule()
    def collect_and_undo(self) -> None:
        self.reopen()
        before = sorted(self.store.blobs), list(self.store.runs())
        if self.store.gc(self.store.plan_gc(self.far_s, NOTHING)):
            assert self.store.undo_gc() == []
        assert (sorted(self.store.blobs), list(self.store.runs())) == before
        self.far_s += 1

    @precondition(lambda self: self.names)
    @rule(seed=st.integers(0, 99), data=st.data())
    def damage_and_put_again(self, seed: int, data) -> None:
        name = data.draw(st.sampled_from(sorted(self.names)))
        stored = self.store.get(self.names[name])
        paths = [
            self.store.blobs.path(blob.digest)
            for blob in self.store.manifest(stored.digest).blobs()
        ]
        path = random.Random(seed).choice([*paths, self.store.blobs.path(stored.digest)])
        path.write_bytes(path.read_bytes()[:-1] + b"\xff")
        assert self.store.fsck() != []
        files = {"f": stored.config["text"].encode()}
        again = self.store.put("scan", stored.config, files, inputs=stored.inputs, stage={})
        assert again == stored.digest

    @precondition(lambda self: self.names)
    @rule(data=st.data())
    def pack_and_unpack(self, data) -> None:
        name = data.draw(st.sampled_from(sorted(self.names)))
        file = self.folder / "package.tar"
        self.store.pack([self.names[name]], file)
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            other = Store.create(Path(folder) / ".r2s")
            assert other.unpack(file)[0].digest == self.names[name]
            assert other.fsck() == []
            other.close()

    @invariant()
    def names_hold_what_they_were_given(self) -> None:
        if not hasattr(self, "store"):
            return
        assert self.store.refs() == self.names
        for digest in self.names.values():
            stored = self.store.get(digest)
            assert stored.files["f"].decode() == stored.config["text"] == self.content[digest]
            for made_from in stored.inputs.values():
                assert self.store.get(made_from).files["f"]

    @invariant()
    def nothing_is_wrong(self) -> None:
        if hasattr(self, "store"):
            assert self.store.fsck() == []

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder, ignore_errors=True)


StoreMachine.TestCase.settings = settings(
    max_examples=25, stateful_step_count=12, deadline=None, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
TestStoreModel = StoreMachine.TestCase
