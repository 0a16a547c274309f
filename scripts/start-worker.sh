#!/usr/bin/env bash
# Starts the worker from a checkout: finds Python 3.11 or newer, installs the locked packages into
# .venv when they are missing or the lock has changed, checks settings and connections, and becomes the
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

# That of .venv, or one that can make it.
find_python() {
    local python
    if [[ -x .venv/bin/python ]]; then
        echo .venv/bin/python
        return
    fi
    for python in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$python"
            return
        fi
    done
    echo '❌ Python 3.11 or newer is needed: install it, or name it by PYTHON=/path/to/python' >&2
    return 1
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
python=$(find_python)
"$python" scripts/install.py worker
# What is wrong stands in its output; it ends with 1 then, and so does this.
[[ $check == no ]] || .venv/bin/python worker.py "$@" check
exec .venv/bin/python worker.py "$@"
