"""The workers that are compared, and one worker's way through a backlog of small jobs."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
from redis.asyncio import Redis

from bench.backlog import Run
from bench.peers.environment import programs
from bench.setup import Bench
from sandbox.processes import LOOPBACK, Process, SandboxError
from sandbox.redis import RedisServer

_WORKERS = Path(__file__).parent / "workers"
_POLL_S = 0.05
# Nothing that is measured takes so long.
_STUCK_S = 300

Left = Callable[[Any, int], Awaitable[int]]


@dataclass(frozen=True)
class Peer:
    """`command` runs the worker, `adding` is the program that adds as many jobs as it is told.

    `left` is how many of that number have not ended. Without a command it is this worker.
    """

    name: str
    adding: str
    left: Left
    command: Sequence[str] = ()


async def _left_of_bullmq(redis: Any, _: int) -> int:
    return await redis.zcard("bull:bench:prioritized") + await redis.llen("bull:bench:active")


async def _left_of_taskiq(redis: Any, added: int) -> int:
    """Its stream keeps what has ended: beside it are the progress and the result of each task."""
    return added - (await redis.dbsize() - 1) // 2


async def _left_of_dramatiq(redis: Any, _: int) -> int:
    return await redis.hlen("dramatiq:default.msgs")


async def _left_of_saq(redis: Any, _: int) -> int:
    return await redis.zcard("saq:bench:incomplete")


_TASKIQ = ("taskiq", "worker", "--workers", "1", "--max-async-tasks", "3", "taskiq_stream:broker")
_DRAMATIQ = ("dramatiq", "--processes", "1", "--threads", "3", "dramatiq_redis")
OURS = Peer("this worker", "bullmq_port", _left_of_bullmq)
PORT = Peer("bullmq", "bullmq_port", _left_of_bullmq, ("python", "bullmq_port.py"))
OTHERS = (
    Peer("saq", "saq_redis", _left_of_saq, ("saq", "saq_redis.settings")),
    Peer("taskiq", "taskiq_stream", _left_of_taskiq, _TASKIQ),
    Peer("dramatiq", "dramatiq_redis", _left_of_dramatiq, _DRAMATIQ),
)


async def run_backlog(bench: Bench, peer: Peer, warm_up: int, jobs: int) -> Run:
    """All jobs wait when the worker starts; what it does for the last `jobs` of them counts.

    CPU is that of its processes together. Raises SandboxError where it ends or stands still.
    """
    async with RedisServer() as server:
        redis = Redis(host=LOOPBACK, port=server.port, decode_responses=True)
        await _add(bench, peer, server.url, warm_up + jobs)
        worker = await _worker(bench, peer, server.url)
        await worker.start()
        try:

            async def until(most: int) -> tuple[int, float, float]:
                left = await _until(most, partial(peer.left, redis, warm_up + jobs), worker)
                return left, time.monotonic(), _cpu_s(worker)

            left, began, cpu_s = await until(jobs)
            _, ended, cpu_s_then = await until(0)
            return Run(left, ended - began, cpu_s_then - cpu_s)
        finally:
            await worker.kill()
            await redis.aclose()


async def _worker(bench: Bench, peer: Peer, url: str) -> Process:
    if not peer.command:
        return await bench.python.new(url, 3)
    program, *arguments = peer.command
    command = [await programs() / program, *arguments]
    log = bench.folder / f"{peer.name}-{uuid4()}.log"
    return Process(command, log, name=peer.name, cwd=_WORKERS, env=_environment(url))


async def _add(bench: Bench, peer: Peer, url: str, jobs: int) -> None:
    command = [await programs() / "python", f"{peer.adding}.py", str(jobs)]
    log = bench.folder / f"added-{uuid4()}.log"
    adding = Process(command, log, name=f"{peer.name} add", cwd=_WORKERS, env=_environment(url))
    await adding.start()
    if await adding.wait(_STUCK_S) != 0:
        raise SandboxError(f"Jobs for {peer.name} could not be added:\n{adding.log_tail()}")


def _environment(url: str) -> dict[str, str]:
    return {**os.environ, "REDIS_URL": url, "PYTHONPATH": str(_WORKERS)}


async def _until(most: int, left: Callable[[], Awaitable[int]], worker: Process) -> int:
    """Wait until at most so many jobs are left; how many are."""
    ends = time.monotonic() + _STUCK_S
    while (number := await left()) > most:
        if not worker.running:
            raise SandboxError(f"{worker.name} ended:\n{worker.log_tail()}")
        if time.monotonic() > ends:
            raise SandboxError(f"{worker.name} has {number} jobs left:\n{worker.log_tail()}")
        await asyncio.sleep(_POLL_S)
    return number


def _cpu_s(worker: Process) -> float:
    """Of its processes so far, those that have ended among them."""
    first = psutil.Process(worker.pid)
    processes = (first, *first.children(recursive=True))
    times = [one.cpu_times() for one in processes]
    ended = sum(one.children_user + one.children_system for one in times)
    return ended + sum(one.user + one.system for one in times)
