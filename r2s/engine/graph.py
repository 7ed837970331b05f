"""The steps behind each command, built from what the workspace already holds.

Names follow DESIGN.md section 6. Where an artifact knows what it was made from, its lineage decides,
not names: `validate` uses the scene the policy was trained in, whatever `scene/V` is now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from r2s.core.errors import GateFailed, R2SError, UsageError
from r2s.engine import catalog, trust
from r2s.engine.lineage import made_by
from r2s.engine.names import checked_name, name_from
from r2s.engine.step import Step, step_of
from r2s.store.names import is_name

if TYPE_CHECKING:
    from r2s.artifacts.edits import Edit
    from r2s.engine.stage import StageSpec
    from r2s.store import Store

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Settings:
    """What the user set: the seed, and config values by stage name. Unset fields keep their defaults."""

    seed: int = 0
    configs: Mapping[str, Values] = field(default_factory=dict)

    def config(self, stage: StageSpec) -> Any:
        return stage.config(self.configs.get(stage.name, {}))

    def touches(self, stage: StageSpec) -> bool:
        """Whether the user set anything for this stage."""
        return bool(self.configs.get(stage.name))


def scan(capture: Path | Sequence[Path], name: str, settings: Settings) -> Step:
    """Return the step that makes `scan/<name>` from a capture, or from several overlapping clouds.

    Their order counts: the first one's frame is that of the scan.
    """
    first, *more = [capture] if isinstance(capture, Path) else capture
    return Step(
        catalog.SCAN,
        settings.config(catalog.SCAN),
        sources={"capture": first} | {f"capture {i:03}": each for i, each in enumerate(more, 2)},
        seed=settings.seed,
        ref=f"scan/{checked_name(name)}",
    )


def reconstruct(scan_made: Step | str, name: str, settings: Settings) -> Step:
    """Return the step that makes `reconstruction/<name>`."""
    return Step(
        catalog.RECONSTRUCT,
        settings.config(catalog.RECONSTRUCT),
        inputs={"scan": scan_made},
        seed=settings.seed,
        ref=f"reconstruction/{checked_name(name)}",
    )


def description(wanted: str) -> Path:
    """Return the description file that a word of the command line means: a path or a package's robot."""
    from r2s.robot.packaged import is_packaged, packaged_file

    return packaged_file(wanted) if is_packaged(wanted) else Path(wanted).expanduser()


def robot(description: Path, settings: Settings) -> Step:
    """Return the step that makes `robot/<model>` from a URDF or MJCF file."""
    return Step(
        catalog.ROBOT,
        settings.config(catalog.ROBOT),
        sources={"robot": description},
        seed=settings.seed,
        ref=lambda config: f"robot/{name_from(config['name'])}",
    )


def build_scene(
    reconstruction: Step | str,
    robot_made: Step | str,
    name: str,
    settings: Settings,
    *,
    replace: bool = False,
) -> Step:
    """Return the step that makes `scene/<name>`; it refuses to replace another robot or task."""
    from r2s.tasks.user import UserTask, name_of

    settings, from_file = with_own_task(settings)
    config = settings.config(catalog.BUILD_SCENE)
    task = config.task

    def refuse(store: Store, inputs: Mapping[str, str]) -> None:
        if isinstance(task, UserTask) and not from_file:
            trust.check(store, task)  # it came with a scene's settings, or with a recipe
        held = store.ref(f"scene/{name}")
        if held is None or replace:
            return
        scene, wanted = store.get(held).config, store.get(inputs["robot"]).config["name"]
        there = (scene["robot"]["name"], scene["task"]["name"])
        called = there[1] if task == "auto" else name_of(task)
        if there != (wanted, called):
            raise UsageError(
                "R2S-NAME-002",
                f"scene/{name} holds {there[0]} with task {there[1]}, not {wanted} with task {called}",
                where=f"scene/{name}",
                why="policies trained in it would silently belong to another robot",
                remedy=f"--name {name_from(f'{name}-{wanted}')} makes a second scene, --replace replaces it",
            )

    return Step(
        catalog.BUILD_SCENE,
        config,
        inputs={"reconstruction": reconstruction, "robot": robot_made},
        seed=settings.seed,
        ref=f"scene/{checked_name(name)}",
        check=refuse,
    )


