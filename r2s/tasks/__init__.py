"""Tasks as pure JAX functions over named signals; the same code runs on every engine.

Reading order: `specs` (default numbers and weights, no JAX), `kinematics` (derived signals), `task`
(what a task is, and `bind`), `resolved_rate` and `gait` (what training begins with), `reach`, `pose`,
`moving` (`push` and `pick`), `velocity`, `navigate`; `user` and `shapes` (a task from a user's own file:
read, run, checked). A task never sees an engine, a network or noise: it gets true signals and answers with
reward terms, termination and its success event.
"""
