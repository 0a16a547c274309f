"""Runs workers as a process: signals, the health page, the exit code."""

import asyncio
import logging
import os
import sys
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Any, NoReturn

from bullmq_consumer.engine.life import ExitCode
from bullmq_consumer.health.loop_watch import LoopWatch
from bullmq_consumer.jobs.isolated.processes import CHILD
from bullmq_consumer.process.check import warn_of_versions
from bullmq_consumer.process.health_page import CannotListen, health_page
from bullmq_consumer.process.pm2 import notify_ready
from bullmq_consumer.process.signals import stop_on_signal
from bullmq_consumer.redis.clients import RedisUnreachable
from bullmq_consumer.worker import CannotRun, Health, Worker

logger = logging.getLogger(__name__)

_IDLE_LOOK_S = 1.0


def run(
    *workers: Worker[Any],
    health_port: int | None = None,
    health_host: str = "127.0.0.1",
    idle_exit: timedelta | None = None,
) -> ExitCode:
    """Take jobs until SIGTERM or Ctrl-C, then stop within the workers' grace.

    Several workers share one stop: when one of them cannot go on, all stop, and its exit code
    counts. With `health_port` `/livez` and `/readyz` are answered there. With `idle_exit` it stops
    by itself when no worker had a job for so long. A second signal kills; the jobs come back when
    their locks have run out.

    Returns the exit code of the process: `sys.exit(run(worker))`. It ends the process itself when
    something is left that would keep Python from ending: a thread of a `def` handler, or a write
    that waits for Redis.
    """
    return _process(workers, _serve(workers, health_host, health_port, idle_exit))


def drain(*workers: Worker[Any]) -> ExitCode:
    """Run what waits in the workers' queues, then end. Returns the exit code of the process."""
    return _process(workers, _drain(workers))


def _process(workers: Sequence[Worker[Any]], work: Coroutine[Any, Any, ExitCode]) -> ExitCode:
    try:
        check_not_isolated()
        code = asyncio.run(work)
    except (CannotListen, CannotRun, RedisUnreachable) as error:
        logger.critical("%s", error)
        return ExitCode.REFUSED
    finally:
        work.close()  # it may not have begun
    if code in (ExitCode.UNCLEAN, ExitCode.STUCK) or any(worker.threads_left for worker in workers):
        _end_hard(code)
    return code


def check_not_isolated() -> None:
    """Raise CannotRun in an isolated handler's process, where a script is imported again."""
    loaded = sys.modules.get("multiprocessing")  # as it is there
    if loaded is not None and loaded.current_process().name == CHILD:
        raise CannotRun(
            "An isolated handler's process imported a script that runs a worker: put that below"
            ' `if __name__ == "__main__":`'
        )


async def _serve(
    workers: Sequence[Worker[Any]], host: str, port: int | None, idle_exit: timedelta | None
) -> ExitCode:
    stop = asyncio.Event()
    stop_on_signal(stop)
    with LoopWatch(lambda: os._exit(ExitCode.STUCK)):
        async with health_page(lambda: _healths(workers), host, port):
            lives = [asyncio.create_task(worker.serve(stop)) for worker in workers]
            for worker in workers:
                _announce(worker)
            idle = asyncio.create_task(_stop_when_idle(workers, idle_exit, stop))
            versions = asyncio.create_task(warn_of_versions(workers))
            notify_ready()
            try:
                await asyncio.wait(lives, return_when=asyncio.FIRST_COMPLETED)
                stop.set()
                code = max([await life for life in lives])
                logger.info("Stopped (%d)", code)
                return code
            finally:
                idle.cancel()
                versions.cancel()
                stop.set()
                await asyncio.wait(lives)


async def _drain(workers: Sequence[Worker[Any]]) -> ExitCode:
    stop = asyncio.Event()
    stop_on_signal(stop)
    for worker in workers:
        ran = await worker.drain(stop)
        if stop.is_set():
            logger.info("Stopped before %s was empty", worker.options.queue.name)
            return ExitCode.STOPPED
        logger.info("The queue %s is empty: %d attempts ran", worker.options.queue.name, ran)
    return ExitCode.STOPPED


async def _stop_when_idle(
    workers: Sequence[Worker[Any]], idle_exit: timedelta | None, stop: asyncio.Event
) -> None:
    """Set `stop` when no worker had a job for so long."""
    if idle_exit is None:
        return
    idle_s, ended = 0.0, -1
    while idle_s < idle_exit.total_seconds():
        await asyncio.sleep(_IDLE_LOOK_S)
        before, ended = ended, sum(worker.ended for worker in workers)
        is_busy = ended != before or any(worker.health().running for worker in workers)
        idle_s = 0.0 if is_busy else idle_s + _IDLE_LOOK_S
    logger.info("No job for %s: the worker ends", idle_exit)
    stop.set()


def _healths(workers: Sequence[Worker[Any]]) -> list[tuple[str, Health]]:
    return [(worker.options.queue.name, worker.health()) for worker in workers]


def _announce(worker: Worker[Any]) -> None:
    options = worker.options
    logger.info(
        "Queue %s at %s, concurrency %d, jobs: %s",
        options.queue.name,
        options.redis,
        options.concurrency,
        ", ".join(sorted(worker.entries())),
    )


def _end_hard(code: ExitCode) -> NoReturn:
    """End though something is left that would keep Python from it."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)
