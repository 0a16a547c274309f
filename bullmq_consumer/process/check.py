"""Whether workers could run: what `--check` looks at, without taking a job."""

import logging
import re
import sys
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bullmq_consumer.engine.life import ExitCode
from bullmq_consumer.redis import clients as redis_client
from bullmq_consumer.redis.clients import RedisUnreachable, connect_briefly
from bullmq_consumer.worker import Worker

logger = logging.getLogger(__name__)

TESTED = (5, 58), (6, 7)
"""The lowest and the highest BullMQ in Node that this worker is tested with: major and minor."""


async def check(workers: Sequence[Worker[Any]]) -> ExitCode:
    """Print what was found for each worker; REFUSED when one could not run as it stands."""
    code = ExitCode.STOPPED
    for worker in workers:
        queue = worker.options.queue.name
        faults = [fault async for fault in _faults(worker)]
        for fault in faults:
            sys.stdout.write(f"✗ {queue}: {fault}\n")
            code = ExitCode.REFUSED
        if not faults:
            jobs = ", ".join(sorted(worker.entries()))
            sys.stdout.write(f"✓ {queue} at {worker.options.redis}: {jobs}\n")
    return code


async def warn_of_versions(workers: Sequence[Worker[Any]]) -> None:
    """Log an error for a queue that an untested BullMQ writes; nothing without a Redis."""
    for worker in workers:
        redis = connect_briefly(worker.options.redis)
        try:
            if fault := await _untested(redis, worker):
                logger.error("%s", fault)
        except (RedisError, OSError):
            continue  # the worker itself says it
        finally:
            await redis.aclose()


async def _faults(worker: Worker[Any]) -> AsyncGenerator[str]:
    try:
        if not worker.entries():
            yield "it has no handler: add a function with @worker.job(name)"
    except TypeError as error:
        yield str(error)
    try:
        await redis_client.check(worker.options.redis)
    except RedisUnreachable as error:
        yield str(error)
        return
    redis = connect_briefly(worker.options.redis)
    try:
        for fault in (await _untested(redis, worker), await _evicting(redis)):
            if fault:
                yield fault
    except (RedisError, OSError) as error:
        yield f"Redis refuses what a worker reads: {error}"
    finally:
        await redis.aclose()


async def _untested(redis: Redis, worker: Worker[Any]) -> str | None:
    """Node writes its version into the queue's meta, such as `bullmq:5.58.9`."""
    written: Any = await redis.hget(worker.options.queue.key("meta"), "version")  # pyright: ignore
    found = re.search(r"(\d+)\.(\d+)", str(written or ""))
    if not found:
        return None
    version = int(found[1]), int(found[2])
    lowest, highest = TESTED
    if lowest <= version <= highest:
        return None
    tested = f"{lowest[0]}.{lowest[1]} to {highest[0]}.{highest[1]}"
    return f"Its producer is {written}, this worker is tested with BullMQ {tested}"


async def _evicting(redis: Redis) -> str | None:
    try:
        policy: Any = (await redis.config_get("maxmemory-policy")).get("maxmemory-policy")  # pyright: ignore
    except RedisError:
        return None  # hosts of Redis do not let everybody ask
    if policy in (None, "noeviction"):
        return None
    return f"Redis may throw jobs away: set maxmemory-policy to noeviction, not {policy}"
