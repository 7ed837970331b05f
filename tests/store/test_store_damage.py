"""The corruption matrix: every kind of file, every kind of damage, found; and repaired or named.

Not in the matrix: `locks/` and `leases/` (their bytes are never believed), and deleting what may be
deleted at any time without loss (`current`, a checkpoint, an empty ledger, what lies in the trash).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from store_samples import fill, key_of

from r2s.core.canonical import digest_json
from r2s.core.errors import R2SError
from r2s.store import Store
from r2s.store.records import seal

FUTURE_S = 4e9


def flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "flip": flip,
    "cut": lambda data: data[:-1],
    "extend": lambda data: data + b"\n",
    "zero": lambda data: bytes(len(data)),
}
GARBAGE = [b"", b"[" * 100_000, b'{"schema":1,"body":[],"check":{}}', b'{"manifests":[5,null,{}]}']


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    """A workspace that has every kind of file, in the trash too."""
    path = tmp_path_factory.mktemp("sample") / ".r2s"
    with Store.create(path) as store:
        dead = store.put("policy", {"dead": True}, {"w": b"w" * 40}, inputs={}, stage={})
        store.put_run(key_of("dead"), {"stage": "train", "output": dead})
        store.checkpoint(key_of("dead")).save(1, {"a": b"a" * 20})
        for number in range(3):
            newer = store.put("policy", {"number": number}, {}, inputs={}, stage={})
            store.put_run(key_of(f"newer{number}"), {"stage": "train", "output": newer})
    with Store.open(path) as store:
        assert store.gc(store.plan_gc(FUTURE_S)) is not None
        fill(store)
        assert store.fsck() == []
    return path


@pytest.fixture
def copy(sample: Path, memory: Path) -> Path:
    return Path(shutil.copytree(sample, memory / ".r2s"))


def every_file(root: Path) -> list[Path]:
    skipped = {"locks", "leases", "scratch", "quarantine"}
    files = (path.relative_to(root) for path in sorted(root.rglob("*")) if path.is_file())
    return [path for path in files if path.parts[0] not in skipped]


def one_by_one(root: Path, original: Path) -> Iterator[Path]:
    """Yield each file's place; afterwards everything is as it was."""
    for path in every_file(original):
        yield path
        shutil.rmtree(root)
        shutil.copytree(original, root)


def test_the_sample_has_every_kind_of_file(sample):
    tops = {path.parts[0] for path in every_file(sample)}
    assert tops >= {
        "blobs",
        "refs",
        "runs",
        "checkpoints",
        "trash",
        "current",
        "index.json",
        "format",
    }
    inside = {path.parts[2] for path in every_file(sample) if path.parts[0] == "trash"}
    assert inside == {"blobs", "runs", "checkpoints", "journal"}


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_to_every_file_is_found_and_harmless(copy, sample, damage):
    for path in one_by_one(copy, sample):
        good = (copy / path).read_bytes()
        (copy / path).write_bytes(DAMAGES[damage](good) if good else b"not empty")
        with Store.open(copy, damaged=True) as store:
            found = [finding.path for finding in store.fsck()]
            assert path.as_posix() in found, f"{damage} of {path}: {found}"
            use(store)


def test_every_vanished_file_is_found(copy, sample):
    harmless = {"current", "checkpoints"}
    for path in one_by_one(copy, sample):
        (copy / path).unlink()
        with Store.open(copy, damaged=True) as store:
            found = [finding.path for finding in store.fsck()]
            in_trash = path.parts[0] == "trash" and path.parts[2] != "journal"
            empty_ledger = b'"files":[]' in (sample / path).read_bytes()
            if path.parts[0] not in harmless and not in_trash and not empty_ledger:
                assert path.as_posix() in found, f"{path}: {found}"
            use(store)


def test_every_two_swapped_files_of_a_kind_are_found(copy, sample):
    files = every_file(sample)
    for first, second in pairwise(files):
        if (
            first.parts[0] != second.parts[0]
            or (sample / first).read_bytes() == (sample / second).read_bytes()
        ):
            continue
        a, b = (copy / first).read_bytes(), (copy / second).read_bytes()
        (copy / first).write_bytes(b)
        (copy / second).write_bytes(a)
        with Store.open(copy, damaged=True) as store:
            found = {finding.path for finding in store.fsck()}
            assert {first.as_posix(), second.as_posix()} <= found, f"{first} {second}: {found}"
        (copy / first).write_bytes(a)
        (copy / second).write_bytes(b)


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda data: repr(data[:12]))
def test_garbage_in_any_file_gives_an_error_or_nothing_never_a_traceback(copy, sample, garbage):
    for path in one_by_one(copy, sample):
        if path.parts[0] == "blobs":
            continue  # caught by the digest before anything parses it
        (copy / path).write_bytes(garbage)
        with Store.open(copy, damaged=True) as store:
            assert path.as_posix() in {finding.path for finding in store.fsck()}
            use(store)


@pytest.mark.parametrize("place", ["current", "refs/scan/lab", "ledger", "trash"])
@pytest.mark.parametrize(
    "body", [{}, {"name": 5, "log": {}, "files": [5]}, {"name": "scan/lab", "log": [1]}]
)
def test_a_hostile_record_with_a_right_check_is_no_traceback(copy, place, body):
    schemas = {
        "current": "r2s.current/1", "refs/scan/lab": "r2s.ref/1", "ledger": "r2s.run-ledger/1",
        "trash": "r2s.trash/1",
    }  # fmt: skip
    patterns = {"trash": "trash/*/journal", "ledger": "runs/*/ledger"}
    path = next(copy.glob(patterns.get(place, place)))
    path.write_bytes(seal(schemas[place], body))
    with Store.open(copy) as store:
        assert path.relative_to(copy).as_posix() in {finding.path for finding in store.fsck()}
        use(store)


