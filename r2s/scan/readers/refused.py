"""Formats that are not read, by name, each with the way around."""

from __future__ import annotations

from r2s.core.errors import R2SError

READABLE_TEXT = (
    "PCD, PLY, LAS, LAZ, E57, PTX, XYZ, PTS, CSV, GLB, OBJ, STL, PointCloud2 in ROS 1 bags, rosbag2 and "
    "MCAP, USDZ (with usd-core), Ouster PCAP and OSF (with ouster-sdk), "
    "Record3D (.r3d), one depth picture (16-bit PNG or PGM, with --intrinsics), and folders: TUM RGB-D, "
    "Redwood/Open3D, ScanNet, 7-Scenes, nerfstudio with depth, Polycam raw, Stray Scanner"
)
READABLE_NAMES = {
    "pcd",
    "ply",
    "glb",
    "obj",
    "stl",
    "las",
    "laz",
    "e57",
    "ptx",
    "xyz",
    "pts",
    "csv",
}

# format -> (what it is called, how to make something that is read)
_NOT_YET: dict[str, tuple[str, str]] = {
    "pcapng": ("a network capture of a LiDAR", "editcap -F pcap {file} capture.pcap"),
    "jpg": ("a JPEG picture", "fuse depth pictures into a cloud first: it needs intrinsics and poses"),
    "tiff": ("a TIFF picture", "fuse depth pictures into a cloud first: it needs intrinsics and poses"),
    "exr": ("an OpenEXR picture", "fuse depth pictures into a cloud first: it needs intrinsics and poses"),
    "gltf": ("a glTF in several files", "export it as one .glb file"),
    "fbx": ("an FBX mesh", "export it as GLB"),
    "dae": ("a COLLADA mesh", "export it as GLB"),
    "off": ("an OFF mesh", "export it as PLY"),
    "3mf": ("a 3MF package", "export it as STL"),
    "gz": ("a gzip file", "gunzip -k {file}"),
    "bz2": ("a bzip2 file", "bunzip2 -k {file}"),
    "xz": ("an xz file", "unxz -k {file}"),
    "zst": ("a zstd file", "unzstd {file}"),
    "zip": ("a zip archive", "unzip {file} -d capture, then name one file of it"),
    "tar": ("a tar archive", "tar xf {file}, then name one file of it"),
    "7z": ("a 7z archive", "7z x {file}, then name one file of it"),
    "rar": ("a rar archive", "unrar x {file}, then name one file of it"),
    "npz": ("a numpy archive", "save the points as PLY"),
    "npy": ("a numpy array", "save the points as PLY"),
    "hdf5": ("an HDF5 file", "save the points as PLY"),
    "robot": ("a robot or scene description", "r2s build-scene --robot {file}"),
    "xml": ("an XML file", "name the scan's own file"),
    "json": ("a JSON file", "name the scan's own file"),
    "pdf": ("a PDF", "name the scan's own file"),
    "elf": ("a program", "name the scan's own file"),
}  # fmt: skip


def refusal(kind: str, *, where: str, suffix: str = "", inside: str = "") -> R2SError:
    """Return the error for a file of format `kind` that r2s does not read. inside: what gzip holds."""
    if kind not in _NOT_YET:
        return R2SError(
            "R2S-SCAN-001",
            "the bytes of this file are of no format r2s knows",
            where=where,
            why=f"readable captures are {READABLE_TEXT}; the suffix {suffix or '(none)'} is not "
            "looked at, only the bytes are",
            remedy=f"file '{where}'",
        )
    name, remedy = _NOT_YET[kind]
    if inside not in ("", "gz"):
        name += f" that holds {_NOT_YET[inside][0] if inside in _NOT_YET else inside.upper()}"
    lie = suffix.lstrip(".")
    claim = f", although it is named {suffix}" if lie in READABLE_NAMES else ""
    return R2SError(
        "R2S-SCAN-002",
        f"this is {name}{claim}; r2s does not read it yet",
        where=where,
        why=f"readable captures are {READABLE_TEXT}",
        remedy=remedy.replace("{file}", f"'{where}'"),
    )
