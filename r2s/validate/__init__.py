"""The gate: the exported policy, through the robot's own runtime code, in careful physics.

Reading order: `scenarios` (which conditions), `physics` (the careful model), `trial` (how one trial begins),
`rollout` (many trials at once), `judge` (the task's own success event), `statistics` (bounds and verdict),
`equality` (proof that `rollout` does what the robot's runtime does), `stage`.
"""
