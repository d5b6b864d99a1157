#!/bin/sh
# Make .venv with a Python of 3.11 or later and install requirements.lock into it. PYTHON=... chooses the Python.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'ringfence: %s\n' "$*" >&2; }

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

choose() {
    if [ -n "${PYTHON:-}" ]; then
        command -v "$PYTHON" >/dev/null 2>&1 || { say "there is no program $PYTHON (PYTHON=)"; exit 1; }
        new_enough "$PYTHON" || { say "Python 3.11 or later is needed, and $PYTHON is $("$PYTHON" -V 2>&1)"; exit 1; }
        echo "$PYTHON"
        return
    fi
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if new_enough "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    say "Python 3.11 or later is needed, and python3 is $(python3 -V 2>/dev/null || echo missing); name another with PYTHON="
    exit 1
}

if [ -e .venv ] && [ ! -w .venv ]; then
    say ".venv belongs to $(ls -ld .venv | awk '{print $3}'), not to $(id -un): run as that user, or remove .venv"
    exit 1
fi
if [ ! -w . ]; then
    say "$(pwd) cannot be written by $(id -un): clone into a folder of your own"
    exit 1
fi

# A .venv that does not run (moved folder, removed Python) or is not of the wanted Python is made again.
if [ -e .venv ] && ! .venv/bin/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
    say ".venv does not run any more and is made again"
    rm -rf .venv
fi
if [ -e .venv ] && [ -n "${PYTHON:-}" ]; then
    chosen=$(choose)
    version='import sys; print(sys.version_info[:2])'
    if [ "$("$chosen" -c "$version")" != "$(.venv/bin/python -c "$version")" ]; then
        say ".venv is of another Python than $chosen and is made again"
        rm -rf .venv
    fi
fi
if [ ! -e .venv ]; then
    chosen=$(choose)
    if ! "$chosen" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        say "$chosen cannot make virtual environments (on Debian and Ubuntu: apt install python3-venv)"
        exit 1
    fi
    say "making .venv with $("$chosen" -V)"
    "$chosen" -m venv .venv || { say "$chosen -m venv failed"; rm -rf .venv; exit 1; }
fi
.venv/bin/python scripts/install.py
touch .venv/installed
