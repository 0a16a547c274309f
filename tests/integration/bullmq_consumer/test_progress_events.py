"""Which progress events the app gets of a job, and when, whatever happens to the connections."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from sandbox.processes import PATIENCE_S
from sandbox.redis import RedisServer
from tests.support.apps import Apps
from tests.support.small_site import SmallSite

JOBS = 2000
ENOUGH = 20
OPTIONS = {"priority": 1, "attempts": 3}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[SmallSite]:
    """With a Redis and a Node of its own, whose connections break too."""
    async with (
        RedisServer() as redis,
        Apps(redis) as apps,
        SmallSite(redis, tmp_path, apps) as site,
    ):
        yield site


async def test_no_event_comes_after_the_end_when_connections_break(site: SmallSite) -> None:
    """What lost its answer is asked again, and Redis may have obeyed it before."""
    job = {"name": "quick", "data": {}, "opts": OPTIONS}
    await site.worker(concurrency=10)
    added = killed = 0
    async with (
        Redis.from_url(site.redis.url, decode_responses=True) as redis,
        asyncio.timeout(PATIENCE_S),
    ):
        entries: list[dict[str, str]] = []
        last = "0-0"
        while killed <= ENOUGH:  # a quick worker is given more to do
            await site.app.add_bulk([job] * JOBS)
            added += JOBS
            while sum(one["event"] == "completed" for one in entries) < added:
                killed += await kill_scripts(redis)
                await asyncio.sleep(0.01)
                found = await redis.xrange(f"bull:{site.queue}:events", f"({last}")
                entries += [event for _, event in found]
                last = found[-1][0] if found else last
    ended: set[str] = set()
    told: set[str] = set()
    for event in entries:
        if event["event"] == "progress":
            assert event["jobId"] not in ended
            told.add(event["jobId"])
        elif event["event"] == "completed":
            assert event["jobId"] in told
            ended.add(event["jobId"])
    assert len(ended) == added


async def kill_scripts(redis: Redis) -> int:
    """End the connections over which a script was the last command; how many there were."""
    clients = await redis.client_list()
    scripting = [one["id"] for one in clients if one["cmd"] in {"evalsha", "script"}]
    return sum([await redis.client_kill_filter(_id=one) for one in scripting])
