"""Errors keep their facts on every way out: text, JSON, and across processes."""

import pickle

from r2s.core.errors import GateFailed, IntegrityError, R2SError, UnsafeInput

ERROR = UnsafeInput(
    "R2S-GUARD-001", "the file is a bomb", where="x.zip", why="1 GB from 1 kB", remedy="r2s doctor"
)


def test_the_text_ends_with_the_remedy():
    assert str(ERROR) == (
        "error[R2S-GUARD-001]: the file is a bomb\n  where: x.zip\n  why: 1 GB from 1 kB\n"
        "\nhint: r2s doctor"
    )


def test_json_has_exactly_the_contract_fields():
    assert set(ERROR.to_json()) == {"code", "what", "where", "why", "remedy"}


def test_errors_cross_processes():
    copy = pickle.loads(pickle.dumps(ERROR))
    assert type(copy) is UnsafeInput
    assert copy.to_json() == ERROR.to_json()


def test_exit_codes_follow_the_family():
    codes = [
        e("R2S-X-001", "x").exit_code for e in (R2SError, GateFailed, IntegrityError, UnsafeInput)
    ]
    assert codes == [1, 4, 5, 7]
