"""A user's own task: one self-contained file, its text kept in the scene, run only where it is trusted.

Reading and looking happen without running: the text must be Python, must have the class, and may import
only what is installed, so that it is the whole task and runs the same anywhere. That is no sandbox: the
code runs with all rights of whoever runs it, which is why text that came with an artifact from elsewhere
is refused until the user says `--trust`. Importing this needs no JAX.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
import sysconfig
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import is_dataclass
from functools import cache
from math import isfinite
from pathlib import Path
from types import ModuleType
from typing import Any

from r2s.artifacts.base import Frozen
from r2s.artifacts.scene import Scene, TaskSpec
from r2s.core.canonical import digest_bytes
from r2s.core.errors import IntegrityError, R2SError, UnsafeInput, UsageError
from r2s.tasks.specs import AUTO, KINDS, known_task

MAX_BYTES = 1 << 20
METHODS = ("bind", "draws", "reset", "commands", "advance", "start", "error")
EXAMPLE = "samples/tasks/wipe.py is one that works"
# With these a file could import what nobody sees by reading it.
HIDDEN_IMPORTS = ("importlib", "runpy", "imp")
_NAME = re.compile(r"[A-Za-z0-9]{1,40}(_[A-Za-z0-9]{1,40}){0,3}")  # bundles are called by it


class UserTask(Frozen):
    """A class and the text of its file."""

    name: str
    text: str

    @property
    def digest(self) -> str:
        return digest_bytes(self.text.encode())


def names_file(wanted: str) -> bool:
    """Whether a word of the command line means a user's file: `my_task.py:MyTask`."""
    return wanted.partition(":")[0].endswith(".py")


def read_task(wanted: str) -> UserTask:
    """Read `FILE.py:Class`; the class may be left out where the file has one task only.

    Raises:
        UsageError: there is no such file (`R2S-TASK-020`), or `inspected` refuses it.
    """
    file, _, name = wanted.partition(":")
    try:
        with Path(file).expanduser().open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as exc:
        raise UsageError(
            "R2S-TASK-020",
            f"the task's file cannot be read: {exc.strerror}",
            where=file,
            why="a task of your own is one file of Python",
            remedy=f"--task FILE.py:Class   # {EXAMPLE}",
        ) from exc
    if len(data) > MAX_BYTES:
        raise _no_python(file, "it is larger than 1 MB")
    try:
        # Stored as JSON and as a file, so the same bytes must come back: one form of newlines and letters.
        text = unicodedata.normalize("NFC", data.decode("utf-8-sig")).replace("\r\n", "\n")
    except UnicodeDecodeError as exc:
        raise _no_python(file, f"byte {exc.start} is not UTF-8") from exc
    candidates = [node.name for node in _classes(_parsed(text, file)) if _is_task(node)]
    if not name and len(candidates) == 1:
        name = candidates[0]
    return _inspected(name, text, file)


def known(task: str | UserTask) -> str | UserTask:
    """Return a task checked without running it: a name there is, or a user's text that may run.

    Raises:
        UsageError: see `known_task`, `read_task`.
    """
    if isinstance(task, str):
        return known_task(task)
    return _inspected(task.name, task.text, "task")


def name_of(task: str | UserTask) -> str:
    """Return what a task is called."""
    return task if isinstance(task, str) else task.name


def loaded(task: UserTask) -> type:
    """Run the file and return its class, complete.

    Raises:
        R2SError: the file fails (`R2S-TASK-024`), or its class is no task (`R2S-TASK-025`, `-026`).
    """
    return _loaded(task.name, task.text)


def spec_of(task: UserTask) -> TaskSpec:
    """Return a task's default numbers and weights; this runs its file. See `loaded`."""
    cls: Any = loaded(task)
    return TaskSpec(
        name=task.name,
        parameters={name: float(value) for name, value in cls.parameters.items()},
        weights={name: float(value) for name, value in cls.weights.items()},
        like=cls.like,
        code=task.digest,
    )


