"""This machine: ffmpeg, the folder for work files, the port, the channels for alerts."""

import asyncio
import os
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

from commands.checks.finding import Finding, failed, ok, warning
from config.settings import Settings
from config.tracing import no_traces, traces_address, traces_obstacle
from core.errors import RetryableError, UnrecoverableError
from runtime.http.listening import CannotListen, listen
from services.media.ffmpeg import Ffmpeg
from services.media.sandboxed import within_reach
from services.media.temp_files import PREFIX

AREA = "Machine"
_GIB = 1024**3
# Videos of three jobs at a time, of some hundred MB each, and their parts for a film.
_COMFORTABLE_BYTES = 4 * _GIB
_LEAST_BYTES = _GIB // 4
_SANDBOX_REMEDY = (
    "Only Linux can prevent it: seccomp the former, Landlock (Linux 5.13) the latter; some "
    "containers disable them. Run the worker as a user who owns nothing else"
)


async def check_ffmpeg() -> list[Finding]:
    """Check ffmpeg, which thumbnails, durations and films need, and its sandbox."""
    try:
        version = await Ffmpeg().version()
        reach = await within_reach()
    except (UnrecoverableError, RetryableError) as error:
        remedy = "Install ffmpeg: thumbnails, lengths of videos and local films need it"
        return [failed(AREA, str(error), remedy)]
    found = [ok(AREA, f"ffmpeg {version}")]
    if reach:
        text = f"A video that takes over ffmpeg would reach {' and '.join(reach)}"
        found.append(warning(AREA, text, _SANDBOX_REMEDY))
    return found


async def check_folder() -> list[Finding]:
    """Check the temporary folder, where files are downloaded before they are stored."""
    return [await asyncio.to_thread(_folder)]


def _folder() -> Finding:
    try:
        folder = tempfile.gettempdir()
    except OSError as error:
        return failed(AREA, str(error), "Make one of them writable, or set TMPDIR to a folder")
    wanted = os.environ.get("TMPDIR")
    if wanted and Path(wanted).resolve() != Path(folder).resolve():
        text = f"TMPDIR={wanted} cannot be written to, so that files go to {folder}"
        return failed(AREA, text, "Make it writable, or set TMPDIR to a folder that is")
    try:
        with tempfile.TemporaryDirectory(prefix=PREFIX), tempfile.TemporaryFile() as file:
            file.write(b"0")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        text = f"{folder} cannot be written to ({error.strerror})"
        return failed(AREA, text, "Make it writable, or set TMPDIR to a folder that is")
    text = f"{free / _GIB:.1f} GiB free in {folder}"
    remedy = "Free some space, or set TMPDIR to a larger disk: videos pass through this folder"
    if free < _LEAST_BYTES:
        return failed(AREA, text, remedy)
    return warning(AREA, text, remedy) if free < _COMFORTABLE_BYTES else ok(AREA, text)


async def check_port(settings: Settings) -> list[Finding]:
    """Check the HTTP endpoints' port, if they are enabled."""
    if settings.health_port is None:
        return [ok(AREA, "HEALTH_PORT is not set: no HTTP endpoints")]
    where = f"{settings.health_host}:{settings.health_port}"
    try:
        (await asyncio.to_thread(listen, settings.health_host, settings.health_port)).close()
    except CannotListen as error:
        if error.is_taken:
            remedy = "Fine if a worker runs here already; else choose another HEALTH_PORT"
            return [warning(AREA, f"{where} is taken", remedy)]
        return [failed(AREA, str(error))]
    return [ok(AREA, f"{where} is free for the HTTP endpoints")]


async def check_alerts(settings: Settings) -> list[Finding]:
    """List the channels for alerts; none is called."""
    variables = {
        "Slack": settings.slack_webhook,
        "Discord": settings.discord_webhook,
        "Sentry": settings.sentry_dsn,
    }
    channels = [name for name, value in variables.items() if value is not None]
    found = [ok(AREA, f"Failures are reported to {', '.join(channels) or 'the log alone'}")]
    if settings.sentry_dsn is not None and find_spec("sentry_sdk") is None:
        text = "SENTRY_DSN is set, but the package sentry-sdk is not installed"
        found.append(warning(AREA, text, "Install it: pip install sentry-sdk"))
    return found


async def check_traces(settings: Settings) -> list[Finding]:
    """Where traces go; nothing is sent there."""
    address = traces_address(settings)
    if address is None:
        return [ok(AREA, no_traces(settings))]
    if obstacle := traces_obstacle(settings):
        text, remedy = obstacle
        return [warning(AREA, f"No traces: {text}", remedy)]
    return [ok(AREA, f"Traces are sent to {address}")]
