"""Running steps: lock the action, run the stage, store the bytes, record the run, move the ref.

Crash-only. Nothing is visible before its bytes are durable (the store's rule), the key lock dies with
the process, and the same command after kill -9 finds every finished step and resumes the unfinished.
"""

from __future__ import annotations

import os
import platform
import resource
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from r2s import __version__
from r2s.core.context import Progress, StageContext, silent
from r2s.core.errors import R2SError
from r2s.core.memory import peak_bytes
from r2s.engine.interrupt import StopRequest, stoppable
from r2s.engine.metrics import metrics, plain
from r2s.engine.plan import Decision, Planner
from r2s.engine.step import Step, in_order
from r2s.engine.trust import opened

if TYPE_CHECKING:
    from r2s.store import Store

RECORD_FORMAT = "r2s.run/1"

# What an artifact itself says of its making. Versions of stages and tools stay in the run record, so
# that an upgrade that changes no byte of a result does not make everything after it run again.
PROVENANCE = ("stage", "config", "sources", "seed")


@dataclass(frozen=True)
class Result:
    """A finished step.

    Attributes:
        ref: name of the ref that points to it, or "".
        seconds: how long the stage ran when it ran; near zero for a hit.
    """

    step: Step
    digest: str
    kind: str
    ref: str
    cached: bool
    seconds: float
    metrics: Mapping[str, Any]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    because: tuple[str, ...] = ()


class Reporter(Protocol):
    """Hears what the executor does. Every method may be slow; none may raise."""

    def decided(self, decision: Decision) -> None: ...

    def progress(self, step: Step) -> Progress: ...

    def waiting(self, message: str) -> None: ...

    def finished(self, result: Result) -> None: ...


class Refused(R2SError):
    """A stage finished, and its result must not get a ref (a failed audit).

    Attributes:
        made: digest of the result, which is kept.
    """

    def __init__(self, *args: str, made: str, **texts: str):
        super().__init__(*args, **texts)
        self.made = made


class SilentReporter:
    """A `Reporter` that shows nothing."""

    def decided(self, decision: Decision) -> None:
        pass

    def progress(self, step: Step) -> Progress:
        return silent

    def waiting(self, message: str) -> None:
        pass

    def finished(self, result: Result) -> None:
        pass


