"""Starts the worker without loading the command-line parser, which is the usual case."""

import asyncio
import gc
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from config.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Plain:
    """A command line that starts the worker and sets at most its `env_file`."""

    env_file: Path | None = None


def plain(words: Sequence[str]) -> Plain | None:
    """The simple command lines that supervisors use; None for any other, which typer parses.

    Loading typer would be a twelfth of the start time, and 1.5 MiB for the worker's lifetime.
    """
    match words:
        case [] | ["run"]:
            return Plain()
        case ["--env-file", path] | ["run", "--env-file", path] if path[:1] not in {"", "-"}:
            return Plain(Path(path))
        case _:
            return None


def start(
    env_file: Path | None, concurrency: int | None = None, *, wait_for_redis: bool = True
) -> int:
    """Run the worker; returns the process's exit code. `concurrency` overrides its setting."""
    # Nearly all objects loaded at start stay alive: collecting garbage meanwhile takes a tenth of
    # the start, and later blocks the event loop for some 50 ms each time.
    gc.disable()
    # For those pydantic reads the metadata of all installed packages, a fortieth of the start.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from config.environment import read_environment
    from config.logging.setup import set_up_logs
    from config.logging.sources import report_uncaught
    from config.no_dumps import forbid_dumps
    from config.settings import load_settings
    from config.tracing import variables_of_sdk

    forbid_dumps()
    try:
        seen = read_environment(env_file)
        settings = load_settings(environment=seen)
    except ConfigError as error:
        return _refused(error)
    if concurrency is not None:
        settings = settings.model_copy(update={"queue_concurrency": concurrency})
    os.environ.update(variables_of_sdk(seen))
    set_up_logs(settings)
    report_uncaught()
    from runtime.app import run as run_worker

    gc.freeze()
    gc.enable()
    code = asyncio.run(run_worker(settings, wait_for_redis=wait_for_redis))
    # The process ends now: a last garbage collection would cost 0.3 s, and a second on a busy
    # machine, of the time that a stop may take.
    gc.freeze()
    return code


def _refused(error: ConfigError) -> int:
    """Print one line for each wrong variable on stderr; exit code 1."""
    for problem in error.problems:
        sys.stderr.write(f"❌ Worker startup failed: {problem}\n")
    return 1
