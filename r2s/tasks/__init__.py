"""Tasks as pure JAX functions over named signals; the same code runs on every engine.

Reading order: `specs` (default numbers and weights, no JAX), `kinematics` (derived signals), `task`
(what a task is, and `bind`), `reach`, `push`, `velocity`. A task never sees an engine, a network or noise:
it gets true signals and answers with reward terms, termination and its success event.
"""
