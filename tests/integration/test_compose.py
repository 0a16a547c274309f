"""Final videos beyond the recordings: what is bought, what is resumed, what is refused."""

import signal
from typing import Any

import pytest
from redis.asyncio import Redis

from sandbox.processes import Process
from sandbox.providers.models import Timing
from tests.support.compositions import (
    JOB,
    RENDERS,
    clip,
    lay_project,
    object_info,
    options,
    payload,
    project_row,
    shotstack,
    stored_film,
)
from tests.support.people import told_operators
from tests.support.recordings import PROJECT
from tests.support.site import Site
from tests.support.stopwatch import Stopwatch

# What the app prints.
BUSY = "The service that makes this final video is busy. Please try again in a few minutes."
NOT_MADE = "This final video could not be made. Please try again."
OUR_SIDE = (
    "This final video could not be made because of a problem on our side. Please try again later,"
    " and contact us if it happens again."
)
NOT_FOUND = "This project was not found. It may have been deleted."
UNREADABLE = (
    "The request for this final video could not be read. Please reload the page and try again."
)
# Where the stand-in keeps what it rendered.
FILMS = "/shotstack/*.mp4"
OTHER = "00000000-0000-4000-8000-000000000002"


async def add(site: Site, **change: Any) -> str:
    return await site.app.add("va_compose_video", payload(**change), options())


async def lay(site: Site, **columns: Any) -> None:
    url = f"{site.vidfab.providers.media_url}/clip/a.mp4?seconds=4"
    await lay_project(site.vidfab, [4], [clip(1, url)], **columns)


async def ordered(site: Site) -> int:
    found = await site.vidfab.providers.control.requests(RENDERS)
    return sum(one.method == "POST" for one in found)


async def polled(site: Site) -> set[str]:
    found = await site.vidfab.providers.control.requests(f"{RENDERS}/*")
    return {one.path for one in found}


async def add_with_lost_film(site: Site, backoff_ms: int) -> None:
    """A composition whose film cannot be fetched in its first attempt."""
    await lay(site)
    control = site.vidfab.providers.control
    await control.timing(Timing(renders=0))
    await control.fail(FILMS, 404, times=1)
    await site.worker(**shotstack(site.vidfab))
    backoff = {"type": "fixed", "delay": backoff_ms}
    await site.app.add("va_compose_video", payload(), options(backoff=backoff))


async def after_one_attempt(site: Site) -> None:
    """One that waits for its second attempt."""
    await add_with_lost_film(site, backoff_ms=3_600_000)
    await site.app.wait_for(JOB, "delayed")


async def rendering(site: Site, *, times: int = 1) -> None:
    """Until the worker has asked after the render."""
    await site.app.wait_until(
        lambda: sum("Rendering video" in one["message"] for one in site.progress(JOB)) >= times
    )


async def end(site: Site) -> tuple[str, str | None, int]:
    job = await site.finished(JOB)
    return job.state, job.failed_reason, job.attempts_made


async def statuses(site: Site) -> tuple[str, str]:
    row = await project_row(site.vidfab)
    return row["status"], row["step_6_status"]


async def check_composed_once(site: Site) -> None:
    job = await site.finished(JOB)
    assert job.state == "completed"
    assert await statuses(site) == ("completed", "completed")
    assert (await object_info(site.vidfab))["size"] == job.returnvalue["data"]["video"]["fileSize"]
    assert await ordered(site) == (await site.vidfab.providers.control.paid()).renders == 1
    assert len(await polled(site)) == 1


