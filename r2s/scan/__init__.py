"""From a stranger's capture to a `Scan`: metres, z up, one point per voxel, with evidence.

Reading order: `readers` (one file per format family) make a `Capture`; then `clean` (what is not
surface), `units` and `scale` (metres), `planes` and `gravity` (which way is up), `frame` (the world frame),
`voxels` (one point per voxel), `surface` (normals, noise, stray points), `viewpoints` (where the sensor was).
`stage` ties them together.
"""
