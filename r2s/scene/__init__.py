"""A `Reconstruction` and a `Robot` become a `Scene`."""
