"""A `Scan` becomes a `Reconstruction`: planes, supports, objects, colliders, physics, audit.

Reading order: `stage` (the table of contents), `cloud`, `rays`, `freespace`; `layout` (who explains
which points), with `planes`, `footprint`, `levels`, `shell`, `supports`; `ground`, `terrain` (where
the floor is no plane); `objects`, with `completion`, `primitives`, `hulls` (`coacd_worker` runs in
a child); `panels`, `clutter`, `selection` for the rest; `parts` and `physical` (names, mass,
inertia), `solids` (closed-form geometry), `surface` (`implicit`, `thinning`), `visuals` (`closed`) and
`painting` (what is seen of it); `audit` and `truth`.
"""
