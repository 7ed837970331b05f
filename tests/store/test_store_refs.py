"""Laws of names: refs, their history, selectors, runs, checkpoints."""

from __future__ import annotations

import time

import pytest
from store_samples import fill, key_of

from r2s.core.errors import IntegrityError, R2SError, UsageError


def put(store, text: str, kind: str = "scan") -> str:
    return store.put(kind, {"text": text}, {}, inputs={}, stage={})


def test_a_ref_is_what_it_was_set_to_last(store):
    a, b = put(store, "a"), put(store, "b")
    for digest in (a, b, b, a):
        store.set_ref("scan/lab", digest, "why")
        assert store.ref("scan/lab") == digest
    assert [(e.number, e.digest) for e in store.reflog("scan/lab")] == [(3, a), (2, b), (1, a)]


def test_unknown_refs_are_none_and_removed_refs_keep_their_history(store):
    assert store.ref("scan/lab") is None
    store.set_ref("scan/lab", put(store, "a"), "")
    store.delete_ref("scan/lab")
    assert store.ref("scan/lab") is None and store.refs() == {}
    assert store.resolve("scan/lab@1") == put(store, "a")
    with pytest.raises(R2SError, match="no artifact called"):
        store.delete_ref("scan/lab")


def test_an_unknown_name_is_answered_with_those_near_it(store):
    store.set_ref("scan/lab", put(store, "a"), "")
    for wrong in ("lab", "scan/lob"):
        with pytest.raises(R2SError) as caught:
            store.resolve(wrong)
        assert caught.value.remedy == "r2s show scan/lab"
    with pytest.raises(R2SError, match="no artifact called") as caught:
        store.resolve("xxxx")
    assert "scan/lab" in caught.value.why


def test_a_ref_needs_its_artifact(store):
    with pytest.raises(IntegrityError):
        store.set_ref("scan/lab", "sha256:" + "0" * 64, "")
    assert store.refs() == {}


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "a/../b",
        "",
        "/a",
        "a/",
        "a//b",
        "a\nb",
        "a\x1b[2J",
        "ü",
        "a:b",
        "a@1",
        "a" * 300,
        "a b",
    ],
)
def test_bad_names_are_refused_with_one_that_would_do(lab, name):
    with pytest.raises(UsageError) as caught:
        lab.set_ref(name, lab.ref("scan/lab"), "")
    assert caught.value.code == "R2S-STORE-020"
    lab.set_ref(caught.value.remedy.removeprefix("--name "), lab.ref("scan/lab"), "")
    with pytest.raises(UsageError):
        lab.set_current(name)


def test_a_name_cannot_be_the_folder_of_another(lab):
    for name in ("scan", "scan/lab/deeper"):
        with pytest.raises(UsageError) as caught:
            lab.set_ref(name, lab.ref("scan/lab"), "")
        assert caught.value.code == "R2S-STORE-024"
    assert lab.fsck() == []


def test_selectors_mean_one_artifact(lab):
    first, made = lab.ref("scan/lab"), lab.ref("reconstruction/lab")
    second = put(lab, "second")
    lab.set_ref("scan/lab", second, "again")
    assert lab.resolve("scan/lab") == second
    assert lab.resolve("scan") == second  # under the current name
    assert lab.resolve("scan@1") == lab.resolve("scan/lab@1") == lab.resolve("scan/lab@-1") == first
    assert (
        lab.resolve(made) == lab.resolve(made[7:20]) == lab.resolve("sha256:" + made[7:20]) == made
    )
    assert lab.resolve("latest:scan") == first  # the newest run, not the newest ref
    assert lab.resolve("latest:reconstruction") == made


@pytest.mark.parametrize(
    ("selector", "code"),
    [
        ("scan/labb", "021"), ("policy", "021"), ("latest:policy", "021"), ("latest:", "021"),
        ("scan/lab@7", "023"), ("scan/lab@-3", "023"), ("a/../b", "020"), ("0000000000", "021"),
        ("scan/lab@99999999999", "020"), ("", "020"), ("sha256:", "020"), ("@1", "020"),
    ],
)  # fmt: skip
def test_selectors_that_mean_nothing_say_why(lab, selector, code):
    with pytest.raises(R2SError) as caught:
        lab.resolve(selector)
    assert caught.value.code == f"R2S-STORE-{code}"
    assert caught.value.remedy


