"""What operators are shown of a queue that the real Node filled."""

from datetime import UTC, datetime, timedelta

from redis.asyncio import Redis

from bullmq_consumer.inspect.job import JobViews
from bullmq_consumer.inspect.queue import Counts, QueueView
from bullmq_consumer.queue_name import QueueName
from core.people import Cause, Thing, Why, sentence
from tests.support.cli import command
from tests.support.site import Site

BAD = {"userId": "u1", "projectId": "no uuid"}


async def test_a_queue_without_jobs_is_empty(site: Site) -> None:
    async with Redis.from_url(site.redis.url, decode_responses=True) as redis:
        view = QueueView(redis, QueueName(site.queue))
        assert await view.counts() == Counts(0, 0, 0, 0, 0, 0, 0, 0, is_paused=False)
        assert await view.counts_by_name() == {}
        assert await view.oldest_waiting() is None
        assert await JobViews(redis, QueueName(site.queue)).get("nobody") is None
        assert await JobViews(redis, QueueName(site.queue)).timeline("nobody") == []


async def test_jobs_are_shown_by_state_and_name_and_age(site: Site) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    await site.app.add("one", {}, {"priority": 3, "jobId": "newer-3"})
    await site.app.add("two", {}, {"jobId": "plain"})
    await site.app.add("one", {}, {"priority": 1, "jobId": "of-1"})
    await site.app.add(
        "one", {}, {"priority": 4, "jobId": "oldest", "timestamp": 1_700_000_000_000}
    )
    await site.app.add("two", {}, {"delay": 60_000, "priority": 3, "jobId": "later"})
    async with Redis.from_url(site.redis.url, decode_responses=True) as redis:
        view, jobs = QueueView(redis, QueueName(site.queue)), JobViews(redis, QueueName(site.queue))
        counts = await view.counts()
        assert (counts.waiting, counts.prioritized, counts.delayed, counts.ready) == (1, 3, 1, 4)
        assert await view.counts_by_name() == {
            "one": {"prioritized": 3},
            "two": {"wait": 1, "delayed": 1},
        }
        oldest = await view.oldest_waiting()
        assert oldest is not None
        assert (oldest.job_id, oldest.name) == ("oldest", "one")
        assert await jobs.ids("prioritized", 10) == ["of-1", "newer-3", "oldest"]
        assert await jobs.ids("waiting", 10) == ["plain"]
        later = await jobs.get("later")
        assert later is not None
        assert (later.state, later.delay_ms, later.priority) == ("delayed", 60_000, 3)
        assert later.created_at is not None
        assert later.created_at > before


async def test_a_failed_job_tells_its_story(site: Site) -> None:
    options = {"jobId": "bad", "attempts": 3, "priority": 2, "removeOnFail": 20}
    await site.app.add("va_compose_video", BAD, options)
    await site.worker()
    await site.finished("bad")
    async with Redis.from_url(site.redis.url, decode_responses=True) as redis:
        view, jobs = QueueView(redis, QueueName(site.queue)), JobViews(redis, QueueName(site.queue))
        job = await jobs.get("bad")
        assert job is not None
        assert (job.state, job.attempts_made, job.attempts, job.data) == ("failed", 1, 3, BAD)
        assert job.reason is not None
        assert "projectId" in job.reason  # `failed_reason` is for people
        assert job.failed_reason == sentence(Why(Cause.INVALID), Thing.FILM, "en")
        assert job.started_at is not None
        assert job.finished_at is not None
        assert job.waits == {"stops": 0, "providers": 0, "rows": 0}
        events = [one.event for one in await jobs.timeline("bad")]
        assert [one for one in events if one != "progress"] == [
            "added",
            "waiting",
            "active",
            "failed",
        ]
        assert await jobs.ids("failed", 10) == ["bad"]
        workers = await view.workers()
        assert workers is not None
        assert [one.name.startswith("vidfab-") for one in workers] == [True]


ODD_TIMES = ("1e300", "nan", "-5", "abc", "12.5", "9" * 5000)


async def test_no_job_hides_the_others_however_it_was_written(site: Site) -> None:
    """Anybody with the address of Redis writes what he likes: all is shown, or counts as none."""
    await site.app.add("one", {}, {"priority": 3, "jobId": "good"})
    prefix = f"bull:{site.queue}"
    settings = site.vidfab.settings(site.queue)
    deep = "[" * 500 + "]" * 500
    async with Redis.from_url(site.redis.url) as raw:
        for at, text in enumerate(ODD_TIMES):
            fields = {"name": "odd", "timestamp": text, "delay": "9" * 5000, "opts": "[" * 9000}
            await raw.hset(f"{prefix}:odd{at}", mapping={**fields, "data": deep})
            await raw.zadd(f"{prefix}:failed", {f"odd{at}": at})
            await raw.rpush(f"{prefix}:wait", f"odd{at}")
        await raw.hset(f"{prefix}:bytes", mapping={"name": b"\xff", "data": b'"\xfe"'})
        # No job at all: the name of the queue's stream of events, and bytes.
        await raw.zadd(f"{prefix}:failed", {"bytes": 7, "events": 8, b"\xff": 9})
        await raw.xadd(f"{prefix}:events", {"event": "progress", "jobId": "odd0", "data": deep})
        await raw.xadd(f"{prefix}:events", {"event": "delayed", "jobId": "odd0", "delay": "9" * 30})
    stats = await command(settings, "stats", "--json")
    assert stats.document["jobs"]["odd"] == {"wait": 6, "failed": 6}
    assert stats.document["oldest_waiting"]["job_id"] == "good"
    listed = await command(settings, "jobs", "--json")
    assert len(listed.document["jobs"]) == 7
    assert (await command(settings, "jobs")).code == 0
    for arguments in (("odd0",), ("odd0", "--json", "--full")):
        shown = await command(settings, "job", *arguments)
        assert (shown.code, "more than 100 levels" in shown.out) == (0, True)


async def test_a_long_value_is_cut_unless_it_is_wanted(site: Site) -> None:
    await site.app.add("one", {"text": "x" * 2**20}, {"priority": 3, "jobId": "long"})
    settings = site.vidfab.settings(site.queue)
    shown = await command(settings, "job", "long")
    assert "more characters: --full" in shown.out
    assert len(shown.out) < 25_000
    whole = await command(settings, "job", "long", "--full")
    assert "x" * 2**20 in whole.out
    document = (await command(settings, "job", "long", "--json")).document
    assert document["data"] == {"text": "x" * 2**20}