def task_in(scene: Scene) -> UserTask:
    """Return the user's task that a scene holds, if it may run here: the one door to its code.

    Raises:
        UnsafeInput: nobody here trusts it (`R2S-TASK-029`).
        IntegrityError: it is not the text that the scene was made with (`R2S-TASK-030`).
    """
    spec = scene.info.task
    task = UserTask(name=spec.name, text=scene.code)
    if not scene.trusted:
        raise untrusted(task)
    if task.digest != spec.code:
        raise IntegrityError(
            "R2S-TASK-030",
            f"the code of task {spec.name} is not the one its scene was made with",
            where=f"scene of robot {scene.info.robot.name}",
            why="its policy was trained and judged with the other",
            remedy="r2s build-scene --task FILE.py:Class",
        )
    return task


def untrusted(task: UserTask) -> UnsafeInput:
    """Return the error of code that came from elsewhere."""
    return UnsafeInput(
        "R2S-TASK-029",
        f"task {task.name} brings Python code that was not made in this workspace",
        where=f"task {task.name}, {len(task.text.splitlines())} lines, {task.digest[7:19]}",
        why="running it gives it all your rights on this machine",
        remedy="read it: r2s unpack scene/NAME -o scene (task.py); then the same command with --trust",
    )


@contextmanager
def running(task: UserTask, doing: str, remedy: str = "") -> Iterator[None]:
    """Tell what a user's code raises with the line of its file.

    Raises:
        R2SError: `R2S-TASK-024`; errors of r2s pass as they are.
    """
    try:
        yield
    except R2SError:
        raise
    except Exception as exc:  # whatever a user's code raises is theirs to mend, no defect of r2s
        line = _line_of(task, exc)
        said = str(exc).strip().split("\n", 1)[0]
        raise R2SError(
            "R2S-TASK-024",
            f"{doing} of task {task.name} fails: {type(exc).__name__}{f': {said}' if said else ''}",
            where=f"line {line}: {task.text.splitlines()[line - 1].strip()}" if line else task.name,
            why=_why(exc),
            remedy=remedy or EXAMPLE,
        ) from exc


# Looking without running ---------------------------------------------------------------------------


def _inspected(name: str, text: str, file: str) -> UserTask:
    tree = _parsed(text, file)
    classes = [node.name for node in _classes(tree)]
    if name not in classes or name in (*KINDS, AUTO) or not _NAME.fullmatch(name):
        there = f"it has {', '.join(classes)}" if classes else "it has no class"
        raise UsageError(
            "R2S-TASK-022",
            f"there is no task {name!r} in {file}" if name else f"which class of {file}?",
            where=f"{file}; {there}",
            why="a task of your own is a class, with a plain short name that no task of r2s has",
            remedy=f"--task {file}:{classes[0] if classes else 'MyTask'}   # {EXAMPLE}",
        )
    for node in ast.walk(tree):
        for module in _imports(node):
            if reason := _not_installed(module):
                raise UsageError(
                    "R2S-TASK-023",
                    f"the task imports {module or 'a module beside it'!r}, {reason}",
                    where=f"{file}, line {getattr(node, 'lineno', 0)}",
                    why="the scene keeps this one file: it must hold the whole task",
                    remedy="copy what it needs into the file; numpy, jax and r2s are always there",
                )
    return UserTask(name=name, text=text)


def _parsed(text: str, file: str) -> ast.Module:
    try:
        tree = ast.parse(text)
        compile(tree, file, "exec", dont_inherit=True)  # some errors only show here; nothing runs
        return tree
    except SyntaxError as exc:
        shown = (exc.text or "").strip()
        line = f"line {exc.lineno}: {exc.msg}" + (f": {shown}" if shown else "")
        raise _no_python(f"{file}, line {exc.lineno}", line) from exc
    except (ValueError, RecursionError, MemoryError) as exc:
        raise _no_python(file, str(exc) or type(exc).__name__) from exc


def _no_python(where: str, reason: str) -> UsageError:
    return UsageError(
        "R2S-TASK-021",
        f"this is not Python: {reason}",
        where=where,
        why="a task is code: observations, rewards and a success event",
        remedy=EXAMPLE,
    )


def _classes(tree: ast.Module) -> list[ast.ClassDef]:
    return [node for node in tree.body if isinstance(node, ast.ClassDef)]