@pytest.mark.parametrize(
    ("ordered_as", "fps"),
    [({"seedance_task_id": "cgt-1"}, 24), ({"video_request_id": "ws-1"}, 24), ({}, 25)],
)
async def test_a_film_is_as_fast_as_its_clips(
    site: Site, ordered_as: dict[str, str], fps: int
) -> None:
    """Seedance's and Veo's have 24 frames a second; Shotstack makes 25 unless told."""
    url = f"{site.vidfab.providers.media_url}/clip/a.mp4?seconds=4"
    await lay_project(site.vidfab, [4], [clip(1, url, **ordered_as)])
    await site.vidfab.providers.control.timing(Timing(renders=0))
    await site.worker(**shotstack(site.vidfab))
    await add(site)
    await check_composed_once(site)
    assert (await stored_film(site.vidfab, site.folder)).fps == fps


async def test_a_stopping_worker_hands_the_render_on(site: Site) -> None:
    await lay(site)
    await site.vidfab.providers.control.timing(Timing(renders=8))
    worker = await site.worker(**shotstack(site.vidfab))
    await add(site)
    await rendering(site)
    assert await statuses(site) == ("processing", "processing")
    stop = Stopwatch(worker)
    worker.signal(signal.SIGTERM)
    code, took_s = await stop.end_of(worker)
    assert code == 0
    assert took_s < 3
    job = await site.app.job(JOB)
    assert job is not None
    assert (job.state, job.attempts_made, job.stalled_counter) == ("prioritized", 0, 0)

    await site.worker(**shotstack(site.vidfab))
    await check_composed_once(site)


async def test_a_killed_worker_leaves_a_render_that_is_resumed(site: Site) -> None:
    """The second worker finds the job by its stalled check: after 30 s, or 60 at the worst."""
    await lay(site)
    await site.vidfab.providers.control.timing(Timing(renders=3))
    worker: Process = await site.worker(**shotstack(site.vidfab))
    await add(site)
    await rendering(site)
    await worker.kill()
    watch = Stopwatch(await site.worker(**shotstack(site.vidfab)))
    await check_composed_once(site)
    assert watch.seconds() < 100


async def test_a_status_that_cannot_be_asked_for_costs_no_attempt(site: Site) -> None:
    """Shotstack goes on rendering all the same."""
    await lay(site)
    control = site.vidfab.providers.control
    await control.timing(Timing(renders=0))
    await control.fail(f"{RENDERS}/*", 503, times=4)
    await site.worker(**shotstack(site.vidfab))
    await add(site)
    await check_composed_once(site)
    assert (await site.finished(JOB)).attempts_made == 1


async def test_a_retry_resumes_the_render(site: Site) -> None:
    """Here the film cannot be fetched; the next attempt asks after the same render."""
    await add_with_lost_film(site, backoff_ms=100)
    await check_composed_once(site)
    assert (await site.finished(JOB)).attempts_made == 2


async def test_a_composition_that_waits_for_another_attempt_shows_no_failure(site: Site) -> None:
    """The app takes any `failedReason` for the end, be it of a job that is tried again."""
    await after_one_attempt(site)
    async with Redis.from_url(site.redis.url) as redis:
        assert await redis.hget(f"bull:{site.queue}:{JOB}", "failedReason") is None
    job = await site.app.job(JOB)
    assert job is not None
    assert (job.state, job.attempts_made) == ("delayed", 1)
    assert "The rendered video could not be fetched" in (job.stacktrace or [""])[0], "for operators"
    await site.app.promote(JOB)
    await check_composed_once(site)


async def test_a_composition_that_is_tried_again_at_once_shows_no_failure(site: Site) -> None:
    """Without a backoff it goes back by another script of BullMQ's."""
    await add_with_lost_film(site, backoff_ms=0)
    await check_composed_once(site)
    job = await site.finished(JOB)
    assert (job.attempts_made, job.failed_reason) == (2, None)
    assert "The rendered video could not be fetched" in (job.stacktrace or [""])[0]


