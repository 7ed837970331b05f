"""Repair runs the recorded action again, and refuses where it would be another."""

from __future__ import annotations

import pytest
import toy_stages

from r2s.core.errors import NotReproducible, R2SError
from r2s.engine.execute import Executor
from r2s.engine.repair import remake

STAGES = {"source": toy_stages.SOURCE, "double": toy_stages.DOUBLE}


def break_points(store, digest: str) -> None:
    layer = store.manifest(digest).layers[0]
    path = store.path / "blobs" / "sha256" / layer.digest[7:]
    path.chmod(0o644)
    path.write_bytes(b"broken" + path.read_bytes()[6:])


def remake_with(store, stages=STAGES):
    return store.repair(lambda broken: remake(store, broken.record, stages=stages) and None)


def test_damaged_results_are_made_again_inputs_first(store, chain):
    results = Executor(store).run(chain())
    for result in results:
        break_points(store, result.digest)
    assert len(store.fsck()) == 2
    report = remake_with(store)
    assert (len(report.remade), report.lost) == (2, [])
    assert store.fsck() == []
    assert store.get(results[1].digest).files["points.safetensors"]


def test_a_changed_capture_is_refused_by_name(store, chain, capture):
    result = Executor(store).run(chain())[0]
    break_points(store, result.digest)
    capture.write_text("9 9 9")
    with pytest.raises(R2SError, match="cannot be repeated") as caught:
        remake_with(store)
    assert "capture (.txt) changed" in caught.value.why


def test_a_capture_that_is_gone_is_refused(store, chain, capture):
    result = Executor(store).run(chain())[0]
    break_points(store, result.digest)
    capture.unlink()
    with pytest.raises(R2SError, match="there is no file"):
        remake_with(store)


def test_other_bytes_are_not_passed_off_as_a_repair(store, chain, monkeypatch):
    result = Executor(store).run(chain())[0]
    break_points(store, result.digest)
    monkeypatch.setattr(
        toy_stages.SOURCE.load(), "run", lambda inputs, config, context: toy_stages.scan_of([5.0])
    )
    with pytest.raises(NotReproducible) as caught:
        remake_with(store)
    assert caught.value.exit_code == 8
