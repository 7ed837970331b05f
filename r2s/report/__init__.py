"""Pictures without a GPU and one-file HTML."""
