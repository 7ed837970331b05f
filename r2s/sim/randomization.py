"""The declarative randomization list, compiled against one model.

Every value is computed from the model's default, so nothing compounds over episodes. An entry that
selects nothing, or whose change cannot reach the physics, is an error: a silent no-op would make the
policy look robust against something it never met.

`Plan.sample` draws in JAX; `Plan.fields` turns draws into model fields with numpy (cpu engine: rows of
`Batch.expand`) or jax.numpy (mjx engine: `tree_replace` under `vmap`) through the very same code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from r2s.artifacts.randomization import Randomize
from r2s.artifacts.scene import ROBOT_PREFIX, SceneInfo
from r2s.core.errors import R2SError
from r2s.sim.model import Layout

JOINT_FIELDS = {
    "damping": "dof_damping", "armature": "dof_armature", "frictionloss": "dof_frictionloss",
}  # fmt: skip
COMMON = "implicit"  # entries made from a signal's own latency range
Draws = Mapping[str, Any]  # entry name -> (..., k)


@dataclass(frozen=True)
class Write:
    """One model field changed by one entry.

    Attributes:
        field: MjModel field.
        positions: (p,) indices into the flattened field.
        draw: (p,) index of the draw for each position.
        how: `scale`, `add`, `abs`, `ratio` (scale by (default + draw) / default of `base`) or `yaw`.
        base: (p,) the default that a ratio refers to.
    """

    entry: str
    field: str
    positions: np.ndarray
    draw: np.ndarray
    how: str
    base: np.ndarray | None = None


@dataclass(frozen=True)
class SignalNoise:
    """How one measured signal is disturbed; `None` means the signal's own constant.

    Attributes:
        noise, bias, latency: (entry, draw index per element) of the entry that sets it, or None.
    """

    noise: tuple[Randomize, np.ndarray] | None = None
    bias: tuple[Randomize, np.ndarray] | None = None
    latency: tuple[Randomize, np.ndarray] | None = None


@dataclass(frozen=True)
class Offset:
    """A start pose moved by one entry: xy [m] or yaw [rad] of free joints.

    Attributes:
        qpos: (t,) addresses of the moved free joints.
        draw: (t,) index of the (first) draw of each.
    """

    entry: str
    field: str
    qpos: np.ndarray
    draw: np.ndarray


@dataclass(frozen=True)
class Plan:
    """Attributes:
    entries: with the number of draws of each.
    defaults: MjModel field to its flattened default, for the fields in `writes`.
    """

    entries: tuple[tuple[Randomize, int], ...]
    writes: tuple[Write, ...]
    defaults: dict[str, np.ndarray]
    shapes: dict[str, tuple[int, ...]]
    signals: dict[str, SignalNoise]
    action_latency: Randomize | None
    offsets: tuple[Offset, ...]

    @property
    def width(self) -> int:
        """Numbers drawn per copy."""
        return sum(size for _, size in self.entries)

    def sample(self, uniform: jax.Array) -> dict[str, jax.Array]:
        """Turn uniform numbers (..., width) in [0, 1) into draws: entry name to (..., k) float32."""
        draws, start = {}, 0
        for entry, size in self.entries:
            draws[entry.name] = _spread(entry, uniform[..., start : start + size])
            start += size
        return draws

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the numbers of `flatten`: `name[index]`."""
        return tuple(f"{entry.name}[{i}]" for entry, size in self.entries for i in range(size))

    def flatten(self, draws: Draws) -> jax.Array:
        """Return all draws as (..., v), in the order of `columns`."""
        parts = [draws[entry.name] for entry, _ in self.entries]
        return jnp.concatenate(parts, axis=-1) if parts else jnp.zeros((0,))

    def per_run(self, old: Draws, new: Draws) -> dict[str, Any]:
        """Return `new` with the entries drawn once per run kept from `old`."""
        return {e.name: (old if e.when == "run" else new)[e.name] for e, _ in self.entries}

    def fields(self, draws: Draws, xp: ModuleType) -> dict[str, Any]:
        """Return each randomized model field (..., *shape) for draws (..., k), with numpy or jax.numpy."""
        result: dict[str, Any] = {}
        for write in self.writes:
            value = draws[write.entry][..., write.draw]
            if write.field not in result:
                default = xp.asarray(self.defaults[write.field])
                result[write.field] = xp.broadcast_to(default, (*value.shape[:-1], default.size))
            flat = result[write.field]
            old = flat[..., write.positions]
            result[write.field] = _put(xp, flat, write.positions, _changed(xp, write, old, value))
        return {
            name: flat.reshape(*flat.shape[:-1], *self.shapes[name])
            for name, flat in result.items()
        }

    @property
    def needs_set_const(self) -> bool:
        """Must constants derived from the written fields (`body_invweight0`, ...) be recomputed?"""
        return bool(set(self.shapes) & set(mujoco.MjModel._setconst_inputs))

    def moved(self, qpos: jax.Array, draws: Draws) -> jax.Array:
        """Return one copy's start qpos (nq,) with base and object offsets applied."""
        for offset in self.offsets:
            for address, first in zip(offset.qpos, offset.draw, strict=True):
                value = draws[offset.entry]
                if offset.field == "position":
                    qpos = qpos.at[address : address + 2].add(value[first : first + 2])
                else:
                    turned = _yawed(jnp, qpos[address + 3 : address + 7], value[first])
                    qpos = qpos.at[address + 3 : address + 7].set(turned)
        return qpos


