"""A `Policy` and its `Validation` become a `Bundle`."""
