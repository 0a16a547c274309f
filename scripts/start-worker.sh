#!/usr/bin/env bash
# Starts the worker from a checkout: finds Python 3.11 or newer, installs the locked packages into
# .venv when they are missing or the lock is newer, checks settings and connections, and becomes the
# worker, so that a signal to this script's process stops it as it should.
#
#   scripts/start-worker.sh [--no-check] [options of worker.py]      such as --env-file .env.product
#   PYTHON=python3.12 scripts/start-worker.sh
#
# Values to set: those of .env.example, in the environment, .env.local or .env. Paths are those of
# the checkout, from wherever it is called.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."

readonly LOCK=requirements/worker.txt
# `make setup` installs all.txt, which holds worker.txt, and leaves the first of these.
readonly STAMPS=(.venv/.installed .venv/.worker-installed)

find_python() {
    local python
    for python in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$python"
            return
        fi
    done
    echo '❌ Python 3.11 or newer is needed: install it, or name it by PYTHON=/path/to/python' >&2
    return 1
}

is_installed() {
    local stamp
    for stamp in "${STAMPS[@]}"; do
        [[ ! -e $stamp || $LOCK -nt $stamp ]] || return 0
    done
    return 1
}

install_packages() {
    local python
    if [[ ! -x .venv/bin/python ]]; then
        python=$(find_python)
        "$python" -m venv .venv
    fi
    # The lock is complete; see the Makefile for --no-deps.
    .venv/bin/python -m pip install --quiet --disable-pip-version-check \
        --require-hashes --no-deps --requirement "$LOCK"
    touch .venv/.worker-installed
}

check=yes
if [[ ${1-} == --no-check ]]; then
    check=no
    shift
fi
if [[ ! -f worker.py || ! -f $LOCK ]]; then
    echo "❌ $PWD is no checkout of the worker: worker.py or $LOCK is missing; clone it anew" >&2
    exit 1
fi
is_installed || install_packages
# What is wrong stands in its output; it ends with 1 then, and so does this.
[[ $check == no ]] || .venv/bin/python worker.py "$@" check
exec .venv/bin/python worker.py "$@"
