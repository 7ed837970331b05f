#!/bin/sh
# Tests this bundle on this computer: checksums, names, golden vectors, golden episode, time of a tick.
# Needs Python 3.10 or newer with numpy and onnxruntime. PYTHON=... chooses another interpreter.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$here/runtime" exec "${PYTHON:-python3}" -m r2s_edge selftest "$here" "$@"
