"""The worker between the real Node BullMQ of three versions as producer and observer."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from sandbox.app import Shot, create_project, create_user, enqueue_storyboards
from sandbox.processes import PATIENCE_S
from sandbox.producer import Package
from sandbox.vidfab import VidFab
from tests.support.site import Site

IMAGES = "/ark/api/v3/images/generations"
PACKAGES: list[Package] = ["bullmq", "bullmq-5-81", "bullmq-6"]


@pytest.fixture(params=PACKAGES)
async def any_site(
    request: pytest.FixtureRequest, vidfab: VidFab, tmp_path: Path
) -> AsyncIterator[Site]:
    async with Site(vidfab, tmp_path, request.param) as site:
        yield site


async def test_node_sees_a_storyboard_job_as_the_contract_says(any_site: Site) -> None:
    site, vidfab = any_site, any_site.vidfab
    worker = await site.worker()
    user = await create_user(vidfab.supabase)
    shots = [Shot(1, "雨夜，一只橘猫在窗边 🐈"), Shot(2, "She opens the door")]
    project = await create_project(vidfab.supabase, user, shots)
    job_id = await enqueue_storyboards(site.app, vidfab.supabase, project)
    job = await site.finished(job_id)

    names = [event.name for event in site.app.events_of(job_id)]
    assert [name for name in names if name != "progress"] == [
        "added",
        "waiting",
        "active",
        "completed",
    ]
    counts = {"processed": 0, "total": 2}
    progress = site.progress(job_id)
    assert progress[0] == {"percent": 0, "message": "Starting job..."}
    assert progress[1] == {"percent": 0, "message": "开始生成分镜图...", **counts}
    assert progress[-1] == {
        "percent": 100,
        "message": "全部分镜生成完成！",
        "processed": 2,
        "total": 2,
    }
    await worker.stop()  # which writes what is left of the log
    log = worker.log.read_text("utf-8")
    for report in (
        "0% - 正在生成第 1 张分镜",
        "0% - 正在生成第 2 张分镜",
        "45% - 已完成 1/2",
        "90% - 已完成 2/2",
    ):
        assert log.count(f"⏳ Progress: {report}") == 1
    assert "⏳ Progress: 95% - 正在更新项目状态..." in log
    assert [one["percent"] for one in progress] == sorted(one["percent"] for one in progress)

    assert (job.state, job.failed_reason, job.attempts_made) == ("completed", None, 1)
    assert job.progress == progress[-1]
    assert job.returnvalue.keys() == {"success", "data", "duration", "retryCount", "finishedAt"}
    assert job.returnvalue["data"] == {
        "generated": True,
        "projectId": project.id,
        "total": 2,
        "completed": 2,
        "failed": 0,
        "finalStatus": "completed",
    }
    [completed] = site.app.events_of(job_id, "completed")
    assert completed.args["returnvalue"] == job.returnvalue
    prompts = [one.body["prompt"] for one in await vidfab.providers.control.requests(IMAGES)]
    assert any("雨夜，一只橘猫在窗边 🐈" in prompt for prompt in prompts)


async def test_node_reads_why_a_job_failed(any_site: Site) -> None:
    site, vidfab = any_site, any_site.vidfab
    await site.worker()
    user = await create_user(vidfab.supabase)
    project = await create_project(vidfab.supabase, user, [Shot(1, "A door")])
    refusal = {"code": "InputTextSensitiveContentDetected", "message": "内容不合规"}
    await vidfab.providers.control.fail(IMAGES, status=400, body={"error": refusal})
    job_id = await enqueue_storyboards(site.app, vidfab.supabase, project)
    job = await site.finished(job_id)

    reason = "No storyboard could be generated: shot 1: 内容不合规"
    assert (job.state, job.failed_reason, job.attempts_made) == ("failed", reason, 1)
    assert job.returnvalue is None
    [failed] = site.app.events_of(job_id, "failed")
    assert failed.args["failedReason"] == reason
    assert site.progress(job_id)[-1]["message"] == "分镜生成失败"


async def test_retries_follow_the_jobs_own_options(any_site: Site) -> None:
    """Two attempts, 300 ms apart, then failed; Node counts what Node would count."""
    site, vidfab = any_site, any_site.vidfab
    await site.worker(BYTEPLUS_IMAGE_MAX_RETRIES="0")
    user = await create_user(vidfab.supabase)
    project = await create_project(vidfab.supabase, user, [Shot(1, "A door")])
    await vidfab.providers.control.fail(IMAGES, status=503)
    job_id = await enqueue_storyboards(
        site.app, vidfab.supabase, project, attempts=2, backoff_ms=300
    )
    job = await site.finished(job_id)

    assert (job.state, job.attempts_made) == ("failed", 2)
    first, second = site.app.events_of(job_id, "active")
    assert second.at - first.at >= 300
    [row] = await vidfab.supabase.rows("project_storyboards", project_id=f"eq.{project.id}")
    assert row["status"] == "failed"
    assert row["error_message"] == (
        "The service that makes this picture is busy. Please try again in a few minutes."
    )


async def test_a_pause_by_node_is_obeyed_and_loses_nothing(any_site: Site) -> None:
    site, vidfab = any_site, any_site.vidfab
    await site.worker()
    user = await create_user(vidfab.supabase)
    project = await create_project(vidfab.supabase, user, [Shot(1, "A door")])
    await site.app.pause()
    job_id = await enqueue_storyboards(site.app, vidfab.supabase, project)
    other = await site.app.add("no_such_job", {"userId": user}, {"priority": 1})
    await site.app.resume()
    assert (await site.finished(job_id)).state == "completed"
    assert (await site.finished(other)).state == "failed"
    names = [event.name for event in site.app.events]
    assert names.index("resumed") < names.index("active")


async def test_priorities_are_obeyed(site: Site) -> None:
    ids = [
        await site.app.add("no_such_job", {}, {"priority": priority, "jobId": f"p{priority}"})
        for priority in (4, 3, 2, 1)
    ]
    await site.worker(QUEUE_CONCURRENCY="1")
    for job_id in ids:
        await site.end_of(job_id)
    started = [event.job_id for event in site.app.events if event.name == "active"]
    assert started == ["p1", "p2", "p3", "p4"]


async def test_a_delayed_job_runs_when_it_is_due(site: Site) -> None:
    await site.worker()
    job_id = await site.app.add("no_such_job", {}, {"priority": 3, "delay": 700})
    job = await site.finished(job_id)
    assert job.processed_on is not None
    assert 700 <= job.processed_on - job.timestamp < 5000


async def test_node_and_bull_board_watch_the_worker(any_site: Site) -> None:
    site, vidfab = any_site, any_site.vidfab
    await vidfab.providers.control.delay("/ark/*", 1.5)
    process = await site.worker()
    user = await create_user(vidfab.supabase)
    project = await create_project(vidfab.supabase, user, [Shot(1, "A door")])
    job_id = await enqueue_storyboards(site.app, vidfab.supabase, project)
    await site.app.wait_until(lambda: len(site.progress(job_id)) > 2)

    [before] = await site.app.workers()
    assert before["rawname"].endswith(f"-{process.pid}")
    shown = await site.app.board("active")
    assert shown["hasWorkers"] is True
    [job] = shown["jobs"]
    assert (job["id"], job["progress"]) == (job_id, site.progress(job_id)[-1])
    async with Redis.from_url(site.redis.url) as redis:
        await redis.client_kill_filter(_id=before["id"])
    async with asyncio.timeout(PATIENCE_S):
        while [one["id"] for one in await site.app.workers()] in ([], [before["id"]]):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    [after] = await site.app.workers()
    assert after["rawname"] == before["rawname"]

    bad = await site.app.add("no_such_job", {}, {"priority": 1, "removeOnFail": 20})
    await site.finished(bad)
    await site.finished(job_id)
    shown = await site.app.board("failed")
    assert shown["counts"]["failed"] == 1
    [job] = shown["jobs"]
    assert (job["id"], job["isFailed"]) == (bad, True)
    assert job["failedReason"].startswith("Unknown job name 'no_such_job'")
    [job] = [one for one in (await site.app.board("completed"))["jobs"] if one["id"] == job_id]
    assert job["returnValue"]["success"] is True
    assert (await site.app.metrics("failed"))["meta"]["count"] == 1
    assert (await site.app.metrics("completed"))["meta"]["count"] >= 1
