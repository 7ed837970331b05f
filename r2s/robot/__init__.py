"""A URDF or MJCF file becomes a `Robot`: a self-contained robot.xml and what later stages must know.

Reading order: `stage` (table of contents), `description` (what both readers produce), `urdf` and
`mjcf` (the readers), `resolve` and `meshes` (files), `inertia` (repairs), `colliders` (hulls,
spheres, capsules), `write` (description to MJCF), `selfcollision`, `morphology` (limbs), `kinds` (what
kind of robot, with evidence), `profile` (a person's word), `posture`, `home`, `stance` (the pose it
starts in), `mimics`, `actuators`, `kinematics` (chain, reach). Optional: `xacro`, `packaged`.
"""