def with_own_task(settings: Settings) -> tuple[Settings, bool]:
    """Return the settings with the text of the user's file in place of its path, and whether there is one.

    So the key of the scene holds what the task says, and not where it lies.

    Raises:
        UsageError: the file cannot be read or holds no such task.
    """
    from r2s.tasks.user import names_file, read_task

    given = settings.configs.get(catalog.BUILD_SCENE.name, {})
    wanted = given.get("task")
    if not isinstance(wanted, str) or not names_file(wanted):
        return settings, False
    values = {**given, "task": read_task(wanted).model_dump(mode="json")}
    return replace(settings, configs={**settings.configs, catalog.BUILD_SCENE.name: values}), True


def train(scene: Step | str, name: str, settings: Settings) -> Step:
    """Return the step that makes `policy/<name>`."""
    return Step(
        catalog.TRAIN,
        settings.config(catalog.TRAIN),
        inputs={"scene": scene},
        seed=settings.seed,
        ref=f"policy/{checked_name(name)}",
    )


def validate(policy: Step | str, scene: Step | str, name: str, settings: Settings) -> Step:
    """Return the step that makes `validation/<name>`."""
    return Step(
        catalog.VALIDATE,
        settings.config(catalog.VALIDATE),
        inputs={"policy": policy, "scene": scene},
        seed=settings.seed,
        ref=f"validation/{checked_name(name)}",
    )


def export(
    policy: Step | str,
    validation: Step | str,
    scene: Step | str,
    name: str,
    settings: Settings,
) -> Step:
    """Return the step that makes `bundle/<name>-<target>`; it refuses a policy that did not pass."""
    config = settings.config(catalog.EXPORT)

    def refuse_without_pass(store: Store, inputs: Mapping[str, str]) -> None:
        verdict = store.get(inputs["validation"]).config
        if verdict["verdict"] == "pass" or getattr(config, "allow_failed_gate", False):
            return
        raise GateFailed(
            "R2S-GATE-001",
            f"policy/{name} did not pass its gate: {verdict['verdict']}",
            where=f"validation/{name}",
            why=verdict.get("reason") or "only a policy that passes its gate may drive a robot",
            remedy=f"r2s show validation/{name} lists the scenarios; train longer, or "
            f"r2s export {name} --allow-failed-gate (recorded in the bundle)",
        )

    return Step(
        catalog.EXPORT,
        config,
        inputs={"policy": policy, "validation": validation, "scene": scene},
        seed=settings.seed,
        ref=lambda made: f"bundle/{checked_name(name)}-{name_from(made['target'])}",
        check=refuse_without_pass,
    )


# What a command finds in the workspace ------------------------------------------------------------


def found(store: Store, ref: str, *, remedy: str) -> str:
    """Return the digest a ref points to.

    Raises:
        R2SError: there is no such ref; the message lists those of the same kind.
    """
    digest = store.ref(ref)
    if digest is not None:
        return digest
    kind = ref.split("/")[0]
    others = sorted(name for name in store.refs() if name.startswith(f"{kind}/"))
    raise R2SError(
        "R2S-NAME-003",
        f"there is no {ref}",
        where=f"workspace; it has {', '.join(others)}" if others else "workspace",
        why=f"this command works on a {kind}",
        remedy=remedy,
    )


def scan_of(store: Store, name: str) -> str | None:
    """Return the scan that `name` stands for: `scan/<name>`, or the one `scene/<name>` was made from."""
    direct = store.ref(f"scan/{name}")
    if direct is not None:
        return direct
    scene = store.ref(f"scene/{name}")
    if scene is None:
        return None
    reconstruction = store.get(store.get(scene).inputs["reconstruction"])
    return reconstruction.inputs["scan"]


def reconstruction_for(store: Store, scan_digest: str, name: str, settings: Settings) -> Step | str:
    """Return `reconstruction/<name>` if it was made from this scan and nothing was set, else its step."""
    held = store.ref(f"reconstruction/{name}")
    fresh = held is not None and store.get(held).inputs.get("scan") == scan_digest
    if held is not None and fresh and not settings.touches(catalog.RECONSTRUCT):
        return _as_before(store, held, f"reconstruction/{name}")
    return reconstruct(scan_digest, name, keep_edits(store, name, settings))


