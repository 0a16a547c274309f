"""All hostile payloads in one queue, one worker process, and a good job at their end."""

import asyncio
from collections.abc import Mapping

from redis.asyncio import Redis

from core.people import Cause, Thing, Why, sentence
from tests.support.hostile import Hostile, hostile
from tests.support.recordings import USER
from tests.support.site import Ended, Site

# Attempts that nobody may use up: what is hostile fails at its first.
OPTIONS = {"priority": 2, "attempts": 3, "backoff": {"type": "fixed", "delay": 20}}
GOOD = {"userId": USER, "operation": "add"}


async def spoil(redis: Redis, key: str, fields: Mapping[str, bytes | None]) -> None:
    """Write a hash as no producer would."""
    for name, value in fields.items():
        if value is None:
            await redis.hdel(key, name)
        else:
            await redis.hset(key, name, value)


async def lay_out(site: Site) -> dict[str, Hostile]:
    """Each as a job of the real app whose hash is spoiled then; by their ids."""
    laid: dict[str, Hostile] = {}
    async with Redis.from_url(site.vidfab.redis.url) as redis:
        for case in hostile():
            job_id = await site.app.add(case.name, {}, OPTIONS)
            await spoil(redis, f"bull:{site.queue}:{job_id}", case.hash())
            laid[job_id] = case
    return laid


# What people read of a film that fails.
FILM_SAYS = [sentence(Why(one), Thing.FILM, "en") for one in (Cause.INVALID, Cause.NOT_FOUND)]


def is_as_expected(end: Ended, case: Hostile) -> bool:
    if case.verdict == "completed":
        return end.state == "completed"
    says = FILM_SAYS if case.name == "va_compose_video" else [case.says]
    is_said = any(text in (end.failed_reason or "") for text in says)
    return end.state == "failed" and is_said and end.attempts_made == 1


async def test_none_of_them_stops_the_worker_or_gets_lost(site: Site) -> None:
    laid = await lay_out(site)
    good = await site.app.add("update_quota", GOOD, {"priority": 4})
    worker = await site.worker(QUEUE_CONCURRENCY="10")
    assert (await site.ended(good)).state == "completed"
    ends = await asyncio.gather(*(site.ended(job_id) for job_id in laid))
    unexpected = {
        case.id: end
        for end, case in zip(ends, laid.values(), strict=True)
        if not is_as_expected(end, case)
    }
    assert unexpected == {}
    async with Redis.from_url(site.vidfab.redis.url) as redis:
        for place in ("wait", "active", "prioritized", "delayed"):
            assert await redis.exists(f"bull:{site.queue}:{place}") == 0, place
    await worker.stop()  # which writes what is left of the log
    log = worker.log.read_text("utf-8")
    assert "Traceback" not in log
    assert max(map(len, log.splitlines())) < 3000
