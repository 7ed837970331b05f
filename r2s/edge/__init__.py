"""What runs on the robot: numpy and onnxruntime only, Python 3.10 or newer, relative imports only.

In a bundle this package is called `r2s_edge`: `python -m r2s_edge selftest DIR`.

Reading order: `contract` (what a policy expects and promises), `manifest` (a bundle folder, verified),
`kinematics`, `observe` (readings become named inputs), `policy` (the ONNX session), `safety` (the envelope
between policy and motors), `controller` (one tick), `runtime` (life cycle, clock, transport), `log`,
`selftest`, `__main__`.

Not certified for functional safety: an emergency stop is external and never waits for this program.
"""
