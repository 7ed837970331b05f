"""Two artifacts of one kind, side by side: settings, description, metrics, inputs, files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from r2s.engine.lineage import metrics_of
from r2s.engine.why import flat

if TYPE_CHECKING:
    from r2s.store import Store

Pairs = dict[str, tuple[Any, Any]]


def compare(store: Store, left: str, right: str) -> dict[str, Pairs]:
    """Return what differs, by section: name to (left value, right value); None where one has none."""
    a, b = store.get(left), store.get(right)
    return {
        "inputs": differing(a.inputs, b.inputs),
        "settings": differing(flat(a.stage), flat(b.stage)),
        "description": differing(flat(a.config), flat(b.config)),
        "metrics": differing(flat(metrics_of(store, left)), flat(metrics_of(store, right))),
        "files": differing(dict(a.sizes), dict(b.sizes)),
    }


def differing(left: Mapping[str, Any], right: Mapping[str, Any]) -> Pairs:
    """Return the keys whose values differ."""
    keys = sorted({*left, *right})
    return {key: (left.get(key), right.get(key)) for key in keys if left.get(key) != right.get(key)}
