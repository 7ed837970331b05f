"""A `Policy` and its `Validation` become a `Bundle`: a folder that tests itself on the robot's computer.

Reading order: `targets` (which computers, as data), `golden` (what the robot's computer must reproduce),
`scripts/` (shell and systemd files of every bundle), `package` (files, manifest, checksums), `stage`.
"""
