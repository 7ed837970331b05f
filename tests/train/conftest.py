"""Every test of this folder compiles the same few programs: keep them in XLA's persistent cache."""

import pytest

from r2s.sim.compile_cache import use_compile_cache


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory):
    import jax

    before = jax.config.jax_compilation_cache_dir
    use_compile_cache(tmp_path_factory.mktemp("xla"), smallest_s=0.0)
    yield
    jax.config.update("jax_compilation_cache_dir", before)