def _is_task(node: ast.ClassDef) -> bool:
    targets = [
        target
        for each in node.body
        for target in (each.targets if isinstance(each, ast.Assign) else [])
    ]
    return any(isinstance(target, ast.Name) and target.id == "like" for target in targets)


def _imports(node: ast.AST) -> list[str]:
    """Return the modules that a statement imports; "" for one beside the file."""
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [(node.module or "").split(".")[0] if node.level == 0 else ""]
    if isinstance(node, ast.Name) and node.id == "__import__":
        return ["__import__"]
    return []


@cache
def _not_installed(module: str) -> str:
    """Return why a file may not import a top-level module, or ""."""
    if module in (*HIDDEN_IMPORTS, "__import__"):
        return "which hides what is imported"
    if module == "r2s" or module in sys.stdlib_module_names:
        return ""
    if not module:
        return "which is not in the file"
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        found = None
    if found is None:
        return "which is not installed here"
    places = [found.origin] if found.origin else list(found.submodule_search_locations or ())
    installed = [Path(sysconfig.get_path(kind)).resolve() for kind in ("purelib", "platlib")]
    for place in places:
        path = Path(place).resolve()
        if not any(path.is_relative_to(folder) for folder in installed):
            return f"a module of your own ({path.name}) and no installed package"
    return ""


# Running -------------------------------------------------------------------------------------------


@cache
def _loaded(name: str, text: str) -> type:
    task = UserTask(name=name, text=text)
    module = ModuleType(_module_name(task))
    sys.modules[module.__name__] = module  # dataclasses look their own module up there
    with running(task, "the file"):
        exec(compile(text, _file_name(task), "exec", dont_inherit=True), module.__dict__)
    cls = getattr(module, name, None)
    missing = [each for each in (*METHODS, "episode_steps") if not hasattr(cls, each)]
    if missing or not isinstance(cls, type) or not is_dataclass(cls):
        raise R2SError(
            "R2S-TASK-025",
            f"task {name} lacks {', '.join(missing)}" if missing else f"{name} is no dataclass",
            where=f"class {name}",
            why="r2s asks a task these to start, judge and end an episode",
            remedy=f"write it as `@dataclass(frozen=True) class {name}(Bound)`; {EXAMPLE}",
        )
    _check_numbers(name, cls)
    return cls


def _check_numbers(name: str, cls: Any) -> None:
    like = getattr(cls, "like", None)
    if like not in KINDS:
        raise _bad_default(name, "like", like, f"one of {', '.join(map(repr, KINDS))}")
    for field in ("parameters", "weights"):
        numbers = getattr(cls, field, None)
        if not isinstance(numbers, dict) or not numbers:
            raise _bad_default(name, field, numbers, "a dict of names to numbers")
        for key, value in numbers.items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not isinstance(key, str) or not number or not isfinite(value):
                raise _bad_default(name, f"{field}[{key!r}]", value, "a finite number")
    if not cls.parameters.get("episode_s", 0) > 0:
        length = cls.parameters.get("episode_s")
        raise _bad_default(name, "parameters['episode_s']", length, "the episode's length [s]")


def _bad_default(name: str, field: str, value: Any, wanted: str) -> R2SError:
    return R2SError(
        "R2S-TASK-026",
        f"{field} of task {name} is {value!r}",
        where=f"class {name}",
        why=f"it must be {wanted}",
        remedy=f"set `{field.split('[')[0]}` in the class; {EXAMPLE}",
    )


def _module_name(task: UserTask) -> str:
    return f"r2s_task_{task.digest[7:19]}"


def _file_name(task: UserTask) -> str:
    return f"<{_module_name(task)}>"


def _line_of(task: UserTask, exc: BaseException) -> int:
    """Return the last line of the user's file that an exception passed through; 0 if none."""
    line, trace = 0, exc.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == _file_name(task):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _why(exc: Exception) -> str:
    kinds = {cls.__name__ for cls in type(exc).__mro__}
    if kinds & {"ConcretizationTypeError", "TracerArrayConversionError"}:
        return (
            "inside a task numbers are known only when it runs: jnp.where(condition, a, b) in place of "
            "`if`, jnp in place of np, & and | in place of `and` and `or`"
        )
    return "r2s ran it on shapes only, before any physics"
