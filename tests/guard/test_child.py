"""Laws of child processes: what happens in the child stays there, except results and clear errors."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest

from r2s.core.errors import R2SError, ResourceError, UnsafeInput
from r2s.guard.child import run_limited
from r2s.guard.limits import GIB, MIB, ChildLimits

SMALL = ChildLimits(memory_bytes=1 * GIB, cpu_s=20, wall_s=20.0)


def call(name: str, *args, limits: ChildLimits = SMALL):
    return run_limited(f"r2s.guard.drill:{name}", args, limits=limits, what="drill reading a.ply")


def test_values_come_back_equal():
    value = {
        "array": np.arange(12.0).reshape(3, 4)[:, ::2],
        "empty": np.empty((0, 3), np.float32),
        "flag": np.array([True, False]),
        "tree": [1, 2.5, None, "a", (b"x\x00", {"k": -1})],
    }
    back = call("echo", value)
    assert back["tree"] == value["tree"]
    for name in ("array", "empty", "flag"):
        np.testing.assert_array_equal(back[name], value[name])
        assert back[name].dtype == value[name].dtype


def test_the_child_is_another_process_and_is_used_again():
    first = call("process_id")
    assert first != os.getpid()
    assert call("process_id") == first


def test_a_crash_is_an_error_that_names_tool_and_file():
    with pytest.raises(UnsafeInput, match=r"drill reading a\.ply crashed") as caught:
        call("crash")
    assert caught.value.code == "R2S-CHILD-001"
    assert "SIGABRT" in caught.value.what
    assert "assertion failed in a native library" in caught.value.why
    assert call("echo", 3) == 3  # and the next call has a fresh child


def test_the_clock_ends_a_hang():
    started = time.monotonic()
    with pytest.raises(ResourceError, match=r"took longer than 0\.5 s"):
        call("hang", 60.0, limits=ChildLimits(GIB, 20, 0.5))
    assert time.monotonic() - started < 10


def test_processor_time_is_limited():
    with pytest.raises(ResourceError, match="s of processor time"):
        call("spin", 60.0, limits=ChildLimits(GIB, 1, 30.0))


def test_memory_is_limited_and_the_limit_does_not_stay():
    with pytest.raises(ResourceError, match=r"needs more than 0\.1 GiB") as caught:
        call("hoard", 600 * MIB, limits=ChildLimits(100 * MIB, 20, 20.0))
    assert caught.value.code == "R2S-CHILD-003"
    assert call("hoard", 300 * MIB) == 300 * MIB


def test_errors_of_the_family_keep_their_words():
    with pytest.raises(R2SError) as caught:
        call("refuse")
    assert caught.value.to_json() == {
        "code": "R2S-DRILL-001", "what": "this is a drill", "where": "here", "why": "to see",
        "remedy": "none",
    }  # fmt: skip


def test_unexpected_exceptions_are_told_without_a_traceback():
    with pytest.raises(R2SError, match="IndexError") as caught:
        call("stumble")
    assert caught.value.code == "R2S-CHILD-004"
    assert caught.value.why == "index 7 is out of bounds"


def test_prints_of_a_library_do_not_disturb_the_answer():
    assert call("chatter") == "quiet"


def test_only_functions_of_r2s_run():
    with pytest.raises(R2SError, match="ValueError"):
        run_limited("os:system", ("true",), limits=SMALL, what="drill")


def test_a_watch_is_called_and_can_end_the_child():
    calls = []

    def watch() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_limited("r2s.guard.drill:hang", (60.0,), limits=SMALL, what="a drill", watch=watch)
    assert len(calls) == 2 and time.monotonic() - started < 15
    assert call("echo", 7) == 7
