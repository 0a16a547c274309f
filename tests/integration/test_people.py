"""What people read in the app when something failed, and what operators read of the same."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from sandbox.processes import PATIENCE_S
from sandbox.producer import JobView
from sandbox.providers.client import IMAGES, RENDERS
from sandbox.providers.models import Operation
from tests.support import compositions
from tests.support.clips import clip, clips, lay_clips, sync
from tests.support.compositions import JOB, options, payload, shotstack
from tests.support.gate import Gate, gate_to
from tests.support.people import told_operators
from tests.support.recordings import PROJECT, USER
from tests.support.site import Site
from tests.support.storyboards import generating, lay_project, storyboards
from tests.support.videos import VIDEO, lay_video, video_row

REFUSAL = {"error": {"code": "OutputImageSensitiveContentDetected", "message": "lab: too dark"}}
TWO_SHOTS = [{"shot_number": n, "description": "A door"} for n in (1, 2)]
NOT_SAVED = "This {} could not be saved. Please try again in a few minutes."
NOT_FINISHED = "This final video could not be finished. Please try again."
BUSY = "The service that makes this {} is busy. Please try again in a few minutes."
UNUSABLE = "This {} came in a form that cannot be used. Please make it again."


@pytest.fixture
async def gate(site: Site) -> AsyncIterator[Gate]:
    """The way to Supabase of a worker with `SUPABASE_URL=gate.url`."""
    async with gate_to(site.vidfab.supabase.url) as gate:
        yield gate


async def check_operators(site: Site, job: JobView, *told: str) -> None:
    """The log, the job's own log and its stack trace have the reason."""
    seen = await site.app.job(job.id, logs=True)
    assert seen is not None
    # A thread of the worker writes its log, so a job's end may be known before its last lines are.
    async with asyncio.timeout(PATIENCE_S):
        while not all(one in logged(site) for one in told):  # noqa: ASYNC110 (a file)
            await asyncio.sleep(0.02)
    places = {"job log": "\n".join(seen.logs), "trace": str(job.stacktrace)}
    assert [(where, one) for where, text in places.items() for one in told if one not in text] == []


def logged(site: Site) -> str:
    return "".join(file.read_text("utf-8") for file in site.folder.glob("*.log"))


# -- pictures -------------------------------------------------------------------------------


async def draw(site: Site, attempts: int = 1, **settings: str) -> str:
    await lay_project(site.vidfab, generating(1, 2))
    await site.worker(BYTEPLUS_IMAGE_MAX_RETRIES="0", **settings)
    return await add_pictures(site, attempts)


async def add_pictures(site: Site, attempts: int = 1) -> str:
    data = {"userId": USER, "projectId": PROJECT, "shots": TWO_SHOTS, "characters": []}
    again = {"attempts": attempts, "backoff": {"type": "fixed", "delay": 50}}
    return await site.app.add("storyboard_generation", data, {"priority": 2, **again})


async def read_below_pictures(site: Site) -> list[str]:
    rows = await storyboards(site.vidfab)
    assert {row["status"] for row in rows.values()} == {"failed"}
    return [row["error_message"] for row in rows.values()]


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        (
            "en",
            "This picture was refused because of its content. Please change the description or the"
            " reference pictures and try again.",
        ),
        ("ZH", "该图片因内容未通过审核。请修改描述或参考图后重试。"),
    ],
)
async def test_a_provider_refuses_pictures(site: Site, language: str, sentence: str) -> None:
    await site.vidfab.providers.control.fail(IMAGES, 400, body=REFUSAL)
    job = await site.finished(await draw(site, APP_LANGUAGE=language))
    assert await read_below_pictures(site) == [sentence] * 2
    assert job.failed_reason == "No storyboard could be generated: shot 1: lab: too dark"
    await check_operators(site, job, job.failed_reason)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("attempts", [1, 2])
async def test_a_provider_of_pictures_is_down_for_ever(
    site: Site, status: int, attempts: int
) -> None:
    busy = {"error": {"code": "ServerOverloaded", "message": "lab: no room"}}
    await site.vidfab.providers.control.fail(IMAGES, status, body=busy)
    job = await site.finished(await draw(site, attempts))
    assert await read_below_pictures(site) == [BUSY.format("picture")] * 2
    assert job.failed_reason == "No storyboard could be generated: shot 1: lab: no room"
    await check_operators(site, job, job.failed_reason)


