"""Do the two models agree on what touches? Sampled configurations, verdict by verdict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from r2s.core.rigid import Array
from r2s.core.seeds import generator
from r2s.scene.twin import Twin

SAMPLES = 1500
DISAGREEMENT_WARNING = 0.1


@dataclass(frozen=True)
class ContactAudit:
    """Shares of sampled configurations.

    Attributes:
        touching: that touch something with exact colliders.
        missed: that touch with exact colliders only: training is blind to these.
        invented: that touch with training colliders only: training is afraid of these.
        always: (body, body) pairs of the training model that touch in nearly every configuration
            although they never do with exact colliders.
    """

    samples: int
    touching: float
    missed: float
    invented: float
    worst: str

    @property
    def differ(self) -> float:
        return self.missed + self.invented


def audit_contacts(twin: Twin, seed: int, samples: int = SAMPLES) -> ContactAudit:
    """Compare the models of a twin in random configurations of the action's joints."""
    exact, train = twin.probe(exact=True), twin.probe(exact=False)
    missed = invented = touching = 0
    blame: dict[str, int] = {}
    for q in configurations(twin, seed, samples):
        a, b = exact.touches(q), train.touches(q)
        touching += bool(a)
        missed += bool(a) and not b
        invented += bool(b) and not a
        if bool(a) != bool(b):
            pair = _bodies((a or b)[0])
            blame[pair] = blame.get(pair, 0) + 1
    worst = min(blame, key=lambda pair: (-blame[pair], pair), default="")
    return ContactAudit(
        samples,
        round(touching / samples, 6),
        round(missed / samples, 6),
        round(invented / samples, 6),
        worst,
    )


def configurations(twin: Twin, seed: int, count: int) -> Array:
    """Return (count, joints) uniform configurations within the action's limits."""
    actions = twin.vocabulary.actions
    low, high = np.array(actions.low), np.array(actions.high)
    return low + (high - low) * generator(seed, "scene", "audit").random((count, len(low)))


def _bodies(touch) -> str:
    def body(geom: str) -> str:
        for kind in ("_exact_", "_train_"):
            geom = geom.split(kind)[0]
        return geom.split("/visual")[0]

    return " - ".join(sorted((body(touch.one), body(touch.other))))
