"""Whether this machine can run r2s: interpreter, packages, native libraries, graphics, disk.

Heavy or fragile libraries are tried in child processes, so that one that crashes is a finding.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

Level = Literal["OK", "WARN", "FAIL"]

DISTRIBUTION = "r2s-pipeline"
CHILD_TIMEOUT_S = 60
FREE_WARN_BYTES = 5 << 30
FREE_FAIL_BYTES = 1 << 30
MEMORY_WARN_BYTES = 4 << 30
REINSTALL = "pip install -e .   # in the folder of r2s, inside its virtual environment"


@dataclass(frozen=True)
class Check:
    """One finding: what was looked at, how it stands, what was seen, and the command that mends it."""

    name: str
    level: Level
    seen: str
    fix: str = ""


def examine(workspace: Path) -> list[Check]:
    """Return all findings. `workspace`: the folder whose disk and file system matter."""
    checks: list[Callable[[], list[Check]]] = [
        _python,
        _packages,
        _mujoco_versions,
        _open3d,
        _jax,
        _batch,
        _graphics,
        _memory,
        lambda: _disk(workspace),
        lambda: _filesystem(workspace),
    ]
    with ThreadPoolExecutor(max_workers=2) as pool:
        return [found for result in pool.map(lambda check: check(), checks) for found in result]


def _python() -> list[Check]:
    version = platform.python_version()
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return [Check("python", "OK", version)]
    fix = "python3.11 -m venv .venv && .venv/bin/pip install -e ."
    return [Check("python", "FAIL", f"{version}; r2s needs 3.11 to 3.13", fix)]


def _packages() -> list[Check]:
    try:
        wanted = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return [Check("packages", "FAIL", f"{DISTRIBUTION} is not installed", REINSTALL)]
    wrong = [text for text in map(_wrong, wanted) if text]
    if wrong:
        return [Check("packages", "FAIL", "; ".join(wrong), REINSTALL)]
    needed = sum("extra ==" not in each for each in wanted)
    return [Check("packages", "OK", f"{needed} requirements are met")]


def _wrong(requirement: str) -> str:
    """Return what is wrong with a requirement of the distribution, or ""."""
    if "extra ==" in requirement or not _applies(requirement):
        return ""
    match = re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*([^;]*)", requirement)
    assert match is not None
    name, bounds = match[1], match[2].replace(" ", "")
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return f"{name} is missing"
    for bound in filter(None, bounds.split(",")):
        if not _holds(found, bound):
            return f"{name} is {found}, needs {bounds}"
    return ""


def _applies(requirement: str) -> bool:
    """Whether the marker of the two platform-dependent requirements (Open3D) applies here."""
    if "sys_platform" not in requirement:
        return True
    linux_x86 = sys.platform == "linux" and platform.machine() == "x86_64"
    return linux_x86 == ("==" in requirement.split(";", 1)[1])


def _holds(found: str, bound: str) -> bool:
    match = re.match(r"(==|>=|<=|<|>|!=|~=)(.*)", bound)
    if match is None:
        return True
    left, right = _numbers(found), _numbers(match[2].removesuffix(".*"))
    if match[1] == "==":
        return left[: len(right)] == right
    return {
        ">=": left >= right, "<=": left <= right, "<": left < right, ">": left > right,
        "!=": left != right, "~=": left >= right,
    }[match[1]]  # fmt: skip


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+")[0]))


def _mujoco_versions() -> list[Check]:
    found = {name: _version(name) for name in ("mujoco", "mujoco-mjx")}
    seen = ", ".join(f"{name} {version}" for name, version in found.items())
    if len(set(found.values())) == 1 and "absent" not in found.values():
        return [Check("mujoco and mjx", "OK", seen)]
    return [Check("mujoco and mjx", "FAIL", f"{seen}; they must be the same", REINSTALL)]


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"


def _open3d() -> list[Check]:
    code = "from r2s.core.native import open3d; print(open3d().__version__)"
    worked, text = _child(code)
    if worked:
        return [Check("open3d and libusb", "OK", text)]
    fix = "pip install --force-reinstall libusb-package"
    return [Check("open3d and libusb", "FAIL", f"the import fails: {text}", fix)]


def _jax() -> list[Check]:
    code = "import jax; d = jax.devices(); print(jax.default_backend(), len(d), d[0].device_kind)"
    worked, text = _child(code)
    if not worked:
        return [
            Check("jax", "FAIL", f"no backend: {text}", "unset JAX_PLATFORMS, then " + REINSTALL)
        ]
    backend, count, kind = text.split(" ", 2)
    found = [Check("jax", "OK", f"backend {backend}, {count} x {kind}")]
    if backend == "cpu" and shutil.which("nvidia-smi"):
        fix = "pip install -e '.[cuda]'"
        found.append(Check("jax on the GPU", "WARN", "there is a GPU, JAX does not use it", fix))
    return found


def _batch() -> list[Check]:
    code = (
        "import mujoco, mujoco.batch as b;"
        "m = mujoco.MjModel.from_xml_string('<mujoco><worldbody/></mujoco>');"
        "print('mujoco.batch', mujoco.__version__)"
    )
    worked, text = _child(code)
    if worked:
        return [Check("cpu engine", "OK", text)]
    return [Check("cpu engine", "FAIL", f"mujoco.batch does not work: {text}", REINSTALL)]


def _graphics() -> list[Check]:
    code = (
        "import mujoco;"
        "m = mujoco.MjModel.from_xml_string('<mujoco><worldbody><geom size=\"1\"/></worldbody></mujoco>');"
        "r = mujoco.Renderer(m, 32, 32); d = mujoco.MjData(m); mujoco.mj_forward(m, d);"
        "r.update_scene(d); print('renders', r.render().shape)"
    )
    tried = [os.environ["MUJOCO_GL"]] if os.environ.get("MUJOCO_GL") else ["egl", "osmesa"]
    for backend in tried:
        worked, _ = _child(code, {"MUJOCO_GL": backend})
        if worked:
            return [Check("OpenGL", "OK", f"MUJOCO_GL={backend} renders off-screen")]
    seen = "no off-screen OpenGL; pictures are drawn by ray casting instead"
    return [Check("OpenGL", "WARN", seen, "apt-get install libegl1   # only if you want it")]


def _memory() -> list[Check]:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    seen = f"{total / 2**30:.1f} GiB of memory, {os.cpu_count()} cores"
    if total >= MEMORY_WARN_BYTES:
        return [Check("memory", "OK", seen)]
    return [Check("memory", "WARN", seen, "r2s train --copies 128   # fewer copies need less")]


def _disk(workspace: Path) -> list[Check]:
    free = shutil.disk_usage(_existing(workspace)).free
    seen = f"{free / 2**30:.1f} GiB free at {_existing(workspace)}"
    if free >= FREE_WARN_BYTES:
        return [Check("disk", "OK", seen)]
    return [Check("disk", "WARN" if free >= FREE_FAIL_BYTES else "FAIL", seen, "r2s gc")]


def _filesystem(workspace: Path) -> list[Check]:
    """Try what the store relies on, in a folder beside the workspace."""
    fix = "keep the workspace on a local disk: r2s --workspace /path/on/a/local/disk status"
    place = _existing(workspace)
    try:
        with tempfile.TemporaryDirectory(prefix=".r2s-probe-", dir=place) as folder:
            found = [_rename_and_sync(Path(folder)), _flock(Path(folder)), _case(Path(folder))]
    except OSError as exc:
        return [Check("file system", "FAIL", f"{place} cannot be written: {exc.strerror}", fix)]
    wrong = [text for text in found if text]
    if wrong:
        return [Check("file system", "FAIL", "; ".join(wrong), fix)]
    return [Check("file system", "OK", "rename, fsync, flock and case work")]


def _rename_and_sync(folder: Path) -> str:
    old, new = folder / "old", folder / "new"
    old.write_bytes(b"old")
    with new.open("wb") as stream:
        stream.write(b"new")
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(new, old)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return "" if old.read_bytes() == b"new" and not new.exists() else "rename does not replace"


def _flock(folder: Path) -> str:
    import fcntl

    path = folder / "lock"
    with path.open("w") as first, path.open("w") as second:
        fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return ""
    return "flock does not exclude"


def _case(folder: Path) -> str:
    (folder / "case").write_bytes(b"")
    return "names ignore case" if (folder / "CASE").exists() else ""


def _existing(path: Path) -> Path:
    """Return the nearest folder of a path that exists."""
    path = path.absolute()
    return next(each for each in (path, *path.parents) if each.is_dir())


def _child(code: str, environment: dict[str, str] | None = None) -> tuple[bool, str]:
    """Run code in a child interpreter; return (worked, last line it said)."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=CHILD_TIMEOUT_S,
            env={**os.environ, **(environment or {})},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False, f"no answer in {CHILD_TIMEOUT_S} s"
    said = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    if done.returncode < 0:
        return False, f"killed by signal {-done.returncode}"
    return done.returncode == 0, said[-1] if said else ""