async def test_what_an_earlier_attempt_said_is_gone_while_a_composition_runs(site: Site) -> None:
    """A worker before this one may have left its reason."""
    await lay(site)
    await site.vidfab.providers.control.timing(Timing(renders=3))
    await add(site)
    async with Redis.from_url(site.redis.url) as redis:
        key = f"bull:{site.queue}:{JOB}"
        await redis.hset(key, mapping={"failedReason": "no luck", "atm": "1"})
        await site.worker(**shotstack(site.vidfab))
        await rendering(site)
        assert await redis.hget(key, "failedReason") is None
    await check_composed_once(site)


async def test_a_render_that_nobody_knows_is_ordered_anew(site: Site) -> None:
    await after_one_attempt(site)
    await site.vidfab.providers.control.fail(f"{RENDERS}/*", 404, times=1)
    await site.app.promote(JOB)
    job = await site.finished(JOB)
    assert (job.state, job.attempts_made) == ("completed", 2)
    assert await ordered(site) == len(await polled(site)) == 2


async def test_a_page_of_the_edge_does_not_forget_the_render(site: Site) -> None:
    """Another one would be ordered, and paid for, while the first goes on."""
    await after_one_attempt(site)
    page = "<html><center>nginx</center></html>"
    await site.vidfab.providers.control.fail(f"{RENDERS}/*", 404, body=page, times=2)
    await site.app.promote(JOB)
    await check_composed_once(site)
    assert (await site.finished(JOB)).attempts_made == 2


async def test_an_order_that_was_answered_with_500_is_not_repeated_within_the_attempt(
    site: Site,
) -> None:
    """It may have been accepted. The next attempt orders, and once too."""
    await lay(site)
    control = site.vidfab.providers.control
    await control.timing(Timing(renders=0))
    await control.fail(RENDERS, 500, times=1, accepted=True)
    worker = await site.worker(**shotstack(site.vidfab))
    await add(site)
    job = await site.finished(JOB)
    assert (job.state, job.attempts_made) == ("completed", 2)
    assert await ordered(site) == 2
    await worker.stop()  # which writes what is left of the log
    assert ", trying again in" not in worker.log.read_text("utf-8")


async def test_a_lost_answer_is_not_repeated_within_the_attempt(site: Site) -> None:
    await lay(site)
    await site.vidfab.providers.control.break_off(RENDERS, times=1, accepted=True)
    await site.worker(**shotstack(site.vidfab))
    await site.app.add("va_compose_video", payload(), options(attempts=1))
    assert await end(site) == ("failed", BUSY, 1)
    reason = told_operators(await site.finished(JOB))
    assert "Shotstack could not be reached to render the video" in reason
    assert await ordered(site) == 1
    assert await statuses(site) == ("failed", "failed")


async def test_a_failed_render_is_not_resumed_by_a_retry_by_hand(site: Site) -> None:
    await lay(site)
    control = site.vidfab.providers.control
    await control.timing(Timing(renders=0))
    failed = {"response": {"status": "failed", "error": "no luck"}}
    await control.fail(f"{RENDERS}/*", 200, body=failed, times=1)
    await site.worker(**shotstack(site.vidfab))
    await add(site)
    assert await end(site) == ("failed", NOT_MADE, 1)
    reason = told_operators(await site.finished(JOB))
    assert reason == "Shotstack could not render the video: no luck"
    assert await statuses(site) == ("failed", "failed")
    await site.app.retry(JOB)
    await site.app.wait_for(JOB, "completed")
    assert await statuses(site) == ("completed", "completed")
    assert await ordered(site) == 2


@pytest.mark.parametrize(("times", "state"), [(1, "completed"), (9, "failed")])
async def test_a_render_that_lacked_a_source_is_repeated_once(
    site: Site, times: int, state: str
) -> None:
    """A clip's host may have been slow; one that is gone is not ordered a third time."""
    await lay(site)
    control = site.vidfab.providers.control
    await control.timing(Timing(renders=0))
    lacking = {"response": {"status": "failed", "error": "Failed to download a.mp4"}}
    await control.fail(f"{RENDERS}/*", 200, body=lacking, times=times)
    await site.worker(**shotstack(site.vidfab))
    await add(site)
    said = None if state == "completed" else NOT_MADE
    assert await end(site) == (state, said, 2)
    assert await statuses(site) == (state, state)
    assert await ordered(site) == len(await polled(site)) == 2


