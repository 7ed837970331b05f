"""Tasks as pure JAX functions over named signals."""