class Executor:
    """Runs a step and everything it needs that has no result yet."""

    def __init__(
        self,
        store: Store,
        *,
        reporter: Reporter | None = None,
        command: str = "",
        force: frozenset[str] = frozenset(),
    ):
        """Args:
        command: the command line, for the run record.
        force: names of stages that run although a result exists.
        """
        self._store = store
        self._reporter = reporter or SilentReporter()
        self._command = command
        self._planner = Planner(store, force=force)
        self._replanner = Planner(store)

    def run(self, target: Step) -> list[Result]:
        """Return the results of `target` and of all it needs, in the order they ran; target last.

        Raises:
            R2SError: a stage or the store failed; what was finished before is kept.
            Interrupted: the user stopped it.
        """
        results: dict[Step, Result] = {}
        with stoppable(self._reporter.waiting) as stop:
            for step in in_order(target):
                inputs = {
                    role: results[source].digest if isinstance(source, Step) else source
                    for role, source in step.inputs.items()
                }
                results[step] = self._run_step(step, inputs, stop)
                self._reporter.finished(results[step])
        return list(results.values())

    def _run_step(self, step: Step, inputs: Mapping[str, str], stop: StopRequest) -> Result:
        began = time.monotonic()
        decision = self._planner.decide(step, inputs)
        self._reporter.decided(decision)
        if decision.hit:
            return self._adopt(decision, time.monotonic() - began)
        assert decision.action is not None
        with self._store.key_lock(decision.action.key, self._reporter.waiting):
            if not decision.because[0].startswith("--force"):
                # Another process may have finished this very action while we waited for its lock.
                again = self._replanner.decide(step, inputs)
                if again.hit:
                    return self._adopt(again, time.monotonic() - began)
            return self._make(decision, inputs, stop)

    def _adopt(self, decision: Decision, seconds: float) -> Result:
        record = decision.record
        assert record is not None
        _refuse(record)
        ref = self._point(
            decision.step, record["output"], f"{decision.step.stage.command} (cached)"
        )
        return Result(
            decision.step,
            record["output"],
            record["kind"],
            ref,
            True,
            seconds,
            record["metrics"],
            tuple(record["warnings"]),
            tuple(record.get("notes", ())),  # absent in older records
            record["facts"],
        )

    def _make(self, decision: Decision, inputs: Mapping[str, str], stop: StopRequest) -> Result:
        step, action = decision.step, decision.action
        assert action is not None
        started, began = _utc_now(), time.monotonic()
        self._store.hold(inputs.values())
        checkpoint = self._store.checkpoint(action.key)
        if checkpoint.exists:
            self._reporter.waiting(f"{step.stage.command}: goes on from its checkpoint")
        with self._store.scratch() as scratch:
            context = StageContext(
                scratch=Path(scratch),
                sources={role: path.absolute() for role, path in step.sources.items()},
                seed=step.seed,
                progress=self._reporter.progress(step),
                cancelled=stop,
                checkpoint=checkpoint,
            )
            artifact = step.stage.load().run(self._opened(inputs), step.config, context)
        seconds = time.monotonic() - began
        encoded = artifact.encode()
        digest = self._store.put(
            artifact.KIND,
            encoded.config,
            encoded.files,
            inputs=dict(inputs),
            stage={name: action.components[name] for name in PROVENANCE},
        )
        facts = plain(dict(context.facts))
        before = self._store.get_run(action.key)
        record = {
            "format": RECORD_FORMAT,
            "key": action.key,
            "stage": step.stage.name,
            "components": action.components,
            "kind": artifact.KIND,
            "output": digest,
            "because": list(decision.because),
            "seconds": round(seconds, 3),
            "peak_memory_bytes": _peak_memory_bytes(),
            "facts": facts,
            "metrics": metrics(artifact.KIND, artifact, {**facts, "seconds": round(seconds, 3)}),
            "warnings": _warnings(step, artifact, digest, before),
            "notes": _sentences(artifact, "notes"),
            "refused": _refusal(step, artifact),
            "started": started,
            "sources": {role: str(path.absolute()) for role, path in step.sources.items()},
            "command": self._command,
            "host": _host(),
        }
        self._store.put_run(action.key, record)
        checkpoint.clear()
        _refuse(record)
        ref = self._point(step, digest, step.stage.command)
        return Result(
            step,
            digest,
            artifact.KIND,
            ref,
            False,
            record["seconds"],
            record["metrics"],
            tuple(record["warnings"]),
            tuple(record["notes"]),
            facts,
            decision.because,
        )

    def _opened(self, inputs: Mapping[str, str]) -> dict[str, Any]:
        return {role: opened(self._store, digest) for role, digest in inputs.items()}

    def _point(self, step: Step, digest: str, reason: str) -> str:
        name = step.ref_of(self._store.get(digest).config)
        if name and self._store.ref(name) != digest:
            self._store.set_ref(name, digest, reason)
        return name


def _warnings(
    step: Step, artifact: Any, digest: str, before: Mapping[str, Any] | None
) -> list[str]:
    warnings = _sentences(artifact, "warnings")
    bitwise = step.stage.load().DETERMINISM == "bitwise"
    if bitwise and before is not None and before["output"] != digest:
        warnings.append(
            f"{step.stage.command} is declared bitwise but gave other bytes than on "
            f"{before['started']}; please report it"
        )
    return warnings


def _sentences(artifact: Any, name: str) -> list[str]:
    return [str(text) for text in getattr(artifact.info, name, ())]


def _refusal(step: Step, artifact: Any) -> dict[str, str] | None:
    """Return why a finished artifact must not get a ref (a failed audit), or None."""
    accept: Callable[..., None] | None = getattr(step.stage.load(), "accept", None)
    if accept is None:
        return None
    try:
        accept(artifact, step.config)
    except R2SError as error:
        return error.to_json()
    return None


def _refuse(record: Mapping[str, Any]) -> None:
    refused = record.get("refused")
    if refused:
        raise Refused(
            refused["code"],
            refused["what"],
            where=refused["where"],
            why=refused["why"],
            remedy=refused["remedy"],
            made=record["output"],
        )


def _utc_now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _peak_memory_bytes() -> int:
    """Return the peak resident memory of this process or its largest child [bytes]."""
    unit = 1 if platform.system() == "Darwin" else 1024
    return max(peak_bytes(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit)


def _host() -> dict[str, Any]:
    return {
        "name": socket.gethostname(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "r2s": __version__,
    }
