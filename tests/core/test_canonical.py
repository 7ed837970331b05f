"""Laws of canonical JSON: equal values, equal bytes; unequal values, unequal bytes."""

import hashlib
import io
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2s.core.canonical import canonical_json, digest_bytes, digest_json, digest_stream

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_parsing_the_bytes_and_writing_them_again_changes_nothing(value):
    once = canonical_json(value)
    assert canonical_json(json.loads(once)) == once


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_key_order_does_not_matter(value):
    assert canonical_json(dict(reversed(value.items()))) == canonical_json(value)


def test_known_bytes():
    value = {"b": [1, 2.5, -0.0, True, None], "a": "e\u0301"}
    assert canonical_json(value) == '{"a":"é","b":[1,2.5,0.0,true,null]}'.encode()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_numbers_without_a_json_form_are_refused(bad):
    with pytest.raises(ValueError, match="no canonical JSON form"):
        canonical_json({"x": [bad]})


def test_keys_must_be_strings():
    with pytest.raises(ValueError, match="string keys"):
        canonical_json({1: 2})


def test_a_digest_is_plain_sha256():
    data = b"a scan" * 1000
    assert digest_bytes(data) == "sha256:" + hashlib.sha256(data).hexdigest()
    assert digest_stream(io.BytesIO(data)) == digest_bytes(data)
    assert digest_json({"a": 1}) == digest_bytes(b'{"a":1}')
