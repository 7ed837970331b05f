"""A `Scan` becomes a `Reconstruction`: planes, supports, objects, colliders, physics, audit."""
