"""XLA's persistent compile cache: the second training of a scene starts without compiling."""

from __future__ import annotations

from pathlib import Path


def use_compile_cache(folder: Path, smallest_s: float = 0.5) -> None:
    """Keep programs that took at least `smallest_s` to compile in `folder`; results do not change."""
    import jax

    folder.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", smallest_s)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
