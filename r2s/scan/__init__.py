"""A foreign capture becomes a `Scan`: readers, cleaning, units, gravity."""