def compile_plan(model: mujoco.MjModel, info: SceneInfo, where: Layout) -> Plan:
    """Compile the scene's list against its model.

    Raises:
        R2SError: an entry selects nothing (`R2S-SIM-010`), changes nothing (`R2S-SIM-011`) or combines
            a target and a field that do not belong together (`R2S-SIM-012`).
    """
    builder = _Builder(model, info, where)
    for entry in (*info.randomization, *_implicit(info)):
        builder.add(entry)
    return builder.plan()


def _implicit(info: SceneInfo) -> list[Randomize]:
    """Return entries for signals that state a latency range and no entry sets."""
    explicit = [e for e in info.randomization if e.target == "signal" and e.field == "latency"]
    return [
        Randomize(
            name=f"latency_{s.name}", target="signal", select=s.name, field="latency",
            operation="abs", low=s.latency_s[0], high=s.latency_s[1],
        )
        for s in info.signals
        if s.sensors and s.latency_s[1] > 0
        and not any(fnmatchcase(s.name, e.select) for e in explicit)
    ]  # fmt: skip


class _Builder:
    def __init__(self, model: mujoco.MjModel, info: SceneInfo, where: Layout):
        self.model, self.info, self.where = model, info, where
        self.entries: list[tuple[Randomize, int]] = []
        self.writes: list[Write] = []
        self.offsets: list[Offset] = []
        self.signals: dict[str, SignalNoise] = {}
        self.action_latency: Randomize | None = None

    def plan(self) -> Plan:
        names = {write.field for write in self.writes}
        fields = {name: np.asarray(getattr(self.model, name), np.float64) for name in names}
        return Plan(
            entries=tuple(self.entries),
            writes=tuple(self.writes),
            defaults={name: array.ravel().copy() for name, array in fields.items()},
            shapes={name: array.shape for name, array in fields.items()},
            signals=self.signals,
            action_latency=self.action_latency,
            offsets=tuple(self.offsets),
        )

    def add(self, entry: Randomize) -> None:
        if any(entry.name == other.name for other, _ in self.entries):
            raise R2SError(
                "R2S-SIM-012",
                f"two randomization entries are called {entry.name!r}",
                where=_spot(entry),
                why="the name is the entry's column in logs",
                remedy="rename one of them in the scene's randomization list",
            )
        rules = {
            ("geom", "friction"): self._friction,
            ("body", "mass"): self._mass,
            ("object", "mass"): self._mass,
            ("joint", "damping"): self._joint,
            ("joint", "armature"): self._joint,
            ("joint", "frictionloss"): self._joint,
            ("actuator", "gain"): self._gain,
            ("signal", "noise"): self._signal,
            ("signal", "bias"): self._signal,
            ("signal", "latency"): self._signal,
            ("action", "latency"): self._action,
            ("base", "position"): self._base,
            ("base", "yaw"): self._base,
            ("object", "position"): self._object,
            ("object", "yaw"): self._object,
        }
        rule = rules.get((entry.target, entry.field))
        if rule is None:
            pairs = ", ".join(f"{target}.{field}" for target, field in rules)
            raise R2SError(
                "R2S-SIM-012",
                f"randomization {entry.name} sets {entry.field} of {entry.target}, which has none",
                where=_spot(entry),
                why="it would do nothing",
                remedy=f"use one of: {pairs}",
            )
        self.entries.append((entry, rule(entry)))

    def _friction(self, entry: Randomize) -> int:
        model, ids = self.model, self._select(entry, mujoco.mjtObj.mjOBJ_GEOM, self.model.ngeom)
        collides = (model.geom_contype[ids] != 0) | (model.geom_conaffinity[ids] != 0)
        ids = ids[collides]
        if not len(ids):
            raise _no_change(entry, "none of the selected geoms can touch anything")
        return self._write(entry, "geom_friction", ids * 3, model.geom_friction[ids, 0])

    def _mass(self, entry: Randomize) -> int:
        kind = mujoco.mjtObj.mjOBJ_BODY
        only = self.info.movable if entry.target == "object" else None
        ids = self._select(entry, kind, self.model.nbody, only=only)
        moving = self.model.body_weldid[ids] != 0
        ids = ids[moving & (self.model.body_mass[ids] > 0)]
        if not len(ids):
            raise _no_change(entry, "none of the selected bodies can move")
        mass = self.model.body_mass[ids]
        smallest = {"scale": mass * entry.low, "add": mass + entry.low, "abs": mass * 0 + entry.low}
        if np.min(smallest[entry.operation]) <= 0:
            raise R2SError(
                "R2S-SIM-013",
                f"randomization {entry.name} can make a mass zero or negative",
                where=_spot(entry),
                why="a body without mass has no motion to simulate",
                remedy="raise `low`, or use operation scale",
            )
        size = self._write(entry, "body_mass", ids, mass)
        draw = self._draws(entry, len(ids))
        how = {"scale": "scale", "add": "ratio", "abs": "ratio_abs"}[entry.operation]
        self.writes.append(
            Write(
                entry.name, "body_inertia", (ids[:, None] * 3 + np.arange(3)).ravel(),
                np.repeat(draw, 3), how, np.repeat(mass, 3),
            )
        )  # fmt: skip
        return size

    def _joint(self, entry: Randomize) -> int:
        model, kind = self.model, mujoco.mjtObj.mjOBJ_JOINT
        joints = self._select(entry, kind, model.njnt)
        single = np.isin(
            model.jnt_type[joints],
            (int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)),
        )
        dofs = model.jnt_dofadr[joints[single]]
        if not len(dofs):
            raise _no_change(entry, "none of the selected joints is a hinge or a slide")
        field = JOINT_FIELDS[entry.field]
        return self._write(entry, field, dofs, getattr(model, field)[dofs])

    def _gain(self, entry: Randomize) -> int:
        model = self.model
        ids = self._select(entry, mujoco.mjtObj.mjOBJ_ACTUATOR, model.nu)
        if entry.operation != "scale":
            raise R2SError(
                "R2S-SIM-012",
                f"randomization {entry.name} sets gains by {entry.operation}",
                where=_spot(entry),
                why="kp and kd change together, so only a factor means something",
                remedy="use operation: scale",
            )
        draw = self._draws(entry, len(ids))
        gain, bias = model.actuator_gainprm.shape[1], model.actuator_biasprm.shape[1]
        positions = (ids[:, None] * bias + np.array([1, 2])).ravel()
        kp = Write(entry.name, "actuator_gainprm", ids * gain, draw, "scale")
        kd = Write(entry.name, "actuator_biasprm", positions, np.repeat(draw, 2), "scale")
        self.writes += [kp, kd]
        return int(draw.max()) + 1

    def _signal(self, entry: Randomize) -> int:
        chosen = [s for s in self.info.signals if s.sensors and fnmatchcase(s.name, entry.select)]
        if not chosen:
            raise _selects_nothing(entry, [s.name for s in self.info.signals if s.sensors])
        if entry.operation == "scale":
            default = {"noise": "noise_sigma", "bias": "", "latency": "latency_s"}[entry.field]
            if not default or not any(np.any(getattr(s, default)) for s in chosen):
                raise _no_change(entry, f"the selected signals have no {entry.field} to scale")
        if self._used(entry) and entry.high <= 0 and entry.field != "bias":
            raise _no_change(entry, "its range ends at 0")
        count = 0
        for signal in chosen:
            width = signal.width if entry.per == "target" else 1
            draw = np.arange(width) + count if entry.per == "target" else np.zeros(width, int)
            draw = np.broadcast_to(draw, (signal.width,)).copy()
            count = count + width if entry.per == "target" else 1
            known = self.signals.get(signal.name, SignalNoise())
            self.signals[signal.name] = SignalNoise(
                **{**known.__dict__, entry.field: (entry, draw)}
            )
        return count

    def _used(self, entry: Randomize) -> bool:
        return entry.operation != "scale"

    def _action(self, entry: Randomize) -> int:
        if entry.operation == "scale" or entry.high <= 0:
            raise _no_change(
                entry, "actions have no delay by default; give it in seconds, add or abs"
            )
        self.action_latency = entry
        return 1

    def _base(self, entry: Randomize) -> int:
        if self.where.base_qpos >= 0:
            return self._offset(entry, np.array([self.where.base_qpos]))
        return self._placed(entry, np.array([self.where.base_body]))

    def _placed(self, entry: Randomize, bodies: np.ndarray, drawn: int = 0) -> int:
        """Move bodies without a joint: xy [m] or yaw [rad] of their place in the world.

        Args:
            drawn: numbers that the entry already draws for others.
        """
        if entry.operation != "add":
            raise _only_add(entry)
        each, moves = entry.per == "target", entry.field == "position"
        field, how = ("body_pos", "add") if moves else ("body_quat", "yaw")
        width, size = (2, 3) if moves else (1, 4)
        for number, body in enumerate(bodies):
            first = drawn + number * width if each else 0
            positions = body * size + np.arange(2 if moves else 4)
            draw = first + (np.arange(2) if moves else np.zeros(4, int))
            self.writes.append(Write(entry.name, field, positions, draw, how))
        return drawn + width * len(bodies) if each else width

    def _object(self, entry: Randomize) -> int:
        model, kind = self.model, mujoco.mjtObj.mjOBJ_BODY
        ids = self._select(entry, kind, model.nbody, only=self.info.movable)
        free = np.array(
            [
                model.body_jntnum[i] == 1
                and model.jnt_type[model.body_jntadr[i]] == int(mujoco.mjtJoint.mjJNT_FREE)
                for i in ids
            ]
        )
        drawn = 0
        if free.any():
            drawn = self._offset(entry, model.jnt_qposadr[model.body_jntadr[ids[free]]])
        if not free.all():
            # Objects that the scene holds in place are moved like a fixed base: in the model.
            drawn = self._placed(entry, ids[~free], drawn)
        return drawn

    def _offset(self, entry: Randomize, qpos: np.ndarray) -> int:
        if entry.operation != "add":
            raise _only_add(entry)
        width = 2 if entry.field == "position" else 1
        each = entry.per == "target"
        draw = np.arange(len(qpos)) * width if each else np.zeros(len(qpos), int)
        self.offsets.append(Offset(entry.name, entry.field, qpos, draw))
        return width * (len(qpos) if each else 1)

    def _write(self, entry: Randomize, field: str, positions: np.ndarray, default) -> int:
        if entry.operation == "scale" and not np.any(default):
            raise _no_change(
                entry, f"{field} is 0 at every selected target, and 0 times anything is 0"
            )
        draw = self._draws(entry, len(positions))
        self.writes.append(Write(entry.name, field, np.asarray(positions), draw, entry.operation))
        return int(draw.max()) + 1

    def _draws(self, entry: Randomize, targets: int) -> np.ndarray:
        return np.arange(targets) if entry.per == "target" else np.zeros(targets, int)

    def _select(self, entry: Randomize, kind, count: int, only=None) -> np.ndarray:
        names = [mujoco.mj_id2name(self.model, kind, i) or "" for i in range(count)]
        chosen = [
            i
            for i, name in enumerate(names)
            if (
                fnmatchcase(name, entry.select)
                or fnmatchcase(name.removeprefix(ROBOT_PREFIX), entry.select)
            )
            and (only is None or name in only)
        ]
        if not chosen:
            raise _selects_nothing(entry, list(only) if only is not None else names)
        return np.array(chosen)


