#!/usr/bin/env bash
# Builds the Dockerfile and runs the image as it would run in production: not root, read-only, its
# environment from a file with quotes, a Redis that goes away and comes back, SIGTERM.
#
#   sudo scripts/try-image.sh                                  (or: make image-test)
#   sudo BASE=python:3.12-slim-bookworm scripts/try-image.sh
#
# Without BASE no image registry is asked: a Debian with its own Python, made by debootstrap from
# this machine's package source, stands in for the Python image. pip and apt ask where they ask on
# this machine. Needs root, podman with runc or crun, and a `make dev`. Nothing is installed.
# What is kept for the next run lies in .cache/try-image.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly CACHE=$PWD/.cache/try-image
readonly IMAGE=localhost/vidfab-worker NAME=vidfab-try-image GRACE_S=2
TEMP=$(mktemp -d)
REDIS_PID=''

fail() { echo "✗ $*" >&2; exit 1; }
passed() { echo "✓ $*"; }

require() {
    [[ $EUID == 0 ]] || fail 'Root is needed: containers are made without a daemon.'
    local missing=()
    command -v podman >/dev/null || missing+=(podman)
    [[ -n ${BASE-} ]] || command -v debootstrap >/dev/null || missing+=(debootstrap)
    command -v runc >/dev/null || command -v crun >/dev/null || missing+=(runc)
    [[ -x .venv/bin/python ]] || missing+=('.venv (make dev)')
    ((${#missing[@]} == 0)) || fail "Missing: ${missing[*]}. On Debian: apt-get install podman runc debootstrap"
}

pod() {
    # runc where there is one: crun refuses machines with both versions of cgroups.
    podman --root "$CACHE/storage" --runroot "$CACHE/run" --cgroup-manager cgroupfs \
        --runtime "$(command -v runc || command -v crun)" "$@"
}

clean_up() {
    pod rm --force --time 0 "$NAME" >/dev/null 2>&1 || true
    [[ -z $REDIS_PID ]] || kill "$REDIS_PID" 2>/dev/null || true
    rm -rf "$TEMP"
}

# The stand-in for python:3.12-slim: `python` is on PATH and can make a venv.
make_base() {
    pod image exists localhost/base && return
    local mirror release
    # shellcheck disable=SC2016  # apt's placeholder
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -n 1)
    release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv \
        "$release" "$TEMP/base" "$mirror" >"$TEMP/debootstrap.log" || fail "$(tail "$TEMP/debootstrap.log")"
    ln -s /usr/bin/python3 "$TEMP/base/usr/local/bin/python"
    printf 'FROM scratch\nADD base /\n' >"$TEMP/Base"
    pod build --quiet --isolation chroot --tag localhost/base --file "$TEMP/Base" "$TEMP" >/dev/null
    rm -rf "$TEMP/base"
}

# This machine's package sources, while the image is built; it keeps their empty mount points.
sources() {
    local mounts=(/etc/pip.conf "$HOME/.config/pip/pip.conf:/root/.config/pip/pip.conf")
    [[ -n ${BASE-} ]] || mounts+=(/etc/apt /etc/ssl/certs/ca-certificates.crt)
    for mount in "${mounts[@]}"; do
        [[ ! -e ${mount%%:*} ]] || echo "--volume=${mount%%:*}:${mount##*:}:ro"
    done
}

build() {
    local volumes
    mapfile -t volumes < <(sources)
    # OCI's own format has no HEALTHCHECK.
    pod build --isolation chroot --format docker --build-arg "BASE=${BASE:-localhost/base}" \
        "${volumes[@]}" --tag "$IMAGE" . >"$TEMP/build.log" 2>&1 || fail "$(tail -n 20 "$TEMP/build.log")"
    passed "built: $(pod image inspect --format '{{.Size}}' "$IMAGE" | numfmt --to=iec) bytes"
}

free_port() {
    .venv/bin/python -c 'from sandbox.processes import free_port; print(free_port())'
}

start_redis() {
    local binary
    binary=$(.venv/bin/python -c 'from sandbox.redis import redis_binary; print(redis_binary())')
    "$binary" --port "$REDIS_PORT" --bind 127.0.0.1 --save '' --dir "$TEMP" >/dev/null &
    REDIS_PID=$!
}

stop_redis() {
    kill "$REDIS_PID"
    wait "$REDIS_PID" || true
    REDIS_PID=''
}

start_worker() {
    cat >"$TEMP/.env.product" <<END
BULLMQ_REDIS_URL="redis://127.0.0.1:$REDIS_PORT/0"
SUPABASE_URL='http://127.0.0.1:1'
SUPABASE_SERVICE_KEY="sb_secret_try_image"
SHUTDOWN_GRACE_S=$GRACE_S
HEALTH_PORT="$(free_port)"
END
    # Limits as low as any machine's own, which may forbid to raise them.
    pod run --detach --name "$NAME" --pull never --network host --read-only --read-only-tmpfs=false \
        --volume /tmp --cap-drop all --security-opt no-new-privileges \
        --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 \
        --env-file "$TEMP/.env.product" "$IMAGE" >"$TEMP/run.log" 2>&1 || fail "$(cat "$TEMP/run.log")"
}

within() { # within SECONDS COMMAND…: until it succeeds
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || return 1
        sleep 0.2
    done
}

said() { pod logs "$NAME" >"$TEMP/worker.log" 2>&1 && grep -q "$1" "$TEMP/worker.log"; }
healthy() { pod healthcheck run "$NAME"; }
unhealthy() { ! healthy; }
in_it() { pod exec "$NAME" "$@"; }

check_running() {
    within 30 said 'Waiting for jobs...' || fail "It does not start: $(tail "$TEMP/worker.log")"
    said '🚀' || fail 'Its output is not UTF-8'
    passed 'waits for jobs'
    [[ $(in_it id -u) == 10001 ]] || fail "It runs as $(in_it id)"
    [[ $(in_it cat /proc/1/comm) == tini ]] || fail "Its first process is $(in_it cat /proc/1/comm)"
    passed 'is user 10001, below tini'
    in_it touch /app/x 2>/dev/null && fail 'It can write to its own code'
    in_it touch /tmp/x || fail 'It cannot write to /tmp'
    passed 'writes to /tmp alone'
    in_it ffmpeg -version >"$TEMP/ffmpeg" || fail 'There is no ffmpeg'
    passed "has $(head -n 1 "$TEMP/ffmpeg" | cut -d ' ' -f 1-3)"
}

# A frame in each format by Debian's ffmpeg, within what the kernel leaves it here.
readonly FRAMES='
import asyncio, subprocess
from pathlib import Path
from services.media.ffmpeg import Ffmpeg
from services.media.sandboxed import within_reach

async def main():
    film = Path("/tmp/film.mp4")
    source = ["-f", "lavfi", "-i", "testsrc2=s=64x64:d=1", "-pix_fmt", "yuv420p"]
    subprocess.run(["ffmpeg", "-loglevel", "error", *source, film], check=True)
    for form in ("jpg", "png", "webp"):
        box = {"width": 32, "height": 32, "picture_format": form, "quality": 80}
        await Ffmpeg().frame(film, 0.5, Path("/tmp", form), **box)
    print(await Ffmpeg().version(), "reaches", await within_reach() or "nothing")

asyncio.run(main())
'

check_frames() {
    in_it python -c "$FRAMES" >"$TEMP/frames" 2>&1 || fail "ffmpeg makes no frames: $(tail "$TEMP/frames")"
    passed "ffmpeg makes frames: $(tail -n 1 "$TEMP/frames")"
}

check_health() {
    within 15 healthy || fail "It is not healthy: $(healthy 2>&1)"
    stop_redis
    within 30 unhealthy || fail 'It is healthy without Redis'
    passed 'is unhealthy while Redis is stopped'
    start_redis
    within 60 healthy || fail "It is not healthy again: $(healthy 2>&1)"
    passed 'is healthy while there is one'
}

check_stop() {
    local began=$SECONDS code
    pod stop --time 30 "$NAME" >"$TEMP/stop.log" 2>&1 || fail "$(cat "$TEMP/stop.log")"
    code=$(pod inspect --format '{{.State.ExitCode}}' "$NAME")
    [[ $code == 0 ]] || fail "A stop ends it with code $code"
    ((SECONDS - began <= GRACE_S + 5)) || fail "A stop takes $((SECONDS - began)) s"
    passed "ends with code 0 within $((SECONDS - began + 1)) s of SIGTERM"
}

require
trap clean_up EXIT
mkdir -p "$CACHE"
[[ -n ${BASE-} ]] || make_base
build
REDIS_PORT=$(free_port)
start_redis
start_worker
check_running
check_frames
check_health
check_stop
