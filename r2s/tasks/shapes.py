"""Whether a user's task answers in the right shapes and names: asked of JAX, with no number computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from r2s.artifacts.scene import Scene, SceneInfo
from r2s.artifacts.signal import COMMAND_SIGNALS
from r2s.core.errors import R2SError
from r2s.tasks.task import Draws, Judgement, Moment, Start, Task
from r2s.tasks.user import UserTask, running

BASE_NUMBERS = 7  # position and quaternion of a floating base

Shape = jax.ShapeDtypeStruct


def numbers(width: int) -> Any:
    """Return the shape (width,) float32, which stands for an array."""
    return Shape((width,), np.float32)


def given_signals(info: SceneInfo) -> dict[str, int]:
    """Return name to width of the signals that the task itself must give: measured, and no sensor's."""
    return {
        signal.name: signal.width
        for signal in info.signals
        if signal.kind == "measured"
        and not (signal.sensors or signal.is_clock or signal.name in COMMAND_SIGNALS)
    }


def checked(bound: Task, user: UserTask, scene: Scene) -> Task:
    """Return the bound task if every method answers what a `Task` answers.

    Raises:
        R2SError: a method fails (`R2S-TASK-024`), answers in the wrong shape or type (`R2S-TASK-028`), or
            its reward terms are not those that have a weight (`R2S-TASK-027`).
    """
    info, name = scene.info, user.name
    joints = numbers(len(info.actions.joints))
    wanted = given_signals(info)
    with running(user, "draws"):
        draws = bound.draws
        counts = isinstance(draws, Draws) and all(isinstance(n, int) and n >= 0 for n in draws)
    if not counts:
        raise _wrong(
            name, "draws", repr(draws), "Draws(reset=..., start=..., advance=...) of counts"
        )
    with running(user, "reset"):
        memory: Any = jax.eval_shape(bound.reset, numbers(draws.reset))
    _expect_dict(name, "reset", memory)
    with running(user, "commands"):
        commands: Any = jax.eval_shape(bound.commands, memory)
    _expect_dict(name, "commands", commands)
    if {key: each.shape for key, each in commands.items()} != {k: (w,) for k, w in wanted.items()}:
        raise _wrong(name, "commands", _described(commands), f"{_listed(wanted)}, metres or rad")
    with running(user, "start"):
        begun: Any = jax.eval_shape(
            bound.start, numbers(draws.start), Start(joints, numbers(BASE_NUMBERS)), memory
        )
    if not isinstance(begun, Start) or begun.joints.shape != joints.shape:
        raise _wrong(
            name, "start", _described(begun), f"Start of {joints.shape[0]} joints and a base"
        )

    sensors = {s.name: numbers(s.width) for s in info.signals if s.sensors}
    signals = {**sensors, **dict.fromkeys(COMMAND_SIGNALS, joints), **commands}
    moment = Moment(signals, joints, joints, memory)
    there = f"signals here: {', '.join(signals)}; memory: {', '.join(memory) or 'none'}"
    with running(user, "advance", there):
        after, judgement = jax.eval_shape(bound.advance, moment, numbers(draws.advance))
    _expect_dict(name, "advance", after)
    if _types(after) != _types(memory):
        raise _wrong(
            name,
            "advance",
            f"a memory of {_described(after)}",
            f"that of reset: {_described(memory)}",
        )
    _check_judgement(name, judgement, sorted(bound.spec.weights))
    with running(user, "error", there):
        error: Any = jax.eval_shape(bound.error, moment)
    _expect_scalar(name, "error", error)
    if getattr(bound, "guesses", False):
        seen = {each: numbers(info.signal(each).width) for each in info.observations}
        with running(user, "guess", f"observed: {', '.join(seen)}"):
            guess: Any = jax.eval_shape(bound.guess, seen)
        if getattr(guess, "shape", None) != joints.shape:
            raise _wrong(
                name, "guess", _described(guess), f"an action of {joints.shape[0]} numbers"
            )
    return bound


def _check_judgement(name: str, judgement: Any, weights: Sequence[str]) -> None:
    if not isinstance(judgement, Judgement):
        raise _wrong(name, "advance", type(judgement).__name__, "(memory, Judgement(...))")
    terms = sorted(judgement.terms)
    if terms != list(weights):
        without = [term for term in terms if term not in weights]
        idle = [weight for weight in weights if weight not in terms]
        parts = [f"term {', '.join(without)} has no weight"] if without else []
        parts += [f"weight {', '.join(idle)} has no term"] if idle else []
        raise R2SError(
            "R2S-TASK-027",
            f"in task {name} {' and '.join(parts)}",
            where=f"terms: {', '.join(terms) or 'none'}; weights: {', '.join(weights)}",
            why="a term without a weight would silently count nothing",
            remedy="give every term of `advance` a weight in `weights`; 0 switches one off",
        )
    for term, value in judgement.terms.items():
        _expect_scalar(name, f"reward term {term}", value)
    for part in ("terminated", "success"):
        value = getattr(judgement, part)
        if getattr(value, "shape", None) != () or value.dtype != bool:
            raise _wrong(name, part, _described(value), "one truth value: jnp.zeros((), bool)")


def _expect_dict(name: str, method: str, value: Any) -> None:
    if not isinstance(value, dict) or not all(hasattr(each, "dtype") for each in value.values()):
        raise _wrong(name, method, _described(value), "a dict of names to arrays")


def _expect_scalar(name: str, what: str, value: Any) -> None:
    if getattr(value, "shape", None) != () or value.dtype == bool:
        raise _wrong(name, what, _described(value), "one number, shape ()")


def _types(memory: Mapping[str, Shape]) -> dict[str, tuple[Any, Any]]:
    return {key: (each.shape, each.dtype) for key, each in memory.items()}


def _described(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_described(each)}" for key, each in value.items()) or "nothing"
    if isinstance(value, tuple):
        return f"({', '.join(_described(each) for each in value)})"
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    return f"{dtype}{list(shape)}" if shape is not None else repr(value)


def _listed(wanted: Mapping[str, int]) -> str:
    return ", ".join(f"{key} float32[{width}]" for key, width in wanted.items()) or "nothing"


def _wrong(name: str, what: str, given: str, wanted: str) -> R2SError:
    return R2SError(
        "R2S-TASK-028",
        f"{what} of task {name} gives {given}",
        where=f"class {name}",
        why=f"it must give {wanted}",
        remedy="give that; shapes are of one copy, without a leading axis",
    )
