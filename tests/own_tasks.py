"""Users' tasks for tests: the sample that works, ways to break it, and scenes that hold one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from arm_scene import arm_scene

from r2s.artifacts.scene import Scene
from r2s.tasks.user import UserTask, spec_of

FILE = Path(__file__).parent.parent / "samples" / "tasks" / "wipe.py"
TEXT = FILE.read_text()


def changed(*pairs: tuple[str, str]) -> UserTask:
    """Return the sample with one text replaced by another, for each pair; each must be there."""
    text = TEXT
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return UserTask(name="Wipe", text=text)


def scene_with(task: UserTask, joints: int = 3, **parameters: float) -> Scene:
    """Return the small arm with the task in its scene, trusted; `parameters` change its numbers."""
    scene = arm_scene(joints, clutter=False)
    spec = spec_of(task)
    spec = spec.model_copy(update={"parameters": {**spec.parameters, **parameters}})
    info = scene.info.model_copy(update={"task": spec})
    return replace(scene, info=info, code=task.text, trusted=True)
