"""How soon a worker ends, and what becomes of the jobs it had, in figures."""

import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.app import Shot, create_project, create_user, enqueue_storyboards
from sandbox.processes import Process
from sandbox.producer import NodeApp
from sandbox.providers.client import IMAGES
from sandbox.providers.models import Fault, Match
from sandbox.redis import RedisServer
from sandbox.vidfab import VidFab
from sandbox.worker_process import start_worker
from tests.support.recordings import USER
from tests.support.site import Site
from tests.support.stopwatch import Stopwatch

GRACE_S = 4.0  # the default
SLOW_S = 20  # longer than any grace below
LOCK_S = STALLED_CHECK_S = 30  # the defaults


async def _slow_down(vidfab: VidFab, text: str, times: int) -> None:
    """The next `times` pictures whose prompts hold `text` take long, later ones do not."""
    match = Match(path=IMAGES, body_contains=text)
    await vidfab.providers.control.add(Fault(match=match, delay_s=SLOW_S, times=times))


async def _enqueue(app: NodeApp, vidfab: VidFab, *descriptions: str) -> str:
    """A storyboard job with one shot for each description. Returns its id."""
    user = await create_user(vidfab.supabase)
    shots = [Shot(number, text) for number, text in enumerate(descriptions, 1)]
    project = await create_project(vidfab.supabase, user, shots)
    return await enqueue_storyboards(app, vidfab.supabase, project)


async def _paid(vidfab: VidFab, text: str) -> int:
    """How many pictures whose prompts hold `text` were charged for."""
    return sum(text in one.what for one in (await vidfab.providers.control.paid()).items)


async def _pictures(site: Site, job_id: str, count: int) -> None:
    """Until this many pictures of the job are stored in their rows."""
    done = f"已完成 {count}/"
    await site.app.wait_until(lambda: any(done in one["message"] for one in site.progress(job_id)))


async def test_a_stop_in_the_middle_of_three_jobs_hands_all_to_an_idle_worker(site: Site) -> None:
    worker = await site.worker()
    await _slow_down(site.vidfab, "SLOW", times=3)
    job_ids = [await _enqueue(site.app, site.vidfab, f"QUICK-{n}", f"SLOW-{n}") for n in range(3)]
    for job_id in job_ids:
        await _pictures(site, job_id, 1)
    idle = await site.worker()  # finds nothing to do

    stop = Stopwatch(worker)
    worker.signal(signal.SIGTERM)
    code, took_s = await stop.end_of(worker)
    gone, take_up = time.time(), Stopwatch(idle, site.redis.process)
    assert code == 0
    assert took_s < GRACE_S + 1
    for job_id in job_ids:
        taken_up = await site.app.wait_for(job_id, "active", count=2)
        assert taken_up.at / 1000 - gone - take_up.queued_s() < 1
        job = await site.finished(job_id)
        assert (job.state, job.attempts_made, job.stalled_counter) == ("completed", 1, 0)
        assert job.returnvalue["retryCount"] == 0
    for number in range(3):
        assert await _paid(site.vidfab, f"QUICK-{number}") == 1
        assert await _paid(site.vidfab, f"SLOW-{number}") == 2  # in flight at the end of the grace


async def test_a_crash_in_the_middle_of_a_job_is_made_good_within_65_s(site: Site) -> None:
    worker = await site.worker()
    await _slow_down(site.vidfab, "SLOW", times=2)
    job_id = await _enqueue(site.app, site.vidfab, "QUICK", "SLOW-2", "SLOW-3")
    await _pictures(site, job_id, 1)
    other = await site.worker()

    crashed, crash = time.time(), Stopwatch(other, site.redis.process)
    worker.signal(signal.SIGKILL)
    found = await site.app.wait_for(job_id, "active", count=2)
    assert found.at / 1000 - crashed - crash.queued_s() < LOCK_S + STALLED_CHECK_S + 1
    job = await site.finished(job_id)
    assert job.finished_on is not None
    assert job.finished_on / 1000 - crashed - crash.queued_s() < LOCK_S + STALLED_CHECK_S + 5
    assert (job.state, job.attempts_made, job.stalled_counter) == ("completed", 1, 1)
    assert job.returnvalue["data"]["completed"] == 3
    assert [await _paid(site.vidfab, shot) for shot in ("QUICK", "SLOW-2", "SLOW-3")] == [1, 2, 2]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (signal.SIGTERM, signal.SIGTERM),
        (signal.SIGINT, signal.SIGINT),
        (signal.SIGTERM, signal.SIGINT),
    ],
)
async def test_a_second_signal_ends_it_at_once(
    site: Site, first: signal.Signals, second: signal.Signals
) -> None:
    worker = await site.worker(SHUTDOWN_GRACE_S="15")
    await _slow_down(site.vidfab, "SLOW", times=1)
    await site.app.wait_for(await _enqueue(site.app, site.vidfab, "SLOW"), "active")
    worker.signal(first)
    await site.wait_for_line(worker, "🛑 Shutting down worker...")

    stop = Stopwatch(worker)
    worker.signal(second)
    code, took_s = await stop.end_of(worker)
    assert code == -second
    assert took_s < 1


@dataclass(frozen=True, slots=True)
class Apart:
    """A queue and a worker on a Redis of their own, which goes away."""

    redis: RedisServer
    app: NodeApp
    worker: Process


@pytest.fixture
async def apart(vidfab: VidFab, tmp_path: Path) -> AsyncIterator[Apart]:
    async with RedisServer() as redis, NodeApp(redis.url, "q") as app:
        await app.observe()
        settings = {**vidfab.settings("q"), "BULLMQ_REDIS_URL": redis.url}
        worker = await start_worker(settings, tmp_path)
        yield Apart(redis, app, worker)
        await worker.kill()


@pytest.mark.parametrize("busy", [True, False])
@pytest.mark.parametrize("away", [signal.SIGKILL, signal.SIGSTOP])
async def test_it_ends_in_time_when_redis_is_dead_or_mute(
    apart: Apart, vidfab: VidFab, away: signal.Signals, busy: bool
) -> None:
    """Mute: its connections stand, and nothing answers."""
    if busy:
        await _slow_down(vidfab, "SLOW", times=1)
        await apart.app.wait_for(await _enqueue(apart.app, vidfab, "SLOW"), "active")
    apart.redis.process.signal(away)
    stop = Stopwatch(apart.worker)
    apart.worker.signal(signal.SIGTERM)
    code, took_s = await stop.end_of(apart.worker)
    assert code == 75
    assert took_s < 20
    log = apart.worker.log.read_text("utf-8")
    assert "Redis did not answer" in log
    assert "✅ Worker stopped gracefully" not in log


@pytest.mark.parametrize("jobs_before_stop", [1, 40, 80])
async def test_a_stop_amid_a_backlog_leaves_no_job_active(
    site: Site, jobs_before_stop: int
) -> None:
    worker = await site.worker(QUEUE_CONCURRENCY="20")
    data = {"userId": USER, "operation": "add"}
    options = {"priority": 3, "removeOnComplete": 1000}
    for _ in range(150):
        await site.app.add("update_quota", data, options)
    await site.app.wait_until(
        lambda: sum(one.name == "completed" for one in site.app.events) >= jobs_before_stop
    )
    stop = Stopwatch(worker)
    worker.signal(signal.SIGTERM)
    code, took_s = await stop.end_of(worker)
    assert code == 0
    assert took_s < 15
    counts = await site.app.counts()
    assert counts["active"] == 0
    done = sum(event.name == "completed" for event in site.app.events)
    assert counts["prioritized"] + done == 150
