"""worker.py run: the worker itself."""

from pathlib import Path
from typing import Annotated

import typer

from commands.options import EnvFile, new_app
from commands.start import start

app = new_app()

Concurrency = Annotated[
    int | None,
    typer.Option("--concurrency", min=1, max=1000, help="Jobs at a time (QUEUE_CONCURRENCY)."),
]
ExitOnNoRedis = Annotated[
    bool,
    typer.Option("--exit-on-no-redis", help="Exit with code 1 when Redis is unreachable at start."),
]
Watch = Annotated[
    bool,
    typer.Option("--watch", help="Restart when the code or an .env file changes (development)."),
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
    raise typer.Exit(start(env_file, concurrency, wait_for_redis=not exit_on_no_redis))


def _arguments(env_file: Path | None, concurrency: int | None, exit_on_no_redis: bool) -> list[str]:
    """The options as arguments, for the restarted worker."""
    return [
        *(["--env-file", str(env_file)] if env_file else []),
        *(["--concurrency", str(concurrency)] if concurrency else []),
        *(["--exit-on-no-redis"] if exit_on_no_redis else []),
    ]