async def test_nobody_sells_pictures(site: Site) -> None:
    settings = {"BYTEPLUS_API_KEY": "", "GOOGLE_AI_API_KEY": ""}
    job = await site.finished(await draw(site, **settings))
    assert (
        await read_below_pictures(site)
        == [
            "This picture could not be made because of a problem on our side. Please try again"
            " later, and contact us if it happens again."
        ]
        * 2
    )
    assert "set BYTEPLUS_API_KEY or GOOGLE_AI_API_KEY" in (job.failed_reason or "")


async def test_the_database_is_away_when_pictures_fail(site: Site, gate: Gate) -> None:
    """The job waits to fail; the delivery that settles its rows has the stored reason alone."""
    control = site.vidfab.providers.control
    await control.delay("/ark/*", 2)
    await control.fail(IMAGES, 400, body=REFUSAL)
    job_id = await draw(site, SUPABASE_URL=gate.url)
    await site.wait_for_purchase(2)
    gate.shut()
    await site.app.wait_for(job_id, "delayed", 3 * PATIENCE_S)
    gate.open()
    # After 30 s of its own, or 60: until then the worker may hold the database for down.
    job = await site.finished(job_id, 3 * PATIENCE_S)
    assert await read_below_pictures(site) == [NOT_SAVED.format("picture")] * 2
    assert "Supabase could not be reached to" in (job.failed_reason or "")


# -- clips ----------------------------------------------------------------------------------


async def test_a_provider_refuses_a_clip(site: Site) -> None:
    """In its own words, which only operators read."""
    words = "lab: The request failed because the output video may contain sensitive information."
    operation = Operation(final="failed", after_s=0, error_message=words)
    await site.vidfab.providers.control.register("tasks", "t1", operation)
    await lay_clips(site.vidfab, clip(1))
    worker = await site.worker(APP_LANGUAGE="zh")
    await site.end_of(await sync(site))
    row = (await clips(site.vidfab))[1]
    sentence = "该视频片段因内容未通过审核。请修改描述或参考图后重试。"
    assert (row["status"], row["error_message"]) == ("failed", sentence)
    await site.wait_for_line(worker, f"Clip 1 has failed: {words}")


# -- final videos ---------------------------------------------------------------------------


async def lay_film(site: Site, url: str = "$MEDIA/clip/a.mp4?seconds=4") -> None:
    url = url.replace("$MEDIA", site.vidfab.providers.media_url)
    await compositions.lay_project(site.vidfab, [4], [compositions.clip(1, url)])


async def compose(site: Site, **change: Any) -> JobView:
    await site.app.add("va_compose_video", payload(), options(**change))
    return await site.finished(JOB, 3 * PATIENCE_S)


async def test_a_renderer_is_down_for_ever(site: Site) -> None:
    await lay_film(site)
    refused = {"response": {"error": "lab: no room"}}
    await site.vidfab.providers.control.fail(RENDERS, 503, body=refused)
    await site.worker(**shotstack(site.vidfab))
    job = await compose(site, attempts=2)
    assert (job.failed_reason, job.attempts_made) == (BUSY.format("final video"), 2)
    await check_operators(site, job, "Shotstack refused to render the video: lab: no room")


async def test_a_render_fails(site: Site) -> None:
    await lay_film(site)
    answer = {"response": {"status": "failed", "error": "lab: no luck"}}
    await site.vidfab.providers.control.fail(f"{RENDERS}/*", 200, body=answer)
    await site.worker(**shotstack(site.vidfab), APP_LANGUAGE="zh")
    job = await compose(site)
    assert job.failed_reason == "该成片未能生成，请重试。"
    await check_operators(site, job, "Shotstack could not render the video: lab: no luck")


async def test_the_address_of_a_clip_is_unsafe(site: Site) -> None:
    await lay_film(site, "https://127.0.0.1/a.mp4")
    await site.worker(**shotstack(site.vidfab))
    job = await compose(site)
    sentence = "Some clips cannot be used. Please make the clips of these shots again: 1."
    assert job.failed_reason == sentence
    await check_operators(site, job, "Unsafe clip of shot 1: IP literal is not allowed")