@pytest.mark.parametrize(
    "files", [[5], [{"name": 1}], [{"name": "a", "size": -1, "digest": ""}], {}]
)
def test_a_hostile_checkpoint_header_is_no_traceback(copy, files):
    path = next(path for path in (copy / "checkpoints").glob("*/*"))
    header = {"key": path.parent.name, "number": path.name, "step": 1, "files": files}
    path.write_bytes(seal("r2s.checkpoint/1", header))
    with Store.open(copy) as store:
        assert path.relative_to(copy).as_posix() in {finding.path for finding in store.fsck()}
        use(store)


def test_strangers_are_named(copy):
    for place in (
        "notes.txt",
        "blobs/x",
        "blobs/sha256/short",
        "refs/a b",
        "runs/zz",
        "locks/me",
        "trash/y",
    ):
        (copy / place).write_text("hello")
    (copy / "blobs" / "sha256" / ("f" * 64)).symlink_to("/etc/hostname")
    with Store.open(copy) as store:
        problems = {finding.path: finding.problem for finding in store.fsck()}
    for place in (
        "notes.txt",
        "blobs/x",
        "blobs/sha256/short",
        "refs/a b",
        "runs/zz",
        "locks/me",
        "trash/y",
    ):
        assert problems[place] == "foreign"
    assert "blobs/sha256/" + "f" * 64 in problems


def use(store: Store) -> None:
    """Every command works or fails with a code and a remedy; what it returns was verified."""
    scan = store.blobs.path("sha256:" + "0" * 64).parent
    assert scan.is_dir()
    commands: list[Callable[[], object]] = [
        store.refs, lambda: store.current, lambda: list(store.runs()),
        lambda: store.resolve("scan"), lambda: store.resolve("latest:scan"),
        lambda: store.resolve("scan@1"), lambda: store.reflog("scan/lab"),
        lambda: store.get_run(key_of("scan")), lambda: store.plan_gc(FUTURE_S),
        lambda: store.checkpoint(key_of("train")).latest(), lambda: read_all(store),
        lambda: store.set_ref("scan/other", store.resolve("scan/lab"), ""),
        lambda: store.put_run(key_of("use"), {"output": store.resolve("scan/lab")}),
        lambda: store.set_current("other"), lambda: store.undo_gc(),
    ]  # fmt: skip
    for command in commands:
        try:
            command()
        except R2SError as error:
            assert error.code.startswith("R2S-STORE-") and error.remedy, str(error)


def read_all(store: Store) -> None:
    stored = store.get(store.resolve("scan/lab"))
    assert stored.config == {"points": 2048}
    assert dict(stored.files) == {"points.bin": bytes(range(256)) * 8, "notes/a.txt": b"a"}


# Repair --------------------------------------------------------------------------------------------


def remake(store: Store) -> Callable:
    """Make again what `fill` made, by the name of its stage."""

    def rerun(broken) -> None:
        assert broken.key == digest_json({"key": broken.stage})
        files = {"points.bin": bytes(range(256)) * 8, "notes/a.txt": b"a"}
        scan = store.put("scan", {"points": 2048}, files, inputs={}, stage={"name": "scan"})
        if broken.stage == "reconstruct":
            files = {"m.obj": b"v 0 0 0"}
            store.put("reconstruction", {"objects": 1}, files, inputs={"scan": scan}, stage={})

    return rerun


@pytest.mark.parametrize("damage", ["flip", "delete"])
def test_repair_mends_any_single_damage(copy, sample, damage):
    with Store.open(sample) as store:
        wanted = store.refs()
    for path in one_by_one(copy, sample):
        if damage == "delete":
            (copy / path).unlink()
        else:
            good = (copy / path).read_bytes()
            (copy / path).write_bytes(DAMAGES[damage](good) if good else b"not empty")
        with Store.open(copy, damaged=True) as store:
            report = store.repair(remake(store))
            assert store.fsck() == [], f"{damage} of {path}"
            assert store.refs() == wanted, f"{damage} of {path}: {report}"
            assert report.lost == []
            read_all(store)


def test_repair_without_a_stage_says_which_to_run(copy):
    with Store.open(copy) as store:
        store.blobs.path(store.ref("scan/lab")).unlink()
        report = store.repair()
    assert any("scan/lab" in text and "stage scan" in text for text in report.lost)


def test_repair_gives_up_a_name_only_when_nothing_tells_what_it_was(copy):
    (copy / "refs/scan/lab").write_bytes(b"x")
    (copy / "index.json").unlink()
    with Store.open(copy) as store:
        report = store.repair(remake(store))
        assert "scan/lab" in report.lost[0]
        assert store.fsck() == [] and set(store.refs()) == {"reconstruction/lab"}


def test_a_damaged_name_stays_listed_while_other_names_move(copy):
    (copy / "refs/scan/lab").write_bytes(b"x")
    with Store.open(copy) as store:
        store.set_ref("reconstruction/b", store.ref("reconstruction/lab"), "")
        report = store.repair(remake(store))
        assert report.lost == [] and "scan/lab" in store.refs()


def test_a_stage_that_gives_other_bytes_is_reported(copy):
    with Store.open(copy) as store:
        store.blobs.path(store.ref("scan/lab")).unlink()
        report = store.repair(lambda broken: None)
    assert "gave other bytes" in report.lost[0]
