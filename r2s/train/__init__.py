"""Proximal policy optimization, split by noun.

Reading order: `stage` (config and the stage's body), `loop` (iterations, evaluation, checkpoints),
`gae`, `ppo` (losses and the update), `metrics` (what is logged), `checkpoint` (state to files and
back), `bench`. Physics, tasks and networks are in `sim`, `tasks` and `policy`.
"""
