"""Hand-backs though the worker goes on: a provider that is down, and the twenty-first one."""

import signal

from redis.asyncio import Redis

from sandbox.app import Project, Shot, create_project, create_user, enqueue_storyboards
from sandbox.providers import keys
from sandbox.providers.client import GEMINI
from tests.support.server import Server, response, running
from tests.support.site import Site
from tests.support.stopwatch import Stopwatch

SLACK = "/services/T0/B0/slack-token-012345"
NOT_FINISHED = "This picture could not be finished. Please try again."


async def project_of(site: Site) -> Project:
    supabase = site.vidfab.supabase
    return await create_project(supabase, await create_user(supabase), [Shot(1, "A door")])


async def test_a_provider_that_is_down_for_all_burns_no_attempts(site: Site) -> None:
    """Each job has three attempts, some of which are spent before the provider counts as down."""
    control = site.vidfab.providers.control
    await control.fail("/ark/*", status=503)
    await site.worker(BYTEPLUS_IMAGE_MAX_RETRIES="0", QUEUE_CONCURRENCY="4")
    projects = [await project_of(site) for _ in range(4)]
    job_ids = [
        await enqueue_storyboards(site.app, site.vidfab.supabase, project) for project in projects
    ]
    # Down for longer than the attempts with their backoff of 5 and 10 s would last.
    for job_id in job_ids:
        await site.app.wait_until(
            lambda: len(site.app.events_of(job_id, "delayed")) >= 2,  # noqa: B023
            40,
        )
    async with Redis.from_url(site.vidfab.redis.url, decode_responses=True) as client:
        counts = [await client.hget(f"bull:{site.queue}:{one}", "putOffs") for one in job_ids]
    assert all(counts), "each was handed back at least once"
    await control.clear_faults()

    for job_id in job_ids:
        job = await site.finished(job_id)
        assert job.state == "completed"
        assert job.attempts_made <= 3
    assert (await control.paid()).images == 4


async def test_a_quota_of_the_day_burns_no_attempt_and_is_told_once(site: Site) -> None:
    """Jobs wait for it; a look at it now and then costs nothing."""
    control = site.vidfab.providers.control
    await control.use_up_gemini("Day")
    async with running(Server()) as hooks:
        worker = await site.worker(
            IMAGE_PROVIDER="gemini",
            GOOGLE_AI_API_KEY=keys.GOOGLE,
            QUEUE_CONCURRENCY="1",
            SLACK_WEBHOOK_URL=hooks.on(SLACK, response(b"ok")),
        )
        for _ in range(3):
            project = await project_of(site)
            job_id = await enqueue_storyboards(site.app, site.vidfab.supabase, project)
            await site.app.wait_for(job_id, "delayed")
            job = await site.app.job(job_id)
            assert job is not None
            assert job.attempts_made == 0
            [row] = await site.vidfab.supabase.rows(
                "project_storyboards", project_id=f"eq.{project.id}"
            )
            assert row["status"] == "generating"
        await worker.stop()
        [alert] = hooks.to(SLACK)
    assert alert.json["text"].startswith("🔑 Gemini refuses this account, jobs that need it wait: ")
    assert len(await control.requests(GEMINI)) >= 1
    assert (await control.paid()).images == 0


async def test_a_job_that_is_handed_back_without_end_fails(site: Site) -> None:
    """Its rows are settled by the worker that meets it next."""
    supabase, control = site.vidfab.supabase, site.vidfab.providers.control
    await control.delay("/ark/*", 30)
    worker = await site.worker(SHUTDOWN_GRACE_S="0")
    project = await project_of(site)
    job_id = await enqueue_storyboards(site.app, supabase, project)
    await site.app.wait_until(lambda: len(site.progress(job_id)) > 2)
    async with Redis.from_url(site.vidfab.redis.url) as client:
        await client.hset(f"bull:{site.queue}:{job_id}", "handBacks", "20")
    stop = Stopwatch(worker)
    worker.signal(signal.SIGTERM)
    code, took_s = await stop.end_of(worker)
    assert code == 0
    assert took_s < 10
    await site.worker()
    job = await site.finished(job_id)

    assert job.state == "failed"
    assert job.failed_reason == "The job was handed back more than 20 times"
    [row] = await supabase.rows("project_storyboards", project_id=f"eq.{project.id}")
    assert (row["status"], row["error_message"]) == ("failed", NOT_FINISHED)
