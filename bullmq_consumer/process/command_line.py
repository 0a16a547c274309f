"""The command line, `python -m bullmq_consumer app:worker`: runs the workers that it names."""

import argparse
import asyncio
import gc
import importlib
import json
import logging
import os
import re
import sys
from datetime import timedelta
from importlib import metadata
from typing import Any

from bullmq_consumer import __version__
from bullmq_consumer.log_filter import JobLogFilter
from bullmq_consumer.process.check import TESTED, check
from bullmq_consumer.process.run import drain, run
from bullmq_consumer.worker import Worker

_UNITS = {"s": 1, "m": 60, "h": 3600}
_EPILOG = """\
examples:
  python -m bullmq_consumer app:worker
  python -m bullmq_consumer mails:worker films:worker --health-port 8080 --log json
  python -m bullmq_consumer app:worker --check

A worker is named as module:variable; the current folder is searched, too. Several workers share
one process and one stop. The first SIGTERM or Ctrl-C stops in order: running jobs have the
worker's grace to end, what runs still goes back to its queue. The second one kills.

exit codes:
  0   stopped
  1   cannot start, or --check found a fault
  2   these arguments cannot be read
  70  stuck: a new process may do better
  75  Redis was away at the stop: another worker finds the jobs
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    _log_as(asked.log, asked.log_level)
    sys.path.insert(0, os.getcwd())
    workers = [_worker(parser, named) for named in asked.workers]
    if not gc.isenabled():  # see bullmq_consumer/__main__.py
        gc.freeze()
        gc.enable()
    if asked.check:
        return asyncio.run(check(workers))
    if asked.drain:
        return drain(*workers)
    return run(
        *workers,
        health_port=asked.health_port,
        health_host=asked.health_host,
        idle_exit=asked.idle_exit,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bullmq_consumer",
        description="Take and run the jobs of BullMQ queues until SIGTERM or Ctrl-C.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "workers", nargs="+", metavar="module:variable", help="a Worker, such as app:worker"
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the versions and exit")
    _add_modes(parser)
    _add_outputs(parser)
    return parser


def _add_modes(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("instead of running until it is stopped")
    mode = group.add_mutually_exclusive_group()
    mode.add_argument(
        "--check", action="store_true", help="look whether it could run, without taking a job"
    )
    mode.add_argument("--drain", action="store_true", help="run what waits in the queues, then end")
    mode.add_argument(
        "--idle-exit",
        type=_duration,
        metavar="5m",
        help="end when there was no job for so long: 30s, 5m, 1h",
    )


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("health and log")
    group.add_argument(
        "--health-port", type=_port, metavar="N", help="answer /livez and /readyz by HTTP there"
    )
    group.add_argument(
        "--health-host",
        default="127.0.0.1",
        metavar="HOST",
        help="where that page listens (%(default)s); 0.0.0.0 in a container",
    )
    group.add_argument(
        "--log", choices=("text", "json"), default="text", help="lines of the log (%(default)s)"
    )
    group.add_argument(
        "--log-level",
        choices=("debug", "info", "warning"),
        default="info",
        help="the least that is logged (%(default)s)",
    )


class _Version(argparse.Action):
    """Looks the versions up only where they are asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        sys.stdout.write(f"{_version()}\n")
        parser.exit()


def _version() -> str:
    """Of the package, and of what its scripts come from."""
    python = ".".join(map(str, sys.version_info[:3]))
    lowest, highest = ("{}.{}".format(*one) for one in TESTED)
    return (
        f"bullmq-consumer {__version__} (Python {python}, BullMQ's scripts of bullmq"
        f" {metadata.version('bullmq')}, tested with BullMQ {lowest} to {highest} in Node)"
    )


def _worker(parser: argparse.ArgumentParser, named: str) -> Worker[Any]:
    module, _, variable = named.partition(":")
    if not (module and variable):
        parser.error(f"'{named}' names no worker: write module:variable, such as app:worker")
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0] and error.name != module:
            raise  # of what the module itself imports
        parser.error(f"There is no module '{module}' here or among what is installed")
    found = getattr(loaded, variable, None)
    if not isinstance(found, Worker):
        what = f"is a {type(found).__name__}, not a Worker" if found else "is not there"
        workers = [name for name, one in vars(loaded).items() if isinstance(one, Worker)]
        known = f"; Workers in {module}: {', '.join(workers)}" if workers else ""
        parser.error(f"'{named}' {what}{known}")
    return found  # pyright: ignore[reportUnknownVariableType]


def _duration(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,6})([smh])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"'{text}' is no duration: write 30s, 5m or 1h")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text[:6]) <= 65535:
        raise argparse.ArgumentTypeError(f"'{text}' is no port: 1 to 65535")
    return int(text)


def _log_as(kind: str, level: str) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonLines() if kind == "json" else logging.Formatter(_TEXT))
    handler.addFilter(JobLogFilter())
    logging.basicConfig(level=level.upper(), handlers=[handler])


_TEXT = "%(asctime)s %(levelname)s %(message)s"


# What `JobLogFilter` adds to a record of a job.
_OF_JOB = ("queue", "job_id", "job_name", "attempt")


class _JsonLines(logging.Formatter):
    """One object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """As JSON."""
        line: dict[str, object] = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        noted = vars(record)
        if noted["attempt"]:
            line.update((name, noted[name]) for name in _OF_JOB)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
