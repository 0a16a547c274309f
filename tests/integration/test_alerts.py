"""A worker tells Slack, Discord and Sentry what went wrong, and no secret with it."""

import json
import signal
from datetime import UTC, datetime, timedelta
from typing import Any

from core.jobs.envelope import iso
from sandbox.processes import Process
from tests.support.compositions import clip, lay_project
from tests.support.recordings import PROJECT, USER
from tests.support.server import Server, response, running
from tests.support.site import Site
from tests.support.stopwatch import Stopwatch

SLACK, DISCORD, SENTRY = "/services/T0/B0/slack-token-012345", "/discord", "/api/42/envelope/"
KEY = "0123456789abcdef0123456789abcdef"
SECRET = "shot/stack+key-1"


async def start(site: Site, hooks: Server) -> Process:
    return await site.worker(
        SLACK_WEBHOOK_URL=hooks.on(SLACK, response(b"ok")),
        DISCORD_WEBHOOK_URL=hooks.on(DISCORD, response(b"", status="204 No Content", length=None)),
        SENTRY_DSN=f"http://{KEY}@127.0.0.1:{hooks.port}/42",
        SHOTSTACK_API_KEY=SECRET,
        NODE_ENV="staging",
        LOG_FORMAT="json",
    )


async def lay_lost_project(site: Site) -> None:
    """One that waits for a film whose job is not in the queue, since long ago."""
    old = iso(datetime.now(UTC) - timedelta(minutes=21))
    state = {"status": "processing", "step_6_status": "processing", "updated_at": old}
    url = f"{site.vidfab.providers.media_url}/clip/a.mp4?seconds=4"
    await lay_project(site.vidfab, [4], [clip(1, url)], **state)


async def add_failing(site: Site, name: str, **data: Any) -> str:
    """Adds a job that no worker knows."""
    return await site.app.add(name, {"projectId": PROJECT, "userId": USER, **data}, {"attempts": 3})


def events(hooks: Server) -> list[dict[str, Any]]:
    return [json.loads(request.body.splitlines()[2]) for request in hooks.to(SENTRY)]


async def test_a_worker_tells_what_went_wrong(site: Site) -> None:
    await lay_lost_project(site)
    async with running(Server()) as hooks:
        hooks.on(SENTRY, response(b"{}"))
        worker = await start(site, hooks)
        [repair] = await hooks.until(SLACK)
        text = repair.json["text"]
        assert text.startswith(
            f"🩹 Reconciler: project {PROJECT} was 'processing' in step_6_status"
        )
        assert f"now failed · staging, queue {site.queue}, host " in text

        job_id = await add_failing(site, f"<!channel> {SECRET}", prompt="a private thought")
        text = (await hooks.until(SLACK, 2))[1].json["text"]
        assert text.startswith(
            f"❌ Failed: &lt;!channel&gt; *** {job_id} (project {PROJECT}, attempt 1 of 3): "
            "Unknown job name '&lt;!channel&gt; ***': known are "
        )
        await hooks.until(DISCORD, 2)
        await hooks.until(SENTRY, 2)

        # Slack hangs from now on: jobs, the other channels and the stop do not.
        hooks.on(SLACK, hooks.hang)
        again = [await add_failing(site, "treble") for _ in range(30)]
        for one in again:
            watch = Stopwatch(worker)
            await site.end_of(one)
            assert watch.seconds() < 5
        await hooks.until(DISCORD, 3)
        stop = Stopwatch(worker)
        worker.signal(signal.SIGTERM)
        code, took_s = await stop.end_of(worker)
        assert code == 0
        assert took_s < 4
        bodies = [request.body.decode() for request in hooks.requests]
        told = [one.json["content"] for one in hooks.to(DISCORD)]

    assert len(told) == 4
    assert "and 29 more like it in the last minute, e.g. ❌ Failed: treble" in told[3]
    _, failed, _, more = events(hooks)
    assert failed["tags"] == {
        "queue": site.queue,
        "job_id": job_id,
        "job_name": "<!channel> ***",
        "attempt": "1",
        "project_id": PROJECT,
        "user_id": USER,
    }
    assert (failed["environment"], more["extra"]) == ("staging", {"more_like_it": 29})
    log = worker.log.read_text("utf-8")
    for secret in (SECRET, site.vidfab.supabase.service_key, "private thought"):
        assert secret not in "".join(bodies)
    for secret in (SECRET, site.vidfab.supabase.service_key, "slack-token", KEY):
        assert secret not in log


async def test_a_jobs_json_lines(site: Site) -> None:
    """What a log search needs: flat, and named alike in each line of a job."""
    worker = await site.worker(LOG_FORMAT="json", LOG_LEVEL="info")
    job_id = await add_failing(site, "treble\n\x1b[2Jforged")
    await site.end_of(job_id)
    await worker.stop()
    lines = [json.loads(line) for line in worker.log.read_text("utf-8").splitlines()]
    about = [line for line in lines if line.get("job_id") == job_id]
    named = {"job_name": "treble\n\x1b[2Jforged", "attempt": 1, "project_id": PROJECT}
    assert [line["message"].split(" ")[0] for line in about] == ["🔥", "⏳", "❌"]
    assert all(line == {**line, **named} for line in about)
    assert isinstance(about[-1]["duration_ms"], int)
    assert {type(value) for line in lines for value in line.values()} <= {str, int}
