"""Whose code may run: a user's task only where it was made, or where the user says `--trust`.

The evidence is the workspace's own runs. They are never packed, pushed or pulled, so a scene that arrived
from elsewhere has none here, and one that was built here from a file has.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from r2s.engine.catalog import BUILD_SCENE, decoded

if TYPE_CHECKING:
    from r2s.store import Store
    from r2s.tasks.user import UserTask


def trusts(store: Store, task: UserTask) -> bool:
    """Whether a scene with this very text was built in this workspace, or the user said `--trust`."""
    if store.trusting:
        return True
    return any(
        record["components"]["config"].get("task") == task.model_dump(mode="json")
        for record in store.newest_runs()
        if record.get("stage") == BUILD_SCENE.name
    )


def check(store: Store, task: UserTask) -> None:
    """Refuse code that nobody here trusts.

    Raises:
        UnsafeInput: `R2S-TASK-029`.
    """
    from r2s.tasks.user import untrusted

    if not trusts(store, task):
        raise untrusted(task)


def opened(store: Store, digest: str) -> Any:
    """Return an artifact of the store, decoded; a scene's code may run only if it is trusted here.

    Whatever binds a task refuses one that was not opened here (`r2s.tasks.user.task_in`), so a command that
    forgets to ask can run nothing.
    """
    artifact = decoded(store.get(digest))
    if getattr(artifact, "code", ""):  # a scene with a task of its own
        from r2s.tasks.user import UserTask

        own = UserTask(name=artifact.info.task.name, text=artifact.code)
        return replace(artifact, trusted=trusts(store, own))
    return artifact
