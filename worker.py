"""VidFab worker: consumes the BullMQ queue of the VidFab app.

`python worker.py` runs the worker; `python worker.py --help` lists what else it does.
"""

import asyncio
import gc
import importlib
import signal
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from config.errors import ConfigError

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Python worker for VidFab's BullMQ queue. Without a command it runs the worker.",
)

EnvFile = Annotated[
    Path | None,
    typer.Option("--env-file", help="Read this file in place of .env.local and .env."),
]
Concurrency = Annotated[
    int | None,
    typer.Option("--concurrency", min=1, max=1000, help="Jobs at a time (QUEUE_CONCURRENCY)."),
]
ExitOnNoRedis = Annotated[
    bool,
    typer.Option("--exit-on-no-redis", help="End with code 1 when Redis is away at the start."),
]


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    env_file: EnvFile = None,
    concurrency: Concurrency = None,
    exit_on_no_redis: ExitOnNoRedis = False,
) -> None:
    """Python worker for VidFab's BullMQ queue. Without a command it runs the worker."""
    if context.invoked_subcommand is None:
        _run(env_file, concurrency, exit_on_no_redis)
    context.obj = (env_file, concurrency, exit_on_no_redis)


@app.command()
def run(
    context: typer.Context,
    env_file: EnvFile = None,
    concurrency: Concurrency = None,
    exit_on_no_redis: ExitOnNoRedis = False,
) -> None:
    """Take jobs from the queue until SIGTERM or Ctrl-C; running jobs finish or are handed back."""
    before: tuple[Path | None, int | None, bool] = context.obj
    _run(env_file or before[0], concurrency or before[1], exit_on_no_redis or before[2])


def _run(env_file: Path | None, concurrency: int | None, exit_on_no_redis: bool) -> None:
    from config.log_sources import report_uncaught
    from config.logs import set_up_logs
    from config.settings import load_settings

    try:
        settings = load_settings(env_file)
    except ConfigError as error:
        raise _refusal(error) from None
    if concurrency is not None:
        settings = settings.model_copy(update={"queue_concurrency": concurrency})
    set_up_logs(settings)
    report_uncaught()
    from runtime.app import run as run_worker

    code = asyncio.run(run_worker(settings, wait_for_redis=not exit_on_no_redis))
    # What the libraries loaded goes with the process. To look through it for garbage first would
    # take 0.3 s, and on a busy machine a second, of the time that a stop may take.
    gc.freeze()
    raise typer.Exit(code)


@app.command()
def demo() -> None:
    """Play a whole project on this machine: no account, no key, ends by itself."""
    try:
        play = importlib.import_module("sandbox.demo").main
    except ModuleNotFoundError as error:
        sys.exit(f"The demo needs the sandbox's packages ('{error.name}' is missing): `make demo`")
    raise typer.Exit(play())


def _refusal(error: ConfigError) -> typer.Exit:
    """Say one line for each wrong variable on stderr; exit code 1."""
    for problem in error.problems:
        typer.echo(f"❌ Worker startup failed: {problem}", err=True)
    return typer.Exit(1)


if __name__ == "__main__":
    # Until the worker listens itself a Ctrl-C just ends it, without a traceback of its imports.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for stream in (sys.stdout, sys.stderr):
        # Progress messages are Chinese, whatever the locale of a container is.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    app()
