"""For how long a worker keeps away from a queue that its own job has limited."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from bullmq_consumer.protocol.commands import Commands, TakeOptions
from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.redis.clock import RedisClock
from bullmq_consumer.safety import held_off
from bullmq_consumer.safety.held_off import HeldOff
from sandbox.redis import RedisServer

HOUR_MS = 3_600_000


class Queue:
    """One that was limited for an hour, as `Commands` see it."""

    def __init__(self, redis: Redis, name: QueueName) -> None:
        self.redis = redis
        self.limiter = name.key("limiter")
        self.commands = Commands(
            redis, name, TakeOptions(worker="w", lock_ms=30_000), RedisClock(redis)
        )
        self.held_off = HeldOff(self.commands)

    async def limit(self) -> None:
        await self.commands.limit_queue(HOUR_MS)
        self.held_off.begin(HOUR_MS)


@pytest.fixture
async def queue(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Queue]:
    monkeypatch.setattr(held_off, "_LOOK_EVERY_S", 0.01)
    async with Redis.from_url(server.url, decode_responses=True) as redis:
        queue = Queue(redis, QueueName(f"q-{uuid4().hex}"))
        await queue.limit()
        yield queue


async def test_it_lasts_as_long_as_the_limit(queue: Queue) -> None:
    await queue.held_off.look(asyncio.Event())
    assert queue.held_off
    assert 0 < await queue.commands.limit_left_ms() <= HOUR_MS


async def test_it_ends_when_somebody_removes_the_limit(queue: Queue) -> None:
    await queue.redis.delete(queue.limiter)
    await queue.held_off.look(asyncio.Event())
    assert not queue.held_off


async def test_it_ends_though_workers_count_their_jobs_by_the_same_key(queue: Queue) -> None:
    await queue.redis.set(queue.limiter, 3, px=HOUR_MS)
    await queue.held_off.look(asyncio.Event())
    assert not queue.held_off


async def test_a_stop_ends_the_wait_alone(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_off, "_LOOK_EVERY_S", 3600)
    stopping = asyncio.Event()
    stopping.set()
    await queue.held_off.look(stopping)
    assert queue.held_off