def test_an_ambiguous_prefix_lists_the_candidates(store):
    seen: dict[str, str] = {}
    for number in range(2000):  # 16**4 prefixes: two meet after about 300
        digest = put(store, str(number))
        if digest[7:11] in seen:
            break
        seen[digest[7:11]] = digest
    store.set_ref("scan/lab", digest, "")
    with pytest.raises(UsageError) as caught:
        store.resolve(digest[7:11])
    assert caught.value.code == "R2S-STORE-022"
    assert "scan scan/lab" in caught.value.why and seen[digest[7:11]][7:19] in caught.value.why


def test_the_first_finished_attempt_stays_the_answer(store):
    a, b, key = put(store, "a"), put(store, "b"), key_of("k")
    assert store.get_run(key) is None
    assert store.put_run(key, {"output": None, "error": "R2S-X-001"}) == "first"
    assert store.get_run(key) is None
    assert store.put_run(key, {"output": a, "seconds": 1.5}) == "first"
    assert store.put_run(key, {"output": b}) == "attempt"
    assert store.put_run(key, {"output": a, "seconds": 9.0}) == "same"
    run = store.get_run(key)
    assert (run["output"], run["seconds"], run["attempts"], run["key"]) == (a, 1.5, 2, key)
    assert [attempt["output"] for attempt in store.attempts(key)] == [None, a, b]
    assert store.fsck() == []


def test_an_attempt_whose_output_is_gone_gives_way(store):
    a, b, key = put(store, "a"), put(store, "b"), key_of("k")
    store.put_run(key, {"output": a})
    store.put_run(key, {"output": b})
    store.blobs.path(a).unlink()
    assert store.get_run(key)["output"] == b


def test_runs_come_in_the_order_they_were_recorded_whatever_the_clock(store, monkeypatch):
    now = 2_000_000_000_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: now)
    a, b = put(store, "a"), put(store, "b")
    store.put_run(key_of("k"), {"output": a})
    now -= 10**12  # the clock was set back
    store.put_run(key_of("k"), {"output": b})
    assert [run["output"] for run in store.runs()] == [a, b]
    assert [run["output"] for run in store.runs(last=1)] == [b]
    assert store.get_run(key_of("k"))["output"] == a


def test_a_run_needs_its_output(store):
    with pytest.raises(IntegrityError):
        store.put_run(key_of("k"), {"output": "sha256:" + "0" * 64})
    assert list(store.runs()) == []


@pytest.mark.parametrize("record", [{"output": 5}, {"x": float("nan")}, {"x": object()}])
def test_a_run_record_must_be_canonical_json(store, record):
    with pytest.raises(R2SError):
        store.put_run(key_of("k"), record)
    assert store.fsck() == []


def test_checkpoints_give_back_the_newest(store):
    checkpoint = store.checkpoint(key_of("k"))
    assert checkpoint.latest() is None
    for step in (10, 20, 15):
        checkpoint.save(step, {"a": b"%d" % step, "b/c": b""})
        assert store.checkpoint(key_of("k")).latest() == (step, {"a": b"%d" % step, "b/c": b""})
    assert store.checkpoint(key_of("other")).latest() is None
    assert len(list((store.path / "checkpoints").glob("*/*"))) == 2
    checkpoint.clear()
    assert checkpoint.latest() is None and store.fsck() == []


@pytest.mark.parametrize("cut", [0, 1, 50, -1])
def test_a_torn_checkpoint_gives_way_to_the_one_before(store, cut):
    checkpoint = store.checkpoint(key_of("k"))
    for step in (1, 2, 3):
        checkpoint.save(step, {"a": b"a" * 500})
    newest = max((store.path / "checkpoints").glob("*/*"))
    newest.write_bytes(newest.read_bytes()[:cut])
    assert checkpoint.latest() == (2, {"a": b"a" * 500})
    checkpoint.save(4, {"a": b"b"})
    newest = max((store.path / "checkpoints").glob("*/*"))
    newest.write_bytes(b"")
    assert checkpoint.latest()[0] == 2


def test_the_current_name_survives(lab):
    assert lab.current == "lab"
    lab.set_current("kitchen-2")
    assert type(lab).open(lab.path).current == "kitchen-2"


def test_filling_twice_changes_nothing(lab):
    before = {path: path.read_bytes() for path in lab.path.rglob("*") if path.is_file()}
    fill(lab)
    same = {p: d for p, d in before.items() if not {"locks", "leases", "checkpoints"} & {*p.parts}}
    assert all(path.read_bytes() == data for path, data in same.items())
