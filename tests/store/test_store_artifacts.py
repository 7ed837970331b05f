"""Laws of put and get: what comes out is what went in, or an error; never something else."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from r2s.core.errors import IntegrityError, R2SError, ResourceError, UsageError
from r2s.store import Store, find_workspace, fs, slug
from r2s.store.names import is_name


def put(store: Store, files: dict[str, bytes], **config) -> str:
    return store.put("scan", config, files, inputs={}, stage={"name": "scan", "version": 1})


def blob_paths(store: Store) -> list[Path]:
    return sorted((store.path / "blobs" / "sha256").iterdir())


def test_what_goes_in_comes_out(store):
    files = {"a.bin": b"\0\xff" * 999, "deep/er/b": b"", "c": b"c"}
    stored = store.get(put(store, files, unit="m", none=None, deep={"x": [1, 2.5]}))
    assert (stored.kind, stored.config) == (
        "scan",
        {"unit": "m", "none": None, "deep": {"x": [1, 2.5]}},
    )
    assert dict(stored.files) == files
    assert dict(stored.sizes) == {name: len(data) for name, data in files.items()}
    assert stored.stage == {"name": "scan", "version": 1}


def test_equal_content_has_one_digest_whatever_the_order(store):
    assert put(store, {"a": b"1", "b": b"2"}, x=1, y=2) == put(
        store, {"b": b"2", "a": b"1"}, y=2, x=1
    )


def test_any_difference_changes_the_digest(store):
    base = put(store, {"a": b"1"}, x=1)
    assert (
        len(
            {
                base,
                put(store, {"a": b"2"}, x=1),
                put(store, {"b": b"1"}, x=1),
                put(store, {"a": b"1"}),
            }
        )
        == 4
    )


def test_an_artifact_without_files_round_trips(store):
    assert dict(store.get(put(store, {})).files) == {}


def test_the_same_bytes_under_two_names_are_stored_once(store):
    put(store, {"a": b"same" * 100, "b": b"same" * 100})
    assert sum(path.read_bytes() == b"same" * 100 for path in blob_paths(store)) == 1


def test_the_folder_is_an_oci_image_layout(lab):
    assert json.loads((lab.path / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((lab.path / "index.json").read_bytes())
    named = {e["annotations"]["org.opencontainers.image.ref.name"]: e for e in index["manifests"]}
    assert set(named) == {"scan/lab", "reconstruction/lab"}
    manifest = json.loads(
        (lab.path / "blobs/sha256" / named["scan/lab"]["digest"][7:]).read_bytes()
    )
    assert manifest["artifactType"] == "application/vnd.r2s.scan.v1"
    titles = [x["annotations"]["org.opencontainers.image.title"] for x in manifest["layers"]]
    assert titles == ["notes/a.txt", "points.bin"]


@pytest.mark.parametrize("change", ["flip", "cut", "extend", "zero"])
def test_changed_bytes_are_refused_then_healed_by_the_same_put(store, change):
    files = {"a.bin": b"precious" * 50}
    digest = put(store, files)
    path = next(path for path in blob_paths(store) if path.read_bytes() == files["a.bin"])
    good = path.read_bytes()
    path.write_bytes(
        {
            "flip": b"q" + good[1:],
            "cut": good[:-1],
            "extend": good + b"x",
            "zero": bytes(len(good)),
        }[change]
    )
    with pytest.raises(IntegrityError) as caught:
        store.get(digest).files["a.bin"]
    assert caught.value.code == "R2S-STORE-010"
    assert "a.bin of scan" in caught.value.where
    assert not store.has(digest)
    assert put(store, files) == digest
    assert store.get(digest).files["a.bin"] == good
    assert len(list((store.path / "quarantine").iterdir())) == 1


def test_a_put_over_a_corrupt_blob_heals_without_a_read_before(store):
    digest = put(store, {"a.bin": b"precious" * 50})
    for path in blob_paths(store):
        path.write_bytes(path.read_bytes()[::-1])
    assert put(store, {"a.bin": b"precious" * 50}) == digest
    assert store.get(digest).files["a.bin"] == b"precious" * 50


def test_a_change_after_a_verified_read_is_seen(store, monkeypatch):
    monkeypatch.setattr(fs, "SETTLED_NS", 0)  # believe time stamps at once: the memo is in use
    digest = put(store, {"a.bin": b"12345678"})
    path = next(path for path in blob_paths(store) if path.read_bytes() == b"12345678")
    time.sleep(0.02)
    assert store.get(digest).files["a.bin"] == b"12345678"
    stat = path.stat()
    path.write_bytes(b"12345679")
    import os

    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # a forged mtime proves nothing
    with pytest.raises(IntegrityError):
        store.get(digest).files["a.bin"]


def test_a_link_in_place_of_a_blob_is_not_followed(store, memory):
    digest = put(store, {"a.bin": b"precious"})
    path = next(path for path in blob_paths(store) if path.read_bytes() == b"precious")
    (memory / "same").write_bytes(b"precious")
    path.unlink()
    path.symlink_to(memory / "same")
    with pytest.raises(IntegrityError, match="not in the workspace"):
        store.get(digest).files["a.bin"]


def test_an_input_must_be_in_the_store(store):
    with pytest.raises(IntegrityError) as caught:
        store.put("scene", {}, {}, inputs={"scan": "sha256:" + "0" * 64}, stage={})
    assert caught.value.code == "R2S-STORE-011"


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a//b", "", "a/./b", "a\nb", "a\\b", "x" * 300, "e\u0301"]
)
def test_unsafe_file_names_are_refused(store, name):
    with pytest.raises(R2SError) as caught:
        put(store, {name: b""})
    assert caught.value.code == "R2S-STORE-014"


@pytest.mark.parametrize("value", [float("nan"), {1: 2}, object(), b"bytes"])
def test_what_has_no_canonical_json_is_refused(store, value):
    with pytest.raises(R2SError) as caught:
        put(store, {}, value=value)
    assert caught.value.code == "R2S-STORE-014"


def test_export_writes_copies(lab, memory):
    digest = lab.ref("scan/lab")
    written = lab.export(digest, memory / "out")
    assert {p.relative_to(memory / "out").as_posix() for p in written} == {
        "points.bin",
        "notes/a.txt",
    }
    (memory / "out" / "points.bin").write_bytes(b"changed")
    assert lab.get(digest).files["points.bin"] == bytes(range(256)) * 8


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("call", range(1, 14, 3))
def test_a_full_disk_says_how_much_is_missing_and_harms_nothing(lab, monkeypatch, code, call):
    calls = 0

    def fill_up(operation: str, path: str) -> None:
        nonlocal calls
        if operation in ("write", "create", "rename", "fsync"):
            calls += 1
            if calls >= call:
                raise OSError(code, "No space left on device")

    monkeypatch.setattr(fs, "HOOK", fill_up)
    with pytest.raises(ResourceError) as caught:
        put(lab, {"big": b"b" * 5000, "other": b"c"}, new=True)
    monkeypatch.setattr(fs, "HOOK", None)
    assert caught.value.code == "R2S-STORE-040"
    assert "r2s gc" in caught.value.remedy
    assert lab.fsck() == []
    assert dict(lab.get(put(lab, {"big": b"b" * 5000})).files) == {"big": b"b" * 5000}


def test_every_call_that_fails_gives_an_error_with_a_remedy(lab, monkeypatch):
    """EIO at the k-th call, for every k: an R2SError or success, and the old artifacts stay."""
    k = 0
    while True:
        k += 1
        left = [k]

        def fail(operation: str, path: str, left=left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(fs, "HOOK", fail)
        try:
            put(lab, {"new": b"n" * 10}, round=k)
        except R2SError as error:
            assert error.remedy
        monkeypatch.setattr(fs, "HOOK", None)
        if left[0] > 0:
            break
    assert k > 10
    assert lab.fsck() == []
    assert lab.get(lab.ref("scan/lab")).files["notes/a.txt"] == b"a"


def test_workspace_is_found_upwards_or_named(store, memory):
    inner = memory / "a" / "b"
    inner.mkdir(parents=True)
    assert find_workspace(inner, None, {}) == store.path
    assert find_workspace(inner, Path("elsewhere"), {}) == inner / "elsewhere" / ".r2s"
    assert find_workspace(inner, None, {"R2S_WORKSPACE": str(memory)}) == store.path
    assert find_workspace(Path("/"), None, {}) is None


def test_a_newer_format_is_refused_with_the_way_out(store):
    (store.path / "format").write_text("r2s-workspace 2\n")
    with pytest.raises(R2SError) as caught:
        Store.open(store.path)
    assert (caught.value.code, "upgrade" in caught.value.remedy) == ("R2S-STORE-002", True)


def test_open_says_where_there_is_no_workspace(memory):
    with pytest.raises(R2SError) as caught:
        Store.open(memory / ".r2s")
    assert caught.value.code == "R2S-STORE-001"


def test_create_refuses_a_folder_with_other_things(memory):
    (memory / ".r2s").mkdir()
    (memory / ".r2s" / "thesis.tex").write_text("")
    with pytest.raises(UsageError) as caught:
        Store.create(memory / ".r2s")
    assert caught.value.code == "R2S-STORE-004"


def test_create_twice_opens(lab):
    assert Store.create(lab.path).refs() == lab.refs()


def test_a_moved_workspace_works(lab, memory):
    lab.close()
    lab.path.rename(memory / "moved")
    with Store.open(memory / "moved") as moved:
        assert moved.fsck() == []


@pytest.mark.parametrize(
    "text", ["Küche (neu).e57", "", "..", "a__b", "-x-", "a" * 500, "房间", "a/../b"]
)
def test_slug_is_always_a_name(text):
    assert is_name(slug(text))


def test_importing_the_store_loads_only_the_standard_library_and_core():
    code = (
        "import sys; before = set(sys.modules); import r2s.store;"
        "new = {m for m in sys.modules if m not in before};"
        "bad = {m for m in new if m.split('.')[0] not in sys.stdlib_module_names"
        " and not m.startswith(('r2s.core', 'r2s.store')) and m != 'r2s'};"
        "heavy = new & {'asyncio', 'subprocess', 'tarfile', 'zipfile', 'ctypes', 'tempfile', 'shutil'};"
        "print(sorted(bad | heavy))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
