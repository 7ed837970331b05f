"""`python -m r2s_edge selftest DIR`: exits 0 and prints a JSON report, or non-zero with the reason."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from .errors import EdgeError
from .manifest import LOCAL_FILES
from .selftest import selftest


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(prog="r2s_edge", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    test = commands.add_parser("selftest", help="test a bundle folder on this computer")
    test.add_argument("folder", type=Path)
    test.add_argument("--write", action="store_true", help="keep the report in the bundle folder")
    options = parser.parse_args(arguments)
    try:
        report = selftest(options.folder)
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


if __name__ == "__main__":
    sys.exit(main())
