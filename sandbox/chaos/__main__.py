"""`python -m sandbox.chaos`: break everything at random, then see that nothing was lost.

Two Python workers and a bare Node worker live through kills, restarts of Redis and faults of
Supabase and of the vendors, while the real Node producer adds all nine jobs. In the end every job
must have exactly one end, every row a final state, every object all its bytes, and every payment a
reason. Exit code 0, or 1 with the history of what went wrong; a seed repeats the choices, though
not the moments at which they hit.
"""

import argparse
import asyncio
import os
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import httpx
from rich.console import Console

from sandbox.chaos.play import Plan, play
from sandbox.processes import SandboxError

_INTERRUPTED = 130


def main() -> int:
    """The process's exit code."""
    given = _parser().parse_args()
    seed = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    plan = Plan(given.rounds, seed, given.minutes * 60)
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(f"Chaos: {plan.rounds} rounds, seed {seed}", highlight=False)
    with _temporary_folder() as folder:
        try:
            return asyncio.run(_run(console, plan, folder))
        except (KeyboardInterrupt, asyncio.CancelledError):
            console.print("Interrupted: everything is stopped and removed")
            return _INTERRUPTED
        except (SandboxError, TimeoutError, httpx.HTTPError) as error:
            console.print(f"[red]✗ The run stopped:[/] {error}", highlight=False)
            return 1
        finally:
            _keep_logs(folder, given.logs)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.chaos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=_positive, default=200, help="default: 200")
    parser.add_argument("--seed", type=int, help="repeats the choices of a run; default: any")
    parser.add_argument("--minutes", type=float, default=12, help="for the rounds; default: 12")
    parser.add_argument("--logs", type=Path, help="keep the workers' logs in this folder")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


async def _run(console: Console, plan: Plan, folder: Path) -> int:
    task = asyncio.current_task()
    assert task
    # Both by name: a shell that starts this in the background has SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        return 0 if await play(console, plan, folder) else 1
    except BaseExceptionGroup as errors:  # of a round, whose action and traffic run at once
        raise _first(errors) from errors


def _keep_logs(folder: Path, target: Path | None) -> None:
    if target is not None:
        target.mkdir(parents=True, exist_ok=True)
        for log in folder.glob("*.log"):
            shutil.copy2(log, target)


@contextmanager
def _temporary_folder() -> Generator[Path]:
    """One folder below which all parts and their children keep theirs; gone afterwards.

    A killed worker leaves its own behind: nobody is there any more to remove it.
    """
    with tempfile.TemporaryDirectory(prefix="vidfab-chaos-", ignore_cleanup_errors=True) as name:
        os.environ["TMPDIR"] = tempfile.tempdir = name
        yield Path(name)


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error


if __name__ == "__main__":
    sys.exit(main())