async def test_a_film_waits_for_the_right_key(site: Site) -> None:
    await lay(site)
    wrong = {**shotstack(site.vidfab), "SHOTSTACK_API_KEY": "wrong-key-123"}
    worker = await site.worker(**wrong)
    await add(site)
    await site.app.wait_for(JOB, "delayed")
    await worker.stop()
    log = worker.log.read_text("utf-8")
    assert "Shotstack refuses this account, jobs that need it wait 15 s" in log
    assert "wrong-key-123" not in log
    await site.worker(**shotstack(site.vidfab))
    await site.app.promote(JOB)
    assert (await site.finished(JOB)).state == "completed"
    assert (await site.vidfab.providers.control.paid()).renders == 1


async def test_no_clips(site: Site) -> None:
    await lay_project(site.vidfab, [4], [clip(1, None, status="failed")])
    await site.worker(**shotstack(site.vidfab))
    await add(site)
    said = "There are no finished clips yet. Please make the clips first."
    assert await end(site) == ("failed", said, 1)
    reason = told_operators(await site.finished(JOB))
    assert reason == "The project has no finished clips to compose"
    assert await statuses(site) == ("failed", "failed")
    assert await ordered(site) == 0


async def test_a_clip_without_a_video_is_not_left_out_of_the_film(site: Site) -> None:
    """It says `success` and has no URL at all: a film without it would be sold as the whole."""
    whole = clip(1, f"{site.vidfab.providers.media_url}/clip/1.mp4")
    await lay_project(site.vidfab, [4, 4, 4], [whole, clip(2, None), clip(3, "")])
    await site.worker(**shotstack(site.vidfab))
    await add(site)
    reason = "Some clips are missing their video. Please make the clips of these shots again: 2, 3."
    assert await end(site) == ("failed", reason, 1)
    assert await statuses(site) == ("failed", "failed")
    assert await ordered(site) == 0


async def test_a_clip_that_is_being_made_is_not_left_out_of_the_film(site: Site) -> None:
    """The step says `completed`: the clip was ordered again as the sync of the others ended."""
    whole = clip(1, f"{site.vidfab.providers.media_url}/clip/1.mp4")
    await lay_project(site.vidfab, [4, 4], [whole, clip(2, None, status="generating")])
    await site.worker(**shotstack(site.vidfab))
    await add(site)
    said = "Not all clips are finished yet. Please wait for them, then try again."
    assert await end(site) == ("failed", said, 1)
    assert await ordered(site) == 0


BAD = {
    "no projectId": ({"projectId": None}, "Invalid job data: 'projectId': field required"),
    "a number": ({"projectId": 7}, "'projectId': input should be a valid string"),
    "a path": ({"projectId": "../../x"}, "'projectId': must be a UUID"),
    "a path as user": ({"userId": "a/../b"}, "'userId': must be 1 to 128 letters"),
    "somebody else's": ({"userId": OTHER}, f"Project {PROJECT} does not belong to the job's user"),
    "not there": ({"projectId": OTHER}, f"Project {OTHER} does not exist"),
}


@pytest.mark.parametrize("case", BAD)
async def test_bad_payloads_fail_at_once_and_change_nothing(site: Site, case: str) -> None:
    change, sentence = BAD[case]
    await lay(site)
    before = await project_row(site.vidfab)
    await site.worker(**shotstack(site.vidfab))
    await add(site, **change)
    said = NOT_FOUND if sentence.startswith("Project ") else UNREADABLE
    assert await end(site) == ("failed", said, 1)
    assert sentence in told_operators(await site.finished(JOB))
    assert await project_row(site.vidfab) == before
    assert await ordered(site) == 0
