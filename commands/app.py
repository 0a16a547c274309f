"""The commands by name, and the parsing of a command line."""

import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

_MODULES = {
    "run": "commands.run",
    "check": "commands.check",
    "stats": "commands.queue.stats",
    "jobs": "commands.queue.jobs",
    "job": "commands.queue.job",
    "retry": "commands.queue.retry",
    "enqueue": "commands.queue.enqueue",
    "demo": "commands.demo",
}
_HELP_OPTIONS = ("--help", "-h")
_PROGRAM_OPTIONS = frozenset({*_HELP_OPTIONS, "--version"})
# Options that may stand before a command and take the next word as their value.
_WITH_VALUE = frozenset({"--env-file", "--concurrency"})

_HELP = """Python worker for VidFab's BullMQ queue. Without a command it runs the worker.

\b
Examples:
  python worker.py                           take jobs until Ctrl-C or SIGTERM
  python worker.py check --live              before the first start: check the set-up
  python worker.py stats                     waiting, running and failed jobs
  python worker.py jobs --state failed       the failed jobs, and why
  python worker.py retry --all-failed        try them again
  python worker.py COMMAND --help            more of each

\b
Settings come from the process environment, then .env.local, then .env:
  BULLMQ_REDIS_URL       the queue's Redis (or UPSTASH_REDIS_URL, REDIS_URL, REDIS_HOST …)
  QUEUE_PREFIX           the queue's name
  SUPABASE_URL           the project; SUPABASE_SERVICE_KEY its service key
  .env.example lists all of them, `python worker.py check` shows those in force.

\b
Exit codes:
  0   done; the worker stopped and handed everything back
  1   wrong settings, Redis or Supabase unreachable, or the request was refused
  2   an invalid command line
  70  the worker was stuck: restart it
  75  the worker stopped while Redis was unreachable: the stalled check returns its jobs
"""


class _ByName(Mapping[str, Any]):
    """Commands by name. `python worker.py` loads that of `run` and no other."""

    def __getitem__(self, name: str) -> Any:
        command = get_command(importlib.import_module(_MODULES[name]).app)
        command.context_settings["help_option_names"] = list(_HELP_OPTIONS)
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)


class _Commands(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands: Any = _ByName()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse all options as the command's, even if they stand before its name."""
        return super().parse_args(ctx, command_first(args))


def command_first(words: Sequence[str]) -> list[str]:
    """`--env-file x stats` as `stats --env-file x`; without a command it is `run`."""
    if _PROGRAM_OPTIONS & set(words[:1]):
        return list(words)
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in _WITH_VALUE else 1
    if at >= len(words):
        return ["run", *words]
    return [words[at], *words[:at], *words[at + 1 :]]


app = typer.Typer(
    cls=_Commands,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": list(_HELP_OPTIONS)},
    help=_HELP,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        from config.version import VERSION

        python = ".".join(map(str, sys.version_info[:3]))
        typer.echo(f"vidfab-worker {VERSION} (Python {python}, bullmq {version('bullmq')})")
        raise typer.Exit


@app.callback()
def program(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """The program itself; _HELP is its help."""
