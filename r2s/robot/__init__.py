"""A URDF or MJCF becomes a `Robot`."""
