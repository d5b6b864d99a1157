#!/bin/sh
# Resolve pyproject.toml into requirements.lock: runtime and development, Python 3.11 and later, every platform,
# with the hash of every file. The resolver has an environment of its own, so that it is not part of the lock.
set -eu
cd "$(dirname "$0")/.."
[ -x .venv-lock/bin/uv ] || {
    .venv/bin/python -m venv .venv-lock
    .venv-lock/bin/python -m pip --disable-pip-version-check install --quiet uv
}
# `editables` is what hatchling asks for when it installs this project in place.
printf 'editables\n' | .venv-lock/bin/uv --quiet pip compile pyproject.toml - --extra dev --universal --python-version 3.11 \
    --python "$(pwd)/.venv/bin/python" --generate-hashes --no-emit-index-url --no-annotate --no-header --upgrade \
    --output-file requirements.lock.new
{
    echo "# Made by \`make lock\` from pyproject.toml. Every file that may be installed, by its SHA-256."
    cat requirements.lock.new
} > requirements.lock
rm requirements.lock.new
echo "ringfence: $(grep -c '^[a-z0-9].*==' requirements.lock) packages locked in requirements.lock"
