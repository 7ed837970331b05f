"""From a config field to a flag and back: every kind of field a stage uses."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import Field

from r2s.artifacts.base import Frozen
from r2s.cli import app
from r2s.cli.flags import field_help, given, leaves, parse, type_name
from r2s.engine.catalog import STAGES


class Config(Frozen):
    """A config.

    Attributes:
        size: how large it is [m], told in a sentence that
            goes on.
        low, high: the ends of the range.
    """

    size: float = 1.0
    low: float = 0.0
    high: float = 1.0
    place: tuple[float, float, float] | None = None
    points: tuple[float, ...] = ()
    axis: Literal["x", "y"] = "x"
    voxel: float | Literal["auto"] = "auto"
    weights: dict[str, float] = Field({})
    layers: tuple[int, ...] = (64, 64)
    text: str = Field("", description="any words")


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("size", "0.5", 0.5),
        ("size", "1e-3", 1e-3),
        ("place", "0.3,-0.1,0", (0.3, -0.1, 0.0)),
        ("place", "[0.3, -0.1, 0]", (0.3, -0.1, 0.0)),
        ("points", "1", (1.0,)),
        ("axis", "y", "y"),
        ("voxel", "auto", "auto"),
        ("voxel", "0.01", 0.01),
        ("weights", "reach=1.5,smooth=-0.1", {"reach": 1.5, "smooth": -0.1}),
        ("weights", '{"reach": 2}', {"reach": 2.0}),
        ("layers", "128,64,32", (128, 64, 32)),
        ("text", "12", "12"),
        ("text", "a=b,c", "a=b,c"),
    ],
)
def test_text_becomes_the_fields_value(field: str, text: str, value):
    parsed = parse(text, Config.model_fields[field].annotation)
    assert getattr(Config.model_validate({field: parsed}), field) == value


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("size", "FLOAT"),
        ("axis", "[x|y]"),
        ("layers", "INT,..."),
        ("voxel", "FLOAT|[auto]"),
        ("weights", "KEY=VALUE,..."),
    ],
)
def test_help_says_what_to_write(field: str, name: str):
    assert type_name(Config.model_fields[field].annotation) == name


def test_help_comes_from_the_field_or_the_docstring():
    assert field_help(Config, "text") == "any words"
    assert field_help(Config, "size") == "how large it is [m], told in a sentence that goes on."
    assert field_help(Config, "high") == "the ends of the range."


@pytest.mark.parametrize("name", STAGES)
def test_every_setting_of_every_stage_is_explained(name: str):
    settings = leaves(STAGES[name].load().Config)
    assert [path for path, model in settings if not field_help(model, path[-1])] == []


def test_a_nested_model_is_written_with_its_fields_name():
    assert ("ppo", "learning_rate") in dict(leaves(STAGES["train"].load().Config))
    key = "train__ppo__learning_rate"
    values = {key: "1e-4", "train__ppo__adaptive_rate": False, "train__engine": None, "ref": "lab"}
    assert given(values, STAGES) == {
        "train": {"ppo": {"learning_rate": 1e-4, "adaptive_rate": False}}
    }


@pytest.mark.parametrize("command", app.COMMANDS)
def test_no_two_settings_of_a_command_share_a_flag(command: str):
    group = app.LazyGroup(name="r2s")
    options = group.get_command(None, command).params
    flags = [flag for each in options for flag in (*each.opts, *each.secondary_opts)]
    assert sorted(flags) == sorted(set(flags))