async def test_a_clip_of_a_film_is_missing(site: Site) -> None:
    rows = [compositions.clip(n, None) for n in (1, 3)]
    await compositions.lay_project(site.vidfab, [4, 4, 4], rows)
    await site.worker(**shotstack(site.vidfab))
    job = await compose(site)
    assert job.failed_reason == (
        "Some clips are missing their video. Please make the clips of these shots again: 1, 3."
    )
    await check_operators(site, job, "Please generate them again: shot 1, shot 3.")


@pytest.mark.parametrize("named", [{}, {"userId": None}], ids=["owner named", "owner unknown"])
async def test_the_database_is_away_when_a_film_fails(
    site: Site, gate: Gate, named: dict[str, Any]
) -> None:
    """It has no other answer than its hash, before and after its rows are settled."""
    await lay_film(site)
    gate.shut()
    await site.worker(**shotstack(site.vidfab), SUPABASE_URL=gate.url)
    await site.app.add("va_compose_video", {**payload(), **named}, options(attempts=1))
    await site.app.wait_for(JOB, "delayed", 3 * PATIENCE_S)
    waiting = await site.app.job(JOB)
    assert waiting is not None
    assert waiting.failed_reason is None
    gate.open()
    await site.app.promote(JOB)
    job = await site.finished(JOB)
    assert job.failed_reason == NOT_SAVED.format("final video")
    assert told_operators(job).startswith("Supabase could not be reached to")
    row = await compositions.project_row(site.vidfab)
    assert (row["status"], row["step_6_status"]) == ("failed", "failed")


async def test_a_film_fails_without_an_attempt(site: Site) -> None:
    """Its workers died too often: `defa` says so, and nothing was raised."""
    await lay_film(site)
    await site.app.add("va_compose_video", payload(), options())
    reason = "job stalled more than allowable limit"
    async with Redis.from_url(site.redis.url) as redis:
        await redis.hset(f"bull:{site.queue}:{JOB}", "defa", reason)
    await site.worker(**shotstack(site.vidfab))
    job = await site.finished(JOB)
    assert (job.failed_reason, told_operators(job)) == (NOT_FINISHED, reason)
    await check_operators(site, job, reason)


async def test_nothing_of_an_older_failure_is_said_again(site: Site) -> None:
    """What is kept belongs to one reason."""
    await lay_film(site)
    await site.app.add("va_compose_video", payload(), options())
    kept = '{"failure": {"reason": "Shotstack is down", "why": ["BUSY"]}}'
    async with Redis.from_url(site.redis.url) as redis:
        fields = {"defa": "job stalled more than allowable limit", "checkpoint": kept}
        await redis.hset(f"bull:{site.queue}:{JOB}", mapping=fields)
    await site.worker(**shotstack(site.vidfab))
    assert (await site.finished(JOB)).failed_reason == NOT_FINISHED


# -- single videos --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "sentence", "reason"),
    [
        ("https://127.0.0.1/a.mp4", UNUSABLE, "Unsafe originalUrl: IP literal"),
        ("$MEDIA/img/a.jpg", UNUSABLE, "What the address serves is not a video"),
        (
            "$MEDIA/status/503/a.mp4",
            "This {} could not be downloaded. Please try again in a few minutes.",
            "Download failed: the server answered 503",
        ),
        (
            "$MEDIA/status/404/a.mp4",
            "This {} is no longer available. Please make it again.",
            "Download failed: the server answered 404",
        ),
    ],
)
async def test_a_video_cannot_be_had(site: Site, url: str, sentence: str, reason: str) -> None:
    await lay_video(site.vidfab)
    await site.worker()
    url = url.replace("$MEDIA", site.vidfab.providers.media_url)
    data = {"userId": USER, "videoId": VIDEO, "originalUrl": url}
    job = await site.ended(await site.app.add("download_video", data, {"priority": 3}))
    row = await video_row(site.vidfab)
    assert (row["status"], row["error_message"]) == ("failed", sentence.format("video"))
    assert (job.failed_reason or "").startswith(reason)
