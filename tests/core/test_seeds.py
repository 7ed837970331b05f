"""Seeds are named streams."""

from r2s.core.seeds import derive_seed, generator


def test_same_name_same_stream_other_name_other_stream():
    assert generator(0, "goals").random() == generator(0, "goals").random()
    assert generator(0, "goals").random() != generator(0, "spawns").random()
    assert generator(0, "goals").random() != generator(1, "goals").random()


def test_names_do_not_run_into_each_other():
    assert derive_seed(0, "a", "bc") != derive_seed(0, "ab", "c")
    assert derive_seed(1, "2") != derive_seed(12)


def test_a_seed_fits_in_63_bits():
    assert all(0 <= derive_seed(0, i) < 2**63 for i in range(100))
