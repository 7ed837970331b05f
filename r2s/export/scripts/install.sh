#!/bin/sh
# Installs this bundle beside the one before it, and can go back:
#   sh install.sh [PREFIX]              test, copy to PREFIX/slots/<digest>, make it current
#   sh install.sh --rollback [PREFIX]   make the previous one current again
# PREFIX is /var/lib/r2s unless given. Running it twice changes nothing; a bundle that fails its selftest
# is never made current; `current` changes in one atomic step; the three newest slots are kept.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
python=${PYTHON:-python3}
rollback=no
if [ "${1:-}" = --rollback ]; then
    rollback=yes
    shift
fi
prefix=${1:-/var/lib/r2s}

point() { # point NAME SLOT: make the link PREFIX/NAME point to slots/SLOT, atomically
    "$python" - "$prefix" "$1" "$2" <<'PY'
import os, sys
prefix, name, slot = sys.argv[1:]
part = os.path.join(prefix, "." + name + ".part")
if os.path.lexists(part):
    os.remove(part)
os.symlink(os.path.join("slots", slot), part)
os.replace(part, os.path.join(prefix, name))
PY
}

slot_of() { # slot_of NAME: print the slot that the link points to, or nothing
    if [ -L "$prefix/$1" ]; then basename -- "$(readlink -- "$prefix/$1")"; fi
}

if [ "$rollback" = yes ]; then
    now=$(slot_of current)
    before=$(slot_of previous)
    if [ -z "$before" ] || [ ! -d "$prefix/slots/$before" ]; then
        echo "install.sh: there is no previous bundle in $prefix" >&2
        exit 1
    fi
    sh "$prefix/slots/$before/selftest.sh" >/dev/null
    point current "$before"
    if [ -n "$now" ]; then point previous "$now"; fi
    echo "current is $before again"
    exit 0
fi

slot=$("$python" -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest()[:16])' "$here/SHA256SUMS")
mkdir -p "$prefix/slots"
now=$(slot_of current)
if [ -d "$prefix/slots/$slot" ]; then
    sh "$here/selftest.sh" >/dev/null # a damaged copy is refused; the slot is tested at every start
else
    part="$prefix/slots/.$slot.part"
    rm -rf -- "$part"
    mkdir -- "$part"
    trap 'rm -rf -- "$part"' EXIT
    cp -R -- "$here/." "$part/"
    find "$part" -name __pycache__ -type d -prune -exec rm -rf -- {} +
    sh "$part/selftest.sh" --write >/dev/null
    mv -- "$part" "$prefix/slots/$slot"
    trap - EXIT
fi
if [ "$now" != "$slot" ]; then
    point current "$slot"
    if [ -n "$now" ]; then point previous "$now"; fi
fi
before=$(slot_of previous)
# Newest first; slots have no spaces in their names.
for old in $(ls -t "$prefix/slots" | tail -n +4); do
    if [ "$old" != "$slot" ] && [ "$old" != "$before" ]; then rm -rf -- "${prefix:?}/slots/$old"; fi
done
echo "current is $slot"
