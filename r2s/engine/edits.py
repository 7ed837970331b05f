"""Layout edits as a person writes them: a small YAML list, pinned to the bodies it names."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from r2s.artifacts.edits import MATERIALS, Edit, Found, Target, contradiction
from r2s.core.errors import UsageError
from r2s.engine.stage import validated

if TYPE_CHECKING:
    from r2s.artifacts.reconstruction import ReconstructionInfo

MAX_BYTES = 1 << 20
_TEMPLATE = "r2s layout edit   # without --file: writes a commented template"

_HEAD = """\
# Layout edits of {name}: an ordered list. Each names a body and says what of it changes:
#
#   - body: object_0            # as `r2s layout` lists it
#     name: mug                 # a new name
#     label: mug                # what kind of thing it is: a class with known weights
#     material: ceramic         # {materials}
#     mass_kg: 0.35             # or a range: [0.3, 0.4]; or as it was weighed:
#                               #   {{value: 0.35, low: 0.34, high: 0.36, source: measured}}
#     friction: [0.3, 0.5]
#     mobility: movable         # or static
#   - body: object_1
#     drop: true                # not part of the place (a person who walked by)
#   - body: object_2
#     merge: [object_3]         # one thing that was seen as two
#   - body: clutter_0
#     split: 2                  # 2 to 8 pieces; or where to cut: {{axis: x, at: 0.4}}
#
# The list is the whole of the edits: what is not in it is as the scan has it; [] takes all back.
# `near` pins where a body was, so that the edit finds it again in a new scan.
"""


def load(path: Path) -> tuple[Edit, ...]:
    """Read a file of edits.

    Raises:
        UsageError: it is no YAML list of edits; the message names the edit and the field.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as exc:
        raise UsageError(
            "R2S-LAYOUT-001",
            f"the edits cannot be read: {exc.strerror}",
            where=str(path),
            remedy=_TEMPLATE,
        ) from exc
    if len(text) > MAX_BYTES:
        raise _not_a_list(str(path), "it is larger than 1 MB")
    return load_text(text, where=str(path))


def load_text(text: str | bytes, *, where: str = "edits") -> tuple[Edit, ...]:
    """Return the edits a YAML text lists; see `load`."""
    import yaml

    try:
        tree = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        raise UsageError(
            "R2S-LAYOUT-002",
            f"this is not YAML: {' '.join(str(exc).split())}",
            where=where,
            remedy=_TEMPLATE,
        ) from exc
    if not isinstance(tree, list):
        raise _not_a_list(where, f"it is {'empty' if tree is None else 'no list'}")
    return tuple(_edit(each, number, where) for number, each in enumerate(tree, start=1))


def pinned(edits: Sequence[Edit], info: ReconstructionInfo) -> tuple[Edit, ...]:
    """Return the edits with every body's place, as the reconstruction found it before edits.

    Names that earlier edits of the list make are left as they are. A body may be called by its present
    name too.

    Raises:
        UsageError: there is no body of that name.
    """
    places = {found.name: found for found in info.before_edits()}
    now = {
        body.name: body.found_as[0]
        for body in info.bodies
        if len(body.found_as) == 1 and body.name not in places
    }
    made: set[str] = set()
    gone: dict[str, str] = {}
    result = []
    for number, edit in enumerate(edits, start=1):
        for name in (edit.body.name, *(each.name for each in edit.merge)):
            if name in gone and name not in made:
                raise contradiction(number, name, gone[name])
        body = _pin(edit.body, number, places, now, made)
        merge = tuple(_pin(each, number, places, now, made) for each in edit.merge)
        result.append(edit.model_copy(update={"body": body, "merge": merge}))
        gone |= {each.name: f"edit {number} merged it into {edit.body.name}" for each in edit.merge}
        if edit.drop:
            gone[edit.body.name] = f"edit {number} dropped it"
        if edit.name is not None:
            made.add(edit.name)
        if edit.split is not None:
            pieces = edit.split if isinstance(edit.split, int) else 2
            made |= {f"{edit.name or body.name}_{k}" for k in range(pieces)}
    return tuple(result)


def template(name: str, info: ReconstructionInfo) -> str:
    """Return a commented YAML file: the edits there are, and every body as a comment to begin with."""
    import yaml

    lines = [_HEAD.format(name=name, materials=", ".join(MATERIALS))]
    if info.edits:
        said = [_plain(edit) for edit in info.edits]
        lines.append(yaml.safe_dump(said, sort_keys=False, allow_unicode=True))
    else:
        lines.append("[]   # take this away when you add edits below\n")
    lines.append("# What the scan has:")
    lines += [
        f"# - body: {found.name}   # {found.role} at "
        f"({', '.join(f'{x:.2f}' for x in found.center_m)})"
        for found in info.before_edits()
    ]
    return "\n".join(lines) + "\n"


def _plain(edit: Edit) -> dict[str, Any]:
    """Return an edit as a person would write it."""
    tree = edit.model_dump(mode="json", exclude_defaults=True)
    for key in ("mass_kg", "friction"):
        if key in tree and tree[key]["source"] == "user":
            low, high = tree[key]["low"], tree[key]["high"]
            tree[key] = low if low == high else [low, high]
    return json.loads(json.dumps(tree))


def _edit(tree: Any, number: int, file: str) -> Edit:
    where = f"{file}, edit {number}"
    if not isinstance(tree, dict):
        raise _not_a_list(file, f"edit {number} is no mapping of names to values")
    try:
        edit = validated(Edit, {str(key): value for key, value in tree.items()}, where=where)
    except UsageError as exc:
        fields = exc.remedy if "fields:" in exc.remedy else _TEMPLATE
        raise UsageError(
            "R2S-LAYOUT-003", exc.what.replace("value error, ", ""), where=where, remedy=fields
        ) from exc
    assert isinstance(edit, Edit)
    return edit


def _pin(
    target: Target, number: int, places: dict[str, Found], now: dict[str, str], made: set[str]
) -> Target:
    if target.near is not None or target.name in made:
        return target
    found = places.get(now.get(target.name, target.name))
    if found is None:
        known = sorted({*places, *now, *made})
        near = difflib.get_close_matches(target.name, known, n=5, cutoff=0.4) or known[:8]
        raise UsageError(
            "R2S-LAYOUT-004",
            f"there is no body {target.name!r}",
            where=f"edit {number}",
            why=f"near: {', '.join(near)}",
            remedy="r2s layout   # lists the bodies",
        )
    x, y, z = (round(value, 3) + 0.0 for value in found.center_m)
    return Target(name=found.name, near=(x, y, z))


def _not_a_list(where: str, reason: str) -> UsageError:
    return UsageError(
        "R2S-LAYOUT-003",
        f"this is not a list of edits: {reason}",
        where=where,
        why="each edit names a body and what of it changes",
        remedy=_TEMPLATE,
    )
