"""Options of the worker, where jobs have none of their own."""

from datetime import timedelta

import pytest

from bullmq_consumer.options import Options
from bullmq_consumer.protocol.keeping import Keep
from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.redis.address import RedisAddress
from tests.support.small_site import SmallSite

TOO_OFTEN = "job started more than allowable limit"


def test_a_negative_number_of_starts_is_refused_as_by_node() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        Options(queue=QueueName("q"), redis=RedisAddress("redis://x"), max_started_attempts=-1)


async def test_a_job_whose_last_start_failed_is_not_tried_again(site: SmallSite) -> None:
    job_id = await site.add("x", {"retry": "no"}, attempts=9)
    async with site.working(max_started_attempts=2):
        await site.app.wait_for(job_id, "failed")
    job = await site.app.job(job_id)
    assert job is not None
    assert (job.attempts_started, job.failed_reason) == (2, "no")


async def test_hand_backs_are_starts_and_one_too_many_fails_unrun(site: SmallSite) -> None:
    job_id = await site.add("x", {"limit": 1, "times": 9})
    async with site.working(max_started_attempts=3):
        await site.app.wait_for(job_id, "failed")
    job = await site.app.job(job_id)
    assert job is not None
    assert (job.attempts_started, job.failed_reason) == (4, TOO_OFTEN)
    assert len(site.app.events_of(job_id, "progress")) == 3, "each run begins with one"


async def finish(site: SmallSite, done: list[str], failed: list[str]) -> None:
    for job_id in done:
        await site.app.wait_for(job_id, "completed")
    for job_id in failed:
        await site.app.wait_for(job_id, "failed")


async def left(site: SmallSite, state: str) -> set[str]:
    return {job.id for job in await site.app.jobs(state)}


async def test_finished_jobs_stay_as_the_worker_says(site: SmallSite) -> None:
    done = [await site.add("x", {}) for _ in range(4)]
    failed = [await site.add("x", {"refuse": "no"}) for _ in range(2)]
    async with site.working(remove_on_complete=Keep(count=2), remove_on_fail=True):
        await finish(site, done, failed)
    assert await left(site, "completed") == {*done[-2:]}
    assert await left(site, "failed") == set()


async def test_what_a_job_says_itself_comes_first(site: SmallSite) -> None:
    done = [await site.add("x", {}, removeOnComplete=False) for _ in range(3)]
    failed = [await site.add("x", {"refuse": "no"}, removeOnFail=1) for _ in range(2)]
    async with site.working(remove_on_complete=1, remove_on_fail=True):
        await finish(site, done, failed)
    assert await left(site, "completed") == {*done}
    assert await left(site, "failed") == {failed[-1]}


async def test_ids_are_released_whatever_the_worker_keeps(site: SmallSite) -> None:
    job_ids = [await site.add("unique", {}, jobId="one"), await site.add("x", {})]
    async with site.working(remove_on_complete=Keep(age=timedelta(days=1))):
        await finish(site, job_ids, [])
    assert await left(site, "completed") == {job_ids[1]}
