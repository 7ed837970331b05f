"""Packages: complete, the same bytes each time, and refused as a whole when anything is wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import pytest
from store_samples import fill

from r2s.core.canonical import digest_bytes
from r2s.core.errors import IntegrityError, R2SError, UnsafeInput, UsageError
from r2s.store import Store
from r2s.store.transfer import Limits


@pytest.fixture
def package(lab: Store, memory: Path) -> Path:
    lab.pack([lab.ref("reconstruction/lab")], memory / "lab.tar")
    return memory / "lab.tar"


@pytest.fixture
def other(memory: Path):
    with Store.create(memory / "other" / ".r2s") as store:
        yield store


def members(package: Path) -> dict[str, bytes]:
    with tarfile.open(package) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar.getmembers()}


def write(path: Path, files: dict[str, bytes], **special: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, BytesIO(data))
        for info in special.values():
            tar.addfile(info)
    return path


def untouched(store: Store) -> bool:
    return store.refs() == {} and list(store.blobs) == [] and store.fsck() == []


def test_a_package_brings_the_artifact_and_all_it_was_made_from(lab, other, package):
    (arrived,) = other.unpack(package)
    assert arrived.name == "imported/lab/reconstruction/lab"
    made = other.get(other.resolve(arrived.name))
    assert made.digest == lab.ref("reconstruction/lab")
    assert made.files["m.obj"] == b"v 0 0 0"
    assert other.get(made.inputs["scan"]).files["notes/a.txt"] == b"a"
    assert other.fsck() == []


def test_the_same_artifacts_make_the_same_package(lab, memory, package):
    lab.set_current("elsewhere")
    lab.pack([lab.ref("reconstruction/lab")], memory / "again.tar")
    assert package.read_bytes() == (memory / "again.tar").read_bytes()


def test_the_package_is_a_plain_tar_of_an_oci_layout(lab, package):
    files = members(package)
    assert list(files)[:2] == ["oci-layout", "index.json"]
    assert all(digest_bytes(d)[7:] == n[13:] for n, d in files.items() if n.startswith("blobs/"))
    names = [e["annotations"] for e in json.loads(files["index.json"])["manifests"]]
    assert names == [{"org.opencontainers.image.ref.name": "reconstruction/lab"}]


def test_unpacking_twice_changes_nothing(other, package):
    first = other.unpack(package)
    before = sorted(other.blobs), other.refs()
    assert other.unpack(package) == first
    assert (sorted(other.blobs), other.refs()) == before


def test_what_is_damaged_does_not_leave(lab, memory):
    lab.blobs.path(lab.ref("scan/lab")).unlink()
    with pytest.raises(IntegrityError) as caught:
        lab.pack([lab.ref("reconstruction/lab")], memory / "x.tar")
    assert caught.value.code == "R2S-STORE-054"
    assert not (memory / "x.tar").exists()


def test_every_flipped_byte_of_a_package_is_refused_or_harmless(other, package, memory):
    """Every 97th byte: either all arrives with the right digest, or nothing does."""
    good, right = package.read_bytes(), None
    for position in range(0, len(good), 97):
        bad = bytearray(good)
        bad[position] ^= 0x41
        (memory / "bad.tar").write_bytes(bad)
        try:
            arrived = other.unpack(memory / "bad.tar", "bad")
        except R2SError as error:
            assert error.code in ("R2S-STORE-050", "R2S-STORE-020"), str(error)
            assert untouched(other) or right
        else:
            right = arrived[0].digest if right is None else right
            assert arrived[0].digest == right
            other.delete_ref(arrived[0].name)
    assert other.fsck() == []


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_cut_package_is_refused(other, package, memory, share):
    data = package.read_bytes()
    (memory / "cut.tar").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(UnsafeInput):
        other.unpack(memory / "cut.tar")
    assert untouched(other)


def hostile_packages(files: dict[str, bytes]) -> dict[str, tuple[dict[str, bytes], dict]]:
    link, device = tarfile.TarInfo("blobs/sha256/" + "a" * 64), tarfile.TarInfo("zero")
    link.type, link.linkname, device.type = tarfile.SYMTYPE, "/etc/passwd", tarfile.CHRTYPE
    index = json.loads(files["index.json"])
    named = index["manifests"][0]["digest"]
    manifest = files["blobs/sha256/" + named[7:]]
    blobs = {n: d for n, d in files.items() if n.startswith("blobs/")}
    image = json.dumps({"schemaVersion": 2, "config": {}, "layers": []}).encode()
    pointed = digest_bytes(image)

    def with_index(**fields: object) -> dict[str, bytes]:
        return {**files, "index.json": json.dumps({**index, **fields}).encode()}

    def entry(**fields: object) -> dict[str, bytes]:
        return with_index(manifests=[{**index["manifests"][0], **fields}])

    def swapped(change) -> dict[str, bytes]:
        """The manifest changed, under its new right digest."""
        data = json.dumps(change(json.loads(manifest))).encode()
        target = [{**index["manifests"][0], "digest": digest_bytes(data), "size": len(data)}]
        return {**with_index(manifests=target), f"blobs/sha256/{digest_bytes(data)[7:]}": data}

    def title(name: str) -> dict[str, bytes]:
        def change(content: dict) -> dict:
            content["layers"][0]["annotations"]["org.opencontainers.image.title"] = name
            return content

        return swapped(change)

    return {
        "no layout": ({n: d for n, d in files.items() if n != "oci-layout"}, {}),
        "other layout": ({**files, "oci-layout": b'{"imageLayoutVersion":"2.0.0"}'}, {}),
        "no index": ({n: d for n, d in files.items() if n != "index.json"}, {}),
        "empty index": (with_index(manifests=[]), {}),
        "index garbage": ({**files, "index.json": b"[" * 99_999}, {}),
        "index of strings": (with_index(manifests=["x"]), {}),
        "negative size": (entry(size=-1), {}),
        "wrong size": (swapped(lambda c: {**c, "config": {**c["config"], "size": 1}}), {}),
        "traversal": ({**files, "../../escaped": b"x"}, {}),
        "absolute": ({**files, "/tmp/escaped": b"x"}, {}),
        "blob traversal": ({**files, "blobs/sha256/../../x": b"x"}, {}),
        "stranger": ({**files, "setup.py": b"import os"}, {}),
        "wrong digest": ({**files, "blobs/sha256/" + "0" * 64: b"x"}, {}),
        "link": (files, {"link": link}),
        "device": (files, {"device": device}),
        "blob missing": ({n: d for n, d in files.items() if n != next(iter(blobs))}, {}),
        "not an r2s artifact": (
            {**entry(digest=pointed, size=len(image)), f"blobs/sha256/{pointed[7:]}": image},
            {},
        ),
        "unsafe title": (title("../../.bashrc"), {}),
        "title with escape": (title("a\x1b]0;x"), {}),
        "two files of one name": (swapped(lambda c: {**c, "layers": c["layers"] * 2}), {}),
        "other config": (swapped(lambda c: {**c, "artifactType": "application/vnd.r2s.policy.v1"}), {}),
    }  # fmt: skip


ATTACKS = (
    "no layout", "other layout", "no index", "empty index", "index garbage", "index of strings",
    "negative size", "wrong size", "traversal", "absolute", "blob traversal", "stranger", "wrong digest",
    "link", "device", "blob missing", "not an r2s artifact", "unsafe title", "title with escape",
    "two files of one name", "other config",
)  # fmt: skip


def test_every_attack_is_tried(package):
    assert set(ATTACKS) == set(hostile_packages(members(package)))


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_hostile_package_is_refused_as_a_whole(other, package, memory, attack):
    files, special = hostile_packages(members(package))[attack]
    bad = write(memory / "bad.tar", files, **special)
    with pytest.raises(UnsafeInput) as caught:
        other.unpack(bad)
    assert caught.value.exit_code == 7 and caught.value.remedy
    assert untouched(other)
    assert not (memory.parent / "escaped").exists() and not Path("/tmp/escaped").exists()


@pytest.mark.parametrize(
    "limits", [Limits(total_bytes=1000), Limits(members=3), Limits(json_bytes=20)]
)
def test_limits_stop_what_is_too_large(other, package, limits):
    with pytest.raises(UnsafeInput, match=r"more than|larger than"):
        other.unpack(package, limits=limits)
    assert untouched(other)


def test_a_header_that_lies_about_its_size_reads_no_further_than_the_file(other, package, memory):
    data = bytearray(package.read_bytes())
    data[124:136] = b"77777777777\0"
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    (memory / "bad.tar").write_bytes(data)
    with pytest.raises(UnsafeInput):
        other.unpack(memory / "bad.tar", limits=Limits(total_bytes=1 << 40))
    assert untouched(other)


def test_there_must_be_a_package(other, memory):
    with pytest.raises(R2SError) as caught:
        other.unpack(memory / "none.tar")
    assert caught.value.code == "R2S-STORE-044"


def test_push_and_pull_through_a_folder(lab, other, memory):
    layout = memory / "usb" / "stick"
    assert lab.push([lab.ref("scan/lab")], layout) == ["scan/lab"]
    assert lab.push([lab.ref("reconstruction/lab")], layout) == ["reconstruction/lab"]
    arrived = {each.name: each.digest for each in other.pull(layout)}
    assert arrived == {f"imported/stick/{name}": digest for name, digest in lab.refs().items()}
    assert other.fsck() == []


def test_a_second_push_replaces_the_name_and_keeps_other_tools_entries(lab, memory):
    layout = memory / "layout"
    lab.push([lab.ref("scan/lab")], layout)
    index = json.loads((layout / "index.json").read_bytes())
    index["manifests"].append({"mediaType": "x", "digest": "sha256:" + "1" * 64, "size": 1})
    (layout / "index.json").write_text(json.dumps(index))
    lab.set_ref("scan/lab", lab.put("scan", {}, {}, inputs={}, stage={}), "")
    lab.push([lab.ref("scan/lab")], layout)
    digests = [e["digest"] for e in json.loads((layout / "index.json").read_bytes())["manifests"]]
    assert digests == ["sha256:" + "1" * 64, lab.ref("scan/lab")]


def test_a_push_heals_a_damaged_blob_of_the_layout(lab, other, memory):
    layout = memory / "layout"
    lab.push([lab.ref("scan/lab")], layout)
    for path in (layout / "blobs" / "sha256").iterdir():
        path.write_bytes(b"x")
    with pytest.raises(UnsafeInput):
        other.pull(layout)
    lab.push([lab.ref("scan/lab")], layout)
    assert other.pull(layout)[0].digest == lab.ref("scan/lab")


def test_pull_from_a_workspace_works_and_push_into_one_is_refused(lab, other):
    assert len(other.pull(lab.path, "friend")) == 2
    with pytest.raises(UsageError) as caught:
        other.push([other.resolve("imported/friend/scan/lab")], lab.path)
    assert caught.value.code == "R2S-STORE-053"


def test_a_link_in_a_layout_is_not_followed(lab, other, memory):
    layout = memory / "layout"
    lab.push([lab.ref("scan/lab")], layout)
    for path in list((layout / "blobs" / "sha256").iterdir()):
        shutil.move(path, memory / path.name)
        os.symlink(memory / path.name, path)
    with pytest.raises(UnsafeInput):
        other.pull(layout)


needs_skopeo = pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")


@needs_skopeo
def test_skopeo_reads_and_copies_an_artifact_out_of_the_workspace(lab, memory):
    def skopeo(*words: str) -> bytes:
        run = subprocess.run(["skopeo", *words], cwd=memory, capture_output=True, check=True)
        return run.stdout

    scan = lab.ref("scan/lab")
    assert digest_bytes(skopeo("inspect", "--raw", "oci:.r2s:scan/lab")) == scan
    skopeo("--insecure-policy", "copy", "oci:.r2s:scan/lab", "dir:copied")
    assert (memory / "copied" / digest_bytes(b"a")[7:]).read_bytes() == b"a"
    lab.pack([scan], memory / "scan.tar")
    assert digest_bytes(skopeo("inspect", "--raw", "oci-archive:scan.tar:scan/lab")) == scan


@needs_skopeo
def test_what_skopeo_wrote_can_be_pulled(lab, other, memory):
    for target in ("oci:layout:scan/lab", "oci-archive:archive.tar:scan/lab"):
        copy = ["skopeo", "--insecure-policy", "copy", "oci:.r2s:scan/lab", target]
        subprocess.run(copy, cwd=memory, capture_output=True, check=True)
    assert other.pull(memory / "layout", "a")[0].digest == lab.ref("scan/lab")
    assert other.unpack(memory / "archive.tar", "b")[0].digest == lab.ref("scan/lab")


def test_filling_both_sides_gives_one_digest(lab, other):
    assert fill(other) == (lab.ref("scan/lab"), lab.ref("reconstruction/lab"))
