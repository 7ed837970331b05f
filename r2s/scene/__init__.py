"""A `Reconstruction` and a `Robot` become a `Scene`: two MJCF twins, a task and its samples.

Reading order: `stage` (table of contents), `environment` (bodies of the place), `training_shapes` (what
the training model is made of), `upright` (a thing from above), `robot_tree` (robot.xml, one set of
colliders), `compose` (the MJCF text), `twin` (both models), `probe` (questions about collisions),
`distance` (points to colliders), `surfaces` (level ground), `gripper` and `target` (what holds, and the
thing a task moves), `placement` and `near` (where a robot stands, what is near), `settle` (does it
stay?), `goals`, `handling` (`pushes` and `grasps`), `spawns` and `routes` (samples), `signals`,
`mobile_base`, `base_signals`, `randomization` (what a task may use, what varies), `audit` (do the twins
agree?), `speed`, `camera`, `errors`.
"""
