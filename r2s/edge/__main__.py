"""The robot's command line.

    python -m r2s_edge selftest DIR                          0 and a JSON report, or non-zero with the reason
    python -m r2s_edge run DIR --transport MODULE:FUNCTION   selftest, then follow the policy

FUNCTION takes the contract and returns the transport of the robot (see `runtime.Transport`).
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from pathlib import Path

from .contract import Contract
from .errors import EdgeError
from .manifest import LOCAL_FILES, load_manifest
from .policy import OnnxPolicy
from .runtime import MOVING, Runtime, Transport
from .selftest import selftest


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(prog="r2s_edge", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    test = commands.add_parser("selftest", help="test a bundle folder on this computer")
    test.add_argument("folder", type=Path)
    test.add_argument("--write", action="store_true", help="keep the report in the bundle folder")
    run = commands.add_parser("run", help="run a bundle on a robot")
    run.add_argument("folder", type=Path)
    run.add_argument("--transport", required=True, metavar="MODULE:FUNCTION")
    run.add_argument("--seconds", type=float, default=float("inf"), help="stop after this long")
    run.add_argument("--log", type=Path, help="where the last ticks go when it stops")
    options = parser.parse_args(arguments)
    try:
        report = selftest(options.folder)
        if options.command == "run":
            return follow(options.folder, options.transport, options.seconds, options.log)
    except EdgeError as error:
        print(error, file=sys.stderr)
        print(json.dumps({"schema": "r2s.selftest/1", "ok": False, "error": error.to_json()}))
        return error.exit_code
    text = json.dumps(report, indent=2, sort_keys=True)
    if options.write:
        part = options.folder / (LOCAL_FILES[0] + ".part")
        part.write_text(text + "\n", encoding="utf-8")
        os.replace(part, options.folder / LOCAL_FILES[0])
    print(text)
    return 0


def follow(folder: Path, factory: str, seconds: float, log: Path | None) -> int:
    """Run a tested bundle until time is up or the envelope latches; return the exit code."""
    manifest = load_manifest(folder)
    contract = manifest.contract
    runtime = Runtime(contract, make_transport(factory, contract))
    runtime.configure(OnnxPolicy(manifest.model_file.read_bytes()))
    runtime.activate()
    runtime.start()
    try:
        begin_s, tick = runtime.transport.now_s(), 0
        while tick * contract.control_s < seconds and runtime.state in MOVING:
            runtime.step()
            tick += 1
            runtime.transport.wait_until(begin_s + tick * contract.control_s)
        if runtime.state in MOVING:
            runtime.stop()
    finally:
        if log is not None:
            runtime.log.dump(log)
    if runtime.reason:
        print(f"stopped: {runtime.reason}", file=sys.stderr)
    return 1 if runtime.reason else 0


def make_transport(factory: str, contract: Contract) -> Transport:
    """Import MODULE:FUNCTION and return the transport it makes.

    Raises:
        EdgeError: R2S-EDGE-009 when there is no such function.
    """
    module, _, function = factory.partition(":")
    try:
        make = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as exc:
        raise EdgeError(
            "R2S-EDGE-009",
            f"the transport {factory!r} cannot be loaded: {exc}",
            where="--transport MODULE:FUNCTION",
            why="the transport connects the runtime with the robot's sensors and motors",
            remedy="put the module's folder on PYTHONPATH",
        ) from exc
    return make(contract)


if __name__ == "__main__":
    sys.exit(main())
