"""What changed since the nearest earlier run of a stage, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from r2s.core.canonical import digest_bytes
from r2s.engine.names import printable, short

if TYPE_CHECKING:
    from r2s.store import Store


FILES_NAMED = 3
LONGEST_VALUE = 160  # characters of a value: a list of edits is long


def reasons(store: Store, components: Mapping[str, Any]) -> list[str]:
    """Return why no earlier run of the stage can be reused, against the nearest one."""
    nearest = nearest_run(store, components)
    if nearest is None:
        return ["it never ran"]
    return list(changes(nearest["components"], components)) or ["its result is gone"]


def nearest_run(store: Store, components: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the earlier run of the same stage that differs least (the newest of equals), or None."""
    best: Mapping[str, Any] | None = None
    least = 0
    for record in store.newest_runs():
        if record.get("stage") != components["stage"]:
            continue
        distance = len(list(changes(record["components"], components)))
        if best is None or distance < least:
            best, least = record, distance
    return best


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Yield one phrase per changed component of an action."""
    if old["stage_version"] != new["stage_version"]:
        yield f"stage version {old['stage_version']} -> {new['stage_version']}"
    for role, before, after in _differences(old["inputs"], new["inputs"]):
        yield f"input {role} changed ({_digest(before)} -> {_digest(after)})"
    for role in sorted({*old["sources"], *new["sources"]}):
        files = _differences(old["sources"].get(role, {}), new["sources"].get(role, {}))
        # The file itself is called by its suffix only, and is what people know: name it first.
        named = sorted(files, key=lambda file: not _is_suffix(file[0]))
        for name, before, after in named[:FILES_NAMED]:
            what = f" ({name})" if _is_suffix(name) else f" file {name}"
            yield f"{role}{printable(what if name else '')} {_file_change(before, after)}"
        if len(named) > FILES_NAMED:
            yield f"{len(named) - FILES_NAMED} more files of the {role} changed"
    for field, before, after in _differences(flat(old["config"]), flat(new["config"])):
        yield f"config {field} {_value(before)} -> {_value(after)}"
    if old["seed"] != new["seed"]:
        yield f"seed {old['seed']} -> {new['seed']}"
    for tool, before, after in _differences(old["tools"], new["tools"]):
        yield f"tool {tool} {_value(before)} -> {_value(after)}"
    for facet, before, after in _differences(old["facets"], new["facets"]):
        yield f"platform {facet} {_value(before)} -> {_value(after)}"


def _is_suffix(name: str) -> bool:
    return "/" not in name and name.count(".") == name.startswith(".")


def flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested dicts under dotted names. Lists are leaves."""
    if not isinstance(tree, Mapping) or not tree:
        return {prefix: tree}
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        leaves |= flat(value, f"{prefix}.{key}" if prefix else str(key))
    return leaves


_ABSENT = object()


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for key in sorted({*old, *new}):
        before, after = old.get(key, _ABSENT), new.get(key, _ABSENT)
        if before != after:
            yield key, before, after


def _file_change(before: Any, after: Any) -> str:
    if before is _ABSENT:
        return "is new"
    if after is _ABSENT:
        return "is gone"
    return f"changed ({_digest(before)} -> {_digest(after)})"


def _digest(value: Any) -> str:
    return "none" if value is _ABSENT else short(value)


def _value(value: Any) -> str:
    if isinstance(value, str) and "\n" in value:  # a whole file
        return f"{len(value.splitlines())} lines ({short(digest_bytes(value.encode()))})"
    text = "(not set)" if value is _ABSENT else printable(str(value))
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."
