"""What a person says about the bodies of a place: an ordered list of edits, data of the reconstruction.

An edit names a body as the reconstruction found it (or as an earlier edit of the list named it), and
may pin where that body was: after a new scan, names count anew, places do not.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from r2s.artifacts.base import Frozen
from r2s.artifacts.geometry import Range, Vec3
from r2s.core.errors import UsageError

Material = Literal[
    "aluminium", "cardboard", "ceramic", "fabric", "foam", "glass", "paper", "plastic", "rubber",
    "steel", "stone", "wood",
]  # fmt: skip
MATERIALS: tuple[str, ...] = get_args(Material)


def _as_range(value: Any) -> Any:
    """Take a number, or [low, high], for a range a person gives."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return {"value": value, "low": value, "high": value, "source": "user"}
    if isinstance(value, list | tuple) and len(value) == 2:
        low, high = value
        middle = (low + high) / 2 if isinstance(low, int | float) else low
        return {"value": middle, "low": low, "high": high, "source": "user"}
    return value


def _as_target(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class Target(Frozen):
    """A body: its name, and where the reconstruction found it (metres, world frame)."""

    name: str = Field(min_length=1)
    near: Vec3 | None = None


class Cut(Frozen):
    """A plane across a world axis, at a coordinate [m]."""

    axis: Literal["x", "y", "z"]
    at: float


TargetLike = Annotated[Target, BeforeValidator(_as_target)]
RangeLike = Annotated[Range, BeforeValidator(_as_range)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]


class Edit(Frozen):
    """One change of one body.

    Attributes:
        body: which.
        name, label: what it is called from now on, and what kind of thing it is (`mug`).
        drop: leave it out, and its points out of the audit.
        merge: bodies that become one with it.
        split: into how many, or where to cut it; the pieces are called `<name>_0`, `<name>_1`, ...
        mobility: `static` or `movable`.
        material: what it is made of: its density and friction come from the table.
        mass_kg, friction: a number, or [low, high].
    """

    body: TargetLike
    name: Name | None = None
    label: Annotated[str, Field(min_length=1, max_length=60)] | None = None
    drop: bool = False
    merge: tuple[TargetLike, ...] = ()
    split: Annotated[int, Field(ge=2, le=8)] | Cut | None = None
    mobility: Literal["static", "movable"] | None = None
    material: Material | None = None
    mass_kg: RangeLike | None = None
    friction: RangeLike | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """What it says of the body as it is, by field."""
        names = ("label", "mobility", "material", "mass_kg", "friction")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    @model_serializer(mode="wrap")
    def _only_what_it_says(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        said = serialize(self)
        return {
            key: value for key, value in said.items() if getattr(self, key) != fields[key].default
        }

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        changes = bool(self.facts or self.name or self.merge or self.split is not None)
        if self.drop and changes:
            raise ValueError("a body that is dropped cannot be changed as well")
        if self.merge and self.split is not None:
            raise ValueError("merge and split contradict each other: make them two edits")
        if not (self.drop or changes):
            raise ValueError("this edit changes nothing")
        for field, least in (("mass_kg", 1e-6), ("friction", 1e-3)):
            given: Range | None = getattr(self, field)
            if given is not None and not least <= given.low <= given.value <= given.high:
                raise ValueError(f"{field} must be positive, and low <= high")
        return self


class Found(Frozen):
    """A body as the reconstruction found it, before edits: its name, role and middle (metres, world)."""

    name: str
    role: str
    center_m: Vec3


def contradiction(number: int, name: str, reason: str) -> UsageError:
    """Return the error of an edit that another edit of the list makes meaningless."""
    return UsageError(
        "R2S-LAYOUT-005",
        f"edit {number} of {name} contradicts another: {reason}",
        where=f"edit {number}",
        why="which of them counts would be a guess",
        remedy="change or remove one of the two edits, and run `r2s layout edit --file EDIT.yaml` again",
    )
