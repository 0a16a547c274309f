"""`make bench`: this worker and a bare one of Node's BullMQ side by side, in one run."""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
from redis.exceptions import RedisError

from bench import report
from bench.figure import Figure
from bench.machine import machine
from bench.sections import SECTIONS
from bench.setup import QUICK, Bench, Sizes
from sandbox.json_lines import Refused
from sandbox.processes import SandboxError
from sandbox.vidfab import VidFab

_EPILOG = """\
Sections: {sections}.
Only a complete run writes bench/results.md: one of all sections, not quick. Linux only.
"""


@dataclass(frozen=True)
class Options:
    """`sections` in the table's order."""

    sections: Sequence[str]
    sizes: Sizes
    complete: bool


def main() -> int:
    """Measure and print the table; the process's exit code."""
    options = read_options()
    if sys.platform != "linux":
        return _stopped("it reads /proc, which is Linux's: run it on Linux")
    try:
        asyncio.run(_run(options))
    except (SandboxError, Refused, TimeoutError, RedisError, httpx.HTTPError) as error:
        return _stopped(str(error))
    return 0


async def _run(options: Options) -> None:
    told = report.notes(options.sections)  # a missing one is found before the work
    facts = await machine()
    figures: list[Figure] = []
    try:
        await _measure(options, figures)
    finally:  # what was measured before a section broke took minutes
        sys.stdout.write(report.table(figures))
    if options.complete:
        report.RESULTS.write_text(report.page(facts, figures, told), "utf-8")
        _say(f"written to {report.RESULTS}")


async def _measure(options: Options, figures: list[Figure]) -> None:
    with tempfile.TemporaryDirectory(prefix="vidfab-bench-") as folder:
        async with VidFab(plain=True) as vidfab:
            bench = Bench(vidfab, Path(folder), options.sizes)
            for name in options.sections:
                _say(f"measuring {name}")
                began = time.monotonic()
                figures += await SECTIONS[name](bench)
                _say(f"  took {time.monotonic() - began:.0f} s")


def read_options(arguments: Sequence[str] | None = None) -> Options:
    """Those of the command line unless given. Exits with a sentence on words it cannot read."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, epilog=_EPILOG.format(sections=_names())
    )
    parser.add_argument("--only", metavar="NAME,…", type=_sections, help="just these sections")
    parser.add_argument(
        "--rounds", metavar="N", type=_rounds, help="how often to repeat, 5 if not said"
    )
    parser.add_argument("--quick", action="store_true", help="little of all, once: to try it out")
    given = parser.parse_args(arguments)
    sizes = QUICK if given.quick else Sizes()
    if given.rounds:
        sizes = replace(sizes, rounds=given.rounds)
    return Options(given.only or list(SECTIONS), sizes, complete=not (given.only or given.quick))


def _sections(text: str) -> list[str]:
    wanted = [one.strip() for one in text.split(",")]
    if unknown := [one for one in wanted if one not in SECTIONS]:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {_names()}")
    return [name for name in SECTIONS if name in wanted]


def _rounds(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1")
    return int(text)


def _names() -> str:
    return ", ".join(SECTIONS)


def _say(what: str) -> None:
    sys.stderr.write(f"{what}\n")


def _stopped(why: str) -> int:
    _say(f"The benchmark stopped: {why}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
