"""Limits that Node or a job sets on the queue hold jobs up for as long as they say, not longer."""

from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bullmq_consumer.protocol.commands import Limit
from sandbox.producer import Event, Package, start_consumer
from sandbox.redis import RedisServer
from tests.support.apps import Apps
from tests.support.small_site import SmallSite

# A limit that a job sets, and what of it is left at least when Redis says that the job went back.
LIMIT_MS, LEFT_MS = 2000, 1000


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
    server: RedisServer, tmp_path: Path, apps: Apps
) -> None:
    async with SmallSite(
        server, tmp_path, apps, "bullmq-5-81"
    ) as site:  # 5.58 knows none of this kind
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
    job_ids = await add_quick(site, 5)
    async with site.working(concurrency=5, limit=Limit(2, timedelta(seconds=1))):
        for job_id in job_ids:
            await site.app.wait_for(job_id, "completed")
    begun = sorted(site.app.events_of(job_id, "active")[0].at for job_id in job_ids)
    assert begun[4] - begun[0] >= 1900


async def limited(site: SmallSite, job_id: str) -> Event:
    """The job's way back to the queue, which it has limited."""
    return await site.app.wait_for(job_id, "waiting", count=2)


def begun_after(site: SmallSite, moment: Event) -> list[tuple[str | None, int]]:
    """The jobs that began since, and how many ms later."""
    active = [one for one in site.app.events if one.name == "active"]
    return [(one.job_id, one.at - moment.at) for one in active if one.at >= moment.at]


async def test_a_limit_from_inside_holds_up_the_worker_and_burns_no_attempt(
    site: SmallSite,
) -> None:
    limiting = await site.add("x", {"limit": LIMIT_MS})
    other = await site.add("x", {})
    async with site.working():
        await site.app.wait_for(other, "completed")
    [(first, after_ms), (second, _)] = begun_after(site, await limited(site, limiting))
    assert [first, second] == [limiting, other], "it went back to the front"
    assert after_ms >= LEFT_MS
    job = await site.app.job(limiting)
    assert job is not None
    assert (job.attempts_made, job.attempts_started, job.failed_reason) == (1, 2, None)


async def test_the_end_of_a_job_beside_it_brings_no_other(site: SmallSite) -> None:
    beside = await site.add("x", {"sleep": 0.3})
    limiting = await site.add("x", {"limit": LIMIT_MS})
    others = [await site.add("x", {}) for _ in range(3)]
    async with site.working(concurrency=2):
        for job_id in (beside, limiting, *others):
            await site.app.wait_for(job_id, "completed")
    begun = begun_after(site, await limited(site, limiting))
    assert [job_id for job_id, _ in begun] == [limiting, *others]
    assert min(after_ms for _, after_ms in begun) >= LEFT_MS


async def test_a_worker_that_waits_for_jobs_finds_a_limited_one_with_a_priority(
    site: SmallSite,
) -> None:
    """BullMQ's script wakes nobody for such a one."""
    async with site.working(concurrency=2):
        limiting = await site.add("x", {"limit": 50}, priority=3)
        await site.app.wait_for(limiting, "completed")


@pytest.mark.parametrize("package", ["bullmq", "bullmq-5-81", "bullmq-6"])
async def test_it_holds_up_nodes_worker_with_a_limiter(
    server: RedisServer, tmp_path: Path, apps: Apps, package: Package
) -> None:
    async with SmallSite(server, tmp_path, apps, package) as site:
        # Both run jobs of this name.
        limiting = await site.add("sleep", {"ms": 1, "limit": LIMIT_MS})
        async with site.working():
            moment = await limited(site, limiting)
        node = await start_consumer(
            server.url,
            site.queue,
            tmp_path,
            package=package,
            options={"limiter": {"max": 1000, "duration": 1000}},
        )
        try:
            await site.app.wait_for(limiting, "completed")
        finally:
            await node.stop()
        [(_, after_ms)] = begun_after(site, moment)
        assert after_ms >= LEFT_MS
        job = await site.app.job(limiting)
        assert job is not None
        assert job.returnvalue == {"by": "node", "slept": 1}


async def test_a_job_that_always_limits_its_queue_burns_its_attempts_in_the_end(
    site: SmallSite,
) -> None:
    """Not as with Node's worker, whose queue would wait for it for ever."""
    limiting = await site.add("x", {"limit": 1, "times": 99}, attempts=2)
    async with site.working():
        await site.app.wait_for(limiting, "failed")
    job = await site.app.job(limiting)
    assert job is not None
    assert (job.attempts_made, job.attempts_started) == (2, 22)
    assert job.failed_reason == "too many requests"
