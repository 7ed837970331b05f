"""Names of refs, made from any text and safe to print."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2s.core.errors import UsageError
from r2s.engine.names import checked_name, name_from, printable


@given(st.text(max_size=80))
def test_any_text_gives_a_valid_name(text: str):
    assert checked_name(name_from(text)) == name_from(text)


@given(st.text(max_size=80))
def test_making_a_name_twice_changes_nothing(text: str):
    assert name_from(name_from(text)) == name_from(text)


@given(st.text(max_size=80))
def test_printable_text_has_no_control_or_invisible_characters(text: str):
    assert printable(text).isprintable()


@pytest.mark.parametrize("name", ["", "../up", "a/b", "a b", "-x", "x\n", "ü"])
def test_a_bad_name_is_refused_with_a_good_one(name: str):
    with pytest.raises(UsageError) as caught:
        checked_name(name)
    assert caught.value.remedy.startswith("--name ")


def test_names_without_a_latin_letter_stay_apart():
    assert name_from("台所") != name_from("居間")


def test_a_name_is_refused_as_it_was_given():
    with pytest.raises(UsageError, match="'a/b' cannot be a name: it holds `/`"):
        checked_name("a/b")


def test_a_real_file_name():
    assert name_from("milk_cartoon_all_small_clorox") == "milk_cartoon_all_small_clorox"
    assert name_from("Küche (neu)") == "kuche-neu"
