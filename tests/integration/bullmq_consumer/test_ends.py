"""What a job that fails for good leaves, and what its application hears of it before."""

import asyncio
from datetime import timedelta

from redis.asyncio import Redis

from bullmq_consumer import Job, UnrecoverableError, Worker
from bullmq_consumer.delivery import Delivery
from bullmq_consumer.engine.application import JobHandle
from bullmq_consumer.engine.consumer import Consumer
from bullmq_consumer.options import Options
from bullmq_consumer.outcome import Done, Fail, Outcome
from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.redis.address import RedisAddress
from tests.support.small_app import SmallApp
from tests.support.small_site import SmallSite


async def test_a_failed_job_that_is_retried_by_hand_begins_anew(site: SmallSite) -> None:
    worker = Worker(site.queue, site.redis.url)

    @worker.job("x")
    async def x(job: Job) -> None:
        raise UnrecoverableError("no")

    job_id = await site.add("x", {})
    key = f"bull:{site.queue}:{job_id}"
    async with Redis.from_url(site.redis.url) as redis:
        await redis.hset(key, "handBacks", "20")
        assert await worker.drain() == 1
        assert await redis.hexists(key, "finishedOn")
        assert not await redis.hexists(key, "handBacks")


class NoJson(SmallApp):
    """Returns what is no JSON, and hears what its jobs fail for."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    async def run(
        self, delivery: Delivery, handle: JobHandle, stopping: asyncio.Event
    ) -> Done | Outcome:
        return Done({1, 2})

    async def on_failed(self, delivery: Delivery, handle: JobHandle, reason: str) -> Fail:
        self.heard.append(reason)
        return Fail(reason)


async def test_a_result_that_is_no_json_fails_a_job_after_its_hook(site: SmallSite) -> None:
    application = NoJson()
    options = Options(queue=QueueName(site.queue), redis=RedisAddress(site.redis.url))
    consumer = Consumer(options, application)
    loop = await consumer.start()
    try:
        await site.app.wait_for(await site.add("x", {}, attempts=1), "failed")
    finally:
        await consumer.stop(loop, timedelta(seconds=1))
    [reason] = application.heard
    assert reason.startswith("The job returned what is no JSON")
