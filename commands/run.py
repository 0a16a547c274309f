"""worker.py run: the worker itself."""

import asyncio
import gc
from pathlib import Path
from typing import Annotated

import typer

from commands.options import EnvFile, new_app
from config.errors import ConfigError

app = new_app()

Concurrency = Annotated[
    int | None,
    typer.Option("--concurrency", min=1, max=1000, help="Jobs at a time (QUEUE_CONCURRENCY)."),
]
ExitOnNoRedis = Annotated[
    bool,
    typer.Option("--exit-on-no-redis", help="End with code 1 when Redis is away at the start."),
]
Watch = Annotated[
    bool,
    typer.Option("--watch", help="Start anew when the code or an .env file changes (development)."),
]


@app.command(short_help="Take jobs until Ctrl-C or SIGTERM.")
def run(
    env_file: EnvFile = None,
    concurrency: Concurrency = None,
    exit_on_no_redis: ExitOnNoRedis = False,
    watch: Watch = False,
) -> None:
    """Take jobs from the queue until SIGTERM or Ctrl-C; running jobs finish or are handed back.

    \b
    Examples:
      python worker.py run --concurrency 10
      python worker.py run --env-file .env.product --exit-on-no-redis
      python worker.py run --watch

    Without a command these options work as well: `python worker.py --watch`.
    """
    if watch:
        from commands.watch import run_watched

        arguments = _arguments(env_file, concurrency, exit_on_no_redis)
        raise typer.Exit(run_watched(arguments, env_file))
    _run(env_file, concurrency, exit_on_no_redis)


def _arguments(env_file: Path | None, concurrency: int | None, exit_on_no_redis: bool) -> list[str]:
    """The options once more, for the worker that is started anew."""
    return [
        *(["--env-file", str(env_file)] if env_file else []),
        *(["--concurrency", str(concurrency)] if concurrency else []),
        *(["--exit-on-no-redis"] if exit_on_no_redis else []),
    ]


def _run(env_file: Path | None, concurrency: int | None, exit_on_no_redis: bool) -> None:
    # Nearly all that is loaded stays: to look through it for garbage while it grows is a tenth of
    # the start, and some 50 ms of a blocked event loop each time later.
    gc.disable()
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

    gc.freeze()
    gc.enable()
    code = asyncio.run(run_worker(settings, wait_for_redis=not exit_on_no_redis))
    # What the libraries loaded goes with the process. To look through it for garbage first would
    # take 0.3 s, and on a busy machine a second, of the time that a stop may take.
    gc.freeze()
    raise typer.Exit(code)


def _refusal(error: ConfigError) -> typer.Exit:
    """Say one line for each wrong variable on stderr; exit code 1."""
    for problem in error.problems:
        typer.echo(f"❌ Worker startup failed: {problem}", err=True)
    return typer.Exit(1)
