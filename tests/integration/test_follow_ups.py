"""Jobs that a running job adds, with the real Redis and the library's queue."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from bullmq import Queue
from redis.asyncio import Redis

from bench.commands_sent import Count, counting
from bullmq_consumer.engine.adding import Addition
from bullmq_consumer.engine.handle import LiveHandle
from bullmq_consumer.engine.queues import Queues
from bullmq_consumer.health.log_throttle import LogThrottle
from bullmq_consumer.new_job import JobDefaults, NewJob, bulk_entry
from bullmq_consumer.protocol.commands import Commands, TakeOptions
from bullmq_consumer.protocol.job import read_job
from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.redis.address import RedisAddress
from bullmq_consumer.redis.clients import connect
from bullmq_consumer.redis.clock import RedisClock
from bullmq_consumer.redis.pipelined_client import PipelinedClient
from bullmq_consumer.safety.durable_writes import DurableWrites
from bullmq_consumer.safety.leases import Lease
from bullmq_consumer.scripts.queue_scripts import Hold, QueueScripts
from sandbox.processes import PATIENCE_S
from sandbox.vidfab import VidFab


@dataclass(frozen=True)
class Running:
    """A job that runs: its queue, the client that it works by, and its handle."""

    name: QueueName
    redis: PipelinedClient
    handle: LiveHandle


async def held() -> Hold:
    return Hold.OURS


@asynccontextmanager
async def running(vidfab: VidFab) -> AsyncIterator[Running]:
    name = QueueName(f"q-{uuid4().hex}")
    redis = connect(RedisAddress(vidfab.redis.url))
    scripts = QueueScripts(redis, name)
    job = read_job({}, "j", "t", 0.0)
    lease = Lease("j", held, lambda: None, 0.0, lambda: 0.0)
    writes = DurableWrites(scripts, LogThrottle("Redis"))
    commands = Commands(redis, name, TakeOptions(worker="w", lock_ms=30_000), RedisClock(redis))
    handle = LiveHandle(Queues(redis, name), job, lease, JobDefaults(), scripts, writes, commands)
    yield Running(name, redis, handle)
    await redis.aclose()


async def test_a_finished_job_is_replaced_and_an_open_one_stays(vidfab: VidFab) -> None:
    async with running(vidfab) as it:
        name, redis = it.name, it.redis
        queue = Queue(name.name, {"connection": redis, "prefix": name.prefix})
        for job_id in ("finished", "open"):
            await queue.add("x", {"from": "before"}, {"jobId": job_id, "priority": 1})
        await redis.hset(name.key("finished"), "finishedOn", 1)
        await redis.zrem(name.key("prioritized"), "finished")
        await redis.zadd(name.key("completed"), {"finished": 1})

        added = [NewJob("x", one, {"from": "after"}, priority=2) for one in ("finished", "open")]
        await it.handle.add_jobs(added)

        assert await redis.zrange(name.key("completed"), 0, -1) == []
        assert await redis.zrange(name.key("prioritized"), 0, -1) == ["open", "finished"]
        kept = [await redis.hget(name.key(one), "data") for one in ("finished", "open")]
        assert kept == ['{"from":"after"}', '{"from":"before"}']


async def test_a_job_that_comes_alone_is_added_by_one_command_after_a_look(vidfab: VidFab) -> None:
    """As downloads come, one with each picture."""
    watching = Redis.from_url(vidfab.redis.url)
    async with watching, counting(watching) as count, running(vidfab) as it:
        await it.handle.add_jobs([NewJob("x", "first", {}, priority=2)])  # and loads the script
        await seen(it.redis, count)
        assert count["HELLO"] == 1  # no connection of its own
        count.clear()
        await it.handle.add_jobs([NewJob("x", "second", {}, priority=2)])
        await seen(it.redis, count)
        assert count == {"HMGET": 1, "EVALSHA": 1, "ECHO": 1}
        assert await it.redis.zrange(it.name.key("prioritized"), 0, -1) == ["first", "second"]


async def test_jobs_that_come_together_need_no_connection_of_their_own(vidfab: VidFab) -> None:
    watching = Redis.from_url(vidfab.redis.url)
    async with watching, counting(watching) as count, running(vidfab) as it:
        ids = ["first", "second", "third"]
        await it.handle.add_jobs([NewJob("x", one, {}, priority=2) for one in ids])
        await seen(it.redis, count)
        count.clear()
        await it.handle.add_jobs([NewJob("x", f"{one}_too", {}, priority=2) for one in ids])
        await seen(it.redis, count)
        assert count == {"HMGET": 3, "EVALSHA": 3, "ECHO": 1}
        added = await it.redis.zrange(it.name.key("prioritized"), 0, -1)
        assert added == [*ids, *(f"{one}_too" for one in ids)]


async def test_a_job_that_has_finished_by_a_repeated_look_is_not_added_again(
    vidfab: VidFab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands of an answer that was lost are sent again."""
    async with running(vidfab) as it:
        queue = Queue(it.name.name, {"connection": it.redis, "prefix": it.name.prefix})
        addition = Addition(queue, [bulk_entry(NewJob("x", "once", {}, 2), JobDefaults())])
        look = addition._look  # pyright: ignore[reportPrivateUsage]

        async def late_look() -> Any:
            async with asyncio.timeout(PATIENCE_S):
                while not await it.redis.exists(it.name.key("once")):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            await it.redis.hset(it.name.key("once"), "finishedOn", 1)
            return await look()

        monkeypatch.setattr(addition, "_look", late_look)
        await addition.send()
        assert addition.kept_out == []


async def seen(redis: PipelinedClient, count: Count) -> None:
    """Until all commands until now are counted, which takes a moment."""
    await redis.execute_command("ECHO", "now")
    async with asyncio.timeout(PATIENCE_S):
        while not count["ECHO"]:  # noqa: ASYNC110 (a counter)
            await asyncio.sleep(0.01)
