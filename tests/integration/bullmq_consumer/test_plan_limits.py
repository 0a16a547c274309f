"""A Redis whose plan is used up: what operators read, and that jobs go on when it is raised."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bullmq_consumer import Job, Worker
from bullmq_consumer.redis.address import RedisAddress
from bullmq_consumer.redis.clients import RedisUnreachable, check
from sandbox.limited_redis import OPENING, Limit, LimitedRedis
from sandbox.processes import PATIENCE_S
from sandbox.redis import RedisServer
from tests.support.logs import consumer_log
from tests.support.small_site import SmallSite

ADVICE = {
    Limit.MONTH: "this month's commands of its plan or budget are used up, upgrade the plan",
    Limit.DAY: "this day's commands of its plan are used up, upgrade the plan",
    Limit.CONNECTIONS: "it has as many connections as its plan allows",
    Limit.SIZE: "a command or its answer is larger than its plan allows",
}


@pytest.fixture
async def limited(server: RedisServer) -> AsyncIterator[LimitedRedis]:
    async with LimitedRedis(server) as front:
        yield front


async def said(lines: list[str], text: str) -> str:
    """The first line with that text."""
    async with asyncio.timeout(PATIENCE_S):
        while not (found := [line for line in lines if text in line]):  # noqa: ASYNC110 (a log)
            await asyncio.sleep(0.02)
    return found[0]


@pytest.mark.parametrize("limit", Limit, ids=lambda limit: limit.name)
async def test_a_start_names_the_limit_and_waits(limited: LimitedRedis, limit: Limit) -> None:
    limited.limit, limited.exempt = limit, OPENING
    with pytest.raises(RedisUnreachable) as refused:
        await check(RedisAddress(limited.url))
    assert ADVICE[limit] in str(refused.value)
    assert "rights" not in str(refused.value)
    assert not refused.value.is_final, "a plan can be raised"
    limited.limit = None
    await check(RedisAddress(limited.url))


async def test_connections_that_are_refused_at_once_are_told_in_the_same_way(
    limited: LimitedRedis,
) -> None:
    limited.limit, limited.exempt = Limit.CONNECTIONS, ()
    with pytest.raises(RedisUnreachable, match="as many connections as its plan allows"):
        await check(RedisAddress(limited.url.replace("redis://", "redis://:pw@")))


async def test_a_worker_names_the_limit_and_goes_on_when_it_is_raised(
    limited: LimitedRedis, site: SmallSite
) -> None:
    worker = Worker(site.queue, limited.url)

    @worker.job("x")
    async def x(job: Job) -> str:
        return "done"

    lines: list[str] = []
    with consumer_log(lines):
        async with worker.running():
            limited.limit = Limit.MONTH
            job_id = await site.add("x", {})
            line = await said(lines, "max requests limit exceeded. Limit: 500000")
            assert f"({ADVICE[Limit.MONTH]} or raise the budget)" in line
            limited.limit = None
            await site.app.wait_for(job_id, "completed")
            await said(lines, "Redis works again after")


async def test_a_result_that_is_too_large_is_kept_until_it_can_be_written(
    limited: LimitedRedis, site: SmallSite
) -> None:
    worker = Worker(site.queue, limited.url)

    @worker.job("x")
    async def x(job: Job) -> str:
        return "x" * 40_000

    lines: list[str] = []
    with consumer_log(lines):
        async with worker.running():
            # Above that of scripts, which are loaded in the beginning.
            limited.limit, limited.largest_bytes = Limit.SIZE, 30_000
            job_id = await site.add("x", {})
            line = await said(lines, "max request size exceeded")
            assert ADVICE[Limit.SIZE] in line
            limited.limit = None
            await site.app.wait_for(job_id, "completed")
