"""Limits that Node sets on the queue: they hold jobs up for as long as they say, not longer."""

from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bullmq_consumer.engine.consumer import Consumer
from bullmq_consumer.options import Options
from bullmq_consumer.protocol.commands import Limit
from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.redis.address import RedisAddress
from sandbox.redis import RedisServer
from tests.support.small_app import SmallApp
from tests.support.small_site import SmallSite


async def add_quick(site: SmallSite, count: int) -> list[str]:
    return [await site.add("quick", {}, jobId=f"quick-{n}", priority=3) for n in range(count)]


async def check_one_at_a_time(site: SmallSite, job_ids: list[str], gap_ms: int = 0) -> None:
    """All end in good time: a block of 30 s between two of them would not."""
    for job_id in job_ids:
        await site.app.wait_for(job_id, "completed")
    begun = sorted(site.app.events_of(job_id, "active")[0].at for job_id in job_ids)
    gaps = [after - before for before, after in pairwise(begun)]
    assert min(gaps) >= gap_ms * 0.8


async def test_a_rate_limit_lets_the_next_job_start_when_it_has_passed(
    server: RedisServer, tmp_path: Path
) -> None:
    async with SmallSite(server, tmp_path, "bullmq-5-81") as site:  # 5.58 knows none of this kind
        await site.app.set_global_rate_limit(1, 1000)
        await site.worker()
        await check_one_at_a_time(site, await add_quick(site, 4), gap_ms=1000)


async def test_a_global_concurrency_lets_the_next_job_start_when_one_ends(site: SmallSite) -> None:
    await site.app.set_global_concurrency(1)
    for _ in range(2):
        await site.worker()
    job_ids = await add_quick(site, 6)
    await check_one_at_a_time(site, job_ids)
    active = {"active": 1, "completed": -1}
    places = [active.get(event.name, 0) for event in site.app.events if event.job_id in job_ids]
    assert max(sum(places[: n + 1]) for n in range(len(places))) == 1


@pytest.mark.parametrize(
    "end", [{"retry": "not now"}, {"later": 3600}], ids=["a retry", "a snooze"]
)
async def test_a_job_that_goes_back_for_later_leaves_its_place_to_the_next(
    site: SmallSite, end: dict[str, Any]
) -> None:
    """The worker has places left, and waits for a marker, which does not come for a free place."""
    await site.app.set_global_concurrency(1)
    backoff = {"type": "fixed", "delay": 3_600_000}
    back = await site.add("x", {"sleep": 1, **end}, backoff=backoff)
    ready = await site.add("quick", {})
    await site.worker(concurrency=2)
    await site.app.wait_for(ready, "completed")
    ours = [(one.job_id, one.name) for one in site.app.events if one.name in {"delayed", "active"}]
    assert ours == [(back, "active"), (back, "delayed"), (ready, "active")]
    gone, begun = site.app.events_of(back, "delayed")[0].at, site.app.events_of(ready, "active")
    assert begun[0].at - gone < 30_000


async def test_a_workers_own_limit_spreads_jobs_over_time(site: SmallSite) -> None:
    """As Node's `limiter`: two a second."""
    options = Options(
        queue=QueueName(site.queue),
        redis=RedisAddress(site.redis.url),
        concurrency=5,
        limit=Limit(2, timedelta(seconds=1)),
    )
    job_ids = await add_quick(site, 5)
    worker = Consumer(options, SmallApp())
    loop = await worker.start()
    try:
        for job_id in job_ids:
            await site.app.wait_for(job_id, "completed")
    finally:
        assert await worker.stop(loop, timedelta(seconds=1))
    begun = sorted(site.app.events_of(job_id, "active")[0].at for job_id in job_ids)
    assert begun[4] - begun[0] >= 1900
