"""The worker as it is started nearly always: without the parser of the command line."""

import asyncio
import gc
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
    """What supervisors call; None for all else, which typer reads.

    Loading it would be a twelfth of the start, and 1.5 MiB for as long as the worker lives.
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
    """Run the worker; returns the process's exit code. `concurrency` wins over its setting."""
    # Nearly all that is loaded stays: to look through it for garbage while it grows is a tenth of
    # the start, and some 50 ms of a blocked event loop each time later.
    gc.disable()
    from config.logging.setup import set_up_logs
    from config.logging.sources import report_uncaught
    from config.no_dumps import forbid_dumps
    from config.settings import load_settings

    forbid_dumps()
    try:
        settings = load_settings(env_file)
    except ConfigError as error:
        return _refused(error)
    if concurrency is not None:
        settings = settings.model_copy(update={"queue_concurrency": concurrency})
    set_up_logs(settings)
    report_uncaught()
    from runtime.app import run as run_worker

    gc.freeze()
    gc.enable()
    code = asyncio.run(run_worker(settings, wait_for_redis=wait_for_redis))
    # What the libraries loaded goes with the process. To look through it for garbage first would
    # take 0.3 s, and on a busy machine a second, of the time that a stop may take.
    gc.freeze()
    return code


def _refused(error: ConfigError) -> int:
    """Say one line for each wrong variable on stderr; exit code 1."""
    for problem in error.problems:
        sys.stderr.write(f"❌ Worker startup failed: {problem}\n")
    return 1
