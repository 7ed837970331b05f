"""What an artifact is: a frozen value that becomes a config and named files, and comes back equal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Protocol, Self

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Base of every config and every artifact description: strict, immutable, no unknown fields."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, ser_json_inf_nan="constants"
    )


class Encoded(NamedTuple):
    """An artifact as the store keeps it.

    Attributes:
        config: JSON tree; the artifact's description. Holds no file bytes, no dates, no hosts.
        files: file name (posix, relative, no `..`) to bytes.
    """

    config: dict[str, Any]
    files: Mapping[str, bytes]


class Artifact(Protocol):
    """The codec every artifact has.

    Law: `decode(*encode(a)) == a`, and equal values encode to equal bytes.
    """

    KIND: ClassVar[str]

    def encode(self) -> Encoded: ...

    @classmethod
    def decode(cls, config: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        """Rebuild from a config and files. `files` may load (and verify) lazily on access."""
        ...