def _spread(entry: Randomize, u: jax.Array) -> jax.Array:
    if entry.distribution == "loguniform":
        return jnp.exp(np.log(entry.low) + u * (np.log(entry.high) - np.log(entry.low)))
    return entry.low + u * (entry.high - entry.low)


def _changed(xp: ModuleType, write: Write, old: Any, value: Any) -> Any:
    if write.how == "scale":
        return old * value
    if write.how == "add":
        return old + value
    if write.how == "ratio":
        return old * (write.base + value) / write.base
    if write.how == "ratio_abs":
        return old * value / write.base
    if write.how == "yaw":
        return _yawed(xp, old, value[..., 0])
    return value


def _yawed(xp: ModuleType, quat_wxyz: Any, yaw: Any) -> Any:
    """Return the orientation (..., 4) turned by `yaw` (...) [rad] about the world's z axis."""
    c, s = xp.cos(yaw / 2), xp.sin(yaw / 2)
    w, x, y, z = (quat_wxyz[..., i] for i in range(4))
    return xp.stack([c * w - s * z, c * x - s * y, c * y + s * x, c * z + s * w], axis=-1)


def _put(xp: ModuleType, array: Any, positions: np.ndarray, new: Any) -> Any:
    if xp is np:
        array = np.array(array)
        array[..., positions] = new
        return array
    return array.at[..., positions].set(new)


def _spot(entry: Randomize) -> str:
    return f"randomization {entry.name} ({entry.target} {entry.select!r} {entry.field})"


def _selects_nothing(entry: Randomize, names: list[str]) -> R2SError:
    known = [name for name in names if name]
    return R2SError(
        "R2S-SIM-010",
        f"randomization {entry.name} selects nothing",
        where=_spot(entry),
        why="the policy would look robust against something it never met",
        remedy=f"use a pattern that matches one of: {', '.join(known[:12]) or 'nothing to match'}",
    )


def _no_change(entry: Randomize, reason: str) -> R2SError:
    return R2SError(
        "R2S-SIM-011",
        f"randomization {entry.name} changes nothing: {reason}",
        where=_spot(entry),
        why="the policy would look robust against something it never met",
        remedy="change its operation or range, or remove it from the scene's list",
    )


def _only_add(entry: Randomize) -> R2SError:
    return R2SError(
        "R2S-SIM-012",
        f"randomization {entry.name} moves a pose by {entry.operation}",
        where=_spot(entry),
        why="poses are moved by an offset from where the scene puts them",
        remedy="use operation: add",
    )
