"""What the stages exchange: one typed, frozen artifact per module, each with its codec.

Reading order: `base` (what an artifact is), `arrays` and `pictures` (packed), then `scan`,
`reconstruction`, `robot`, `signal`, `kinematics`, `randomization`, `scene`, `policy`, `validation`,
`bundle`. An artifact turns into a config (JSON) and named files (bytes), and back; it never touches
the disk, so the store alone decides how bytes become durable and verified.
"""