def scene_settings(store: Store, name: str, settings: Settings) -> Settings:
    """Return the settings over those `scene/<name>` was built with.

    So `r2s build-scene` alone builds the same scene of a place that was scanned anew, and one more flag
    changes one thing.
    """
    held = store.ref(f"scene/{name}")
    if held is None:
        return settings
    given = settings.configs.get(catalog.BUILD_SCENE.name, {})
    merged = {**store.get(held).stage.get("config", {}), **given}
    return replace(settings, configs={**settings.configs, catalog.BUILD_SCENE.name: merged})


def keep_edits(store: Store, name: str, settings: Settings) -> Settings:
    """Return the settings with the layout edits of `reconstruction/<name>`, unless others are given.

    So what a person said of a place outlives a new scan of it.
    """
    held = store.ref(f"reconstruction/{name}")
    given = settings.configs.get(catalog.RECONSTRUCT.name, {})
    edits = store.get(held).config.get("edits") if held is not None else None
    if not edits or "edits" in given:
        return settings
    configs = {**settings.configs, catalog.RECONSTRUCT.name: {**given, "edits": edits}}
    return replace(settings, configs=configs)


def edit(store: Store, name: str, edits: Sequence[Edit], settings: Settings) -> Step:
    """Return the step that makes `reconstruction/<name>` again, as it was made but with these edits.

    Raises:
        R2SError: there is no such reconstruction.
    """
    held = store.get(found(store, f"reconstruction/{name}", remedy=f"r2s reconstruct {name}"))
    values = {
        **held.stage["config"],
        **settings.configs.get(catalog.RECONSTRUCT.name, {}),
        "edits": [each.model_dump(mode="json") for each in edits],
    }
    return Step(
        catalog.RECONSTRUCT,
        catalog.RECONSTRUCT.config(values),
        inputs={"scan": held.inputs["scan"]},
        seed=held.stage["seed"],
        ref=f"reconstruction/{name}",
    )


def robot_for(store: Store, wanted: str | None, name: str, settings: Settings) -> Step | str:
    """Return the robot to build a scene with: a description file, a robot ref, or the scene's own.

    Raises:
        UsageError: nothing says which robot.
    """
    if wanted is not None:
        path = description(wanted)
        if wanted.startswith("robot/") and not path.exists() and is_name(wanted):
            return found(store, wanted, remedy="r2s robot ROBOT.urdf")
        return robot(path, settings)
    scene = store.ref(f"scene/{name}")
    if scene is not None:
        return store.get(scene).inputs["robot"]
    robots = sorted(ref for ref in store.refs() if ref.startswith("robot/"))
    if len(robots) == 1:
        return found(store, robots[0], remedy="r2s status")
    known = f" (known here: {', '.join(robots)})" if robots else ""
    raise UsageError(
        "R2S-NAME-004",
        f"no robot was named{known}",
        why="a scene is built for one robot",
        remedy="r2s build-scene --robot path/to/robot.urdf --task reach",
    )


def validation_for(
    store: Store, policy_digest: str, scene: str, name: str, settings: Settings
) -> Step | str:
    """Return `validation/<name>` if it judged this very policy and nothing was set, else its step."""
    held = store.ref(f"validation/{name}")
    fresh = held is not None and store.get(held).inputs.get("policy") == policy_digest
    if held is not None and fresh and not settings.touches(catalog.VALIDATE):
        return _as_before(store, held, f"validation/{name}")
    return validate(policy_digest, scene, name, settings)


def _as_before(store: Store, held: str, ref: str) -> Step | str:
    """Return the step that made an artifact, settings and all: a new stage version makes it anew.

    What was not made in this workspace, or with settings that are no more, stays as it is.
    """
    made = made_by(store, held)
    try:
        return held if made is None else replace(step_of(made), ref=ref)
    except UsageError:
        return held


def rest_of_chain(store: Store, name: str, settings: Settings) -> Step:
    """Return the chain of `name` as far as it can be planned.

    To its validation; to its reconstruction while no scene says which robot and which task.
    """
    if store.ref(f"scene/{name}") is None:
        scan_made = found(store, f"scan/{name}", remedy=f"r2s scan CAPTURE --name {name}")
        return reconstruct(scan_made, name, keep_edits(store, name, settings))
    scene = store.get(found(store, f"scene/{name}", remedy="r2s status"))
    policy = train(scene.digest, name, settings)
    return validate(policy, scene.digest, name, settings)
