"""Engines behind one seam, the collector, and everything between a policy and physics.

Reading order: `protocol` (the seam), `model` (scene to MuJoCo), `randomization`, `environment`
(delays, noise, resets; pure JAX, the same for every engine), `cpu` (host loop over mujoco.batch),
`mjx` (lax.scan on an accelerator), `parity` (are the engines the same on this scene?),
`compile_cache`. Gradients, networks' training and files on disk are not here.
"""
