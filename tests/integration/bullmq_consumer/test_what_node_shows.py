"""What Node and Bull Board show of a job that was run here: its worker, its errors, its log."""

import json
from typing import Any

import pytest
from redis.asyncio import Redis

from sandbox.redis import RedisServer
from tests.support.small_site import SmallSite


async def fields_of(server: RedisServer, site: SmallSite, job_id: str) -> dict[str, Any]:
    async with Redis.from_url(server.url, decode_responses=True) as redis:
        return await redis.hgetall(f"bull:{site.queue}:{job_id}")


async def test_a_failed_job_names_its_worker_and_the_lines_that_raised(
    server: RedisServer, site: SmallSite
) -> None:
    await site.worker()
    job_id = await site.add("x", {"retry": "not today"}, attempts=2)
    await site.app.wait_for(job_id, "failed")
    fields = await fields_of(server, site, job_id)
    assert fields["pb"], "processedBy is the worker's name"
    first, second = json.loads(fields["stacktrace"])
    for trace in (first, second):
        assert "small_app.py" in trace
        assert "raise RetryableError(reason)" in trace
        assert trace.splitlines()[-1] == "not today"


async def test_its_log_has_the_lines_in_order_and_as_many_as_it_keeps(
    server: RedisServer, site: SmallSite
) -> None:
    await site.worker()
    lines = [f"line {number}" for number in range(5)]
    all_of_them = await site.add("x", {"log": lines})
    last_two = await site.add("x", {"log": lines}, keepLogs=2)
    for job_id in (all_of_them, last_two):
        await site.app.wait_for(job_id, "completed")
    async with Redis.from_url(server.url, decode_responses=True) as redis:
        kept = [
            await redis.lrange(f"bull:{site.queue}:{one}:logs", 0, -1)
            for one in (all_of_them, last_two)
        ]
    assert kept == [lines, lines[-2:]]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        # Its lock would run out, and the work be done once more.
        ({"no_json": True}, "The job returned what is no JSON"),
        # Handed back, it would come again at once, twenty times.
        ({"cancel": True}, "The attempt was cancelled from within"),
    ],
)
async def test_an_attempt_without_a_result_has_failed(
    site: SmallSite, data: dict[str, bool], reason: str
) -> None:
    await site.worker()
    job_id = await site.add("x", data, attempts=2)
    await site.app.wait_for(job_id, "failed")
    job = await site.app.job(job_id)
    assert job is not None
    assert job.attempts_made == 2
    assert job.failed_reason is not None
    assert job.failed_reason.startswith(reason)
    assert len(site.app.events_of(job_id, "active")) == 2


async def test_a_parent_gets_what_its_children_returned(site: SmallSite) -> None:
    await site.worker()
    children = [{"name": "x", "queueName": site.queue, "data": {"n": n}} for n in (1, 2)]
    parent = await site.app.flow(
        {"name": "x", "queueName": site.queue, "data": {"children": True}, "children": children}
    )
    await site.app.wait_for(parent, "completed")
    job = await site.app.job(parent)
    assert job is not None
    returned = [one["data"]["n"] for one in job.returnvalue["data"]]
    assert sorted(returned) == [1, 2]


async def test_backoffs_and_attempts_are_not_cut(server: RedisServer, site: SmallSite) -> None:
    await site.worker()
    ten_days = {"type": "fixed", "delay": 864_000_000}
    job_id = await site.add("x", {"retry": "later"}, attempts=5000, backoff=ten_days)
    await site.app.wait_for(job_id, "delayed")
    fields = await fields_of(server, site, job_id)
    assert fields["delay"] == "864000000"
