"""Storyboards beyond the recordings: what is bought, what is kept, and by whom."""

from typing import Any

import pytest

from sandbox.app import Character, Project, Shot, create_project, create_user, enqueue_storyboards
from sandbox.providers import keys
from tests.support.site import Site

IMAGES = "/ark/api/v3/images/generations"
GEMINI = "/google/*"
REFUSED = (
    "This picture was refused because of its content. Please change the description or the"
    " reference pictures and try again."
)
REFUSAL = {"error": {"code": "InputTextSensitiveContentDetected", "message": "too dark"}}


async def project_of(site: Site, shots: int) -> Project:
    supabase = site.vidfab.supabase
    user = await create_user(supabase)
    texts = [Shot(number, f"SHOT-{number} a red door") for number in range(1, shots + 1)]
    return await create_project(supabase, user, texts)


async def rows_of(site: Site, project: Project) -> list[dict[str, Any]]:
    return await site.vidfab.supabase.rows(
        "project_storyboards", project_id=f"eq.{project.id}", order="shot_number,version"
    )


async def asked(site: Site, path: str = IMAGES) -> int:
    return len(await site.vidfab.providers.control.requests(path))


async def test_a_retry_buys_only_what_is_missing(site: Site) -> None:
    control = site.vidfab.providers.control
    for shot in ("SHOT-2", "SHOT-5"):
        await control.fail(IMAGES, status=503, times=1, body_contains=shot)
    await site.worker(BYTEPLUS_IMAGE_MAX_RETRIES="0")
    project = await project_of(site, 6)
    job_id = await enqueue_storyboards(site.app, site.vidfab.supabase, project, backoff_ms=100)
    job = await site.finished(job_id)

    assert job.attempts_made == 2
    assert job.returnvalue["data"]["completed"] == 6
    assert job.returnvalue["retryCount"] == 1
    assert await asked(site) == 8
    assert (await control.paid()).images == 6


async def test_a_refused_shot_is_not_asked_for_again(site: Site) -> None:
    control = site.vidfab.providers.control
    await control.fail(IMAGES, status=400, body=REFUSAL, body_contains="SHOT-1")
    await control.fail(IMAGES, status=503, times=1, body_contains="SHOT-2")
    await site.worker(BYTEPLUS_IMAGE_MAX_RETRIES="0")
    project = await project_of(site, 3)
    job_id = await enqueue_storyboards(site.app, site.vidfab.supabase, project, backoff_ms=100)
    job = await site.finished(job_id)

    assert job.returnvalue["data"]["finalStatus"] == "partial"
    assert await asked(site) == 4
    rows = await rows_of(site, project)
    assert [row["status"] for row in rows] == ["failed", "success", "success"]
    assert rows[0]["error_message"] == REFUSED


async def test_a_shot_whose_reference_came_too_late_is_asked_for_again(site: Site) -> None:
    control = site.vidfab.providers.control
    late = {"code": "InvalidParameter", "message": "Timeout while downloading url: https://x.y/a"}
    await control.fail(IMAGES, status=400, body={"error": late}, times=1, body_contains="SHOT-1")
    await site.worker(BYTEPLUS_IMAGE_MAX_RETRIES="0")
    project = await project_of(site, 2)
    job_id = await enqueue_storyboards(site.app, site.vidfab.supabase, project, backoff_ms=100)
    job = await site.finished(job_id)

    assert (job.attempts_made, job.returnvalue["data"]["finalStatus"]) == (2, "completed")
    assert (await control.paid()).images == 2


async def test_a_job_delivered_twice_buys_once(site: Site) -> None:
    await site.worker()
    project = await project_of(site, 2)
    job_id = await enqueue_storyboards(site.app, site.vidfab.supabase, project)
    first = await site.finished(job_id)
    again = await site.app.add(
        "storyboard_generation", {**first.data, "jobId": "again"}, {"jobId": "again", "priority": 2}
    )
    second = await site.finished(again)
    assert second.returnvalue["data"] == first.returnvalue["data"]
    assert await asked(site) == 2


async def test_an_operators_retry_asks_again_for_what_was_refused(site: Site) -> None:
    """A release sent what the model refuses; with the next one the same job succeeds."""
    control = site.vidfab.providers.control
    is_wrong = {"error": {"code": "InvalidParameter", "message": "The size is not supported"}}
    await control.fail(IMAGES, status=400, body=is_wrong, times=2)
    await site.worker()
    project = await project_of(site, 2)
    job_id = await enqueue_storyboards(site.app, site.vidfab.supabase, project)
    failed = await site.finished(job_id)
    assert failed.state == "failed"
    assert "The size is not supported" in (failed.failed_reason or "")

    await site.app.retry(job_id)
    await site.app.wait_for(job_id, "completed")
    assert [row["status"] for row in await rows_of(site, project)] == ["success", "success"]


async def test_each_version_is_stored_on_its_own(site: Site) -> None:
    await site.worker()
    project = await project_of(site, 1)
    for _ in range(2):
        job_id = await enqueue_storyboards(site.app, site.vidfab.supabase, project)
        await site.finished(job_id)
        current = (await rows_of(site, project))[-1]
        await site.app.wait_for(f"storyboard_download_{project.id}_1_{current['id']}", "completed")
    old, new = await rows_of(site, project)
    assert (old["is_current"], new["is_current"]) == (False, True)
    assert old["storage_status"] == new["storage_status"] == "completed"
    assert old["image_storage_path"] != new["image_storage_path"]


async def test_a_truncated_picture_is_fetched_again_and_never_stored_half(site: Site) -> None:
    control = site.vidfab.providers.control
    await control.break_off("/img/*", 5000, times=1)
    await site.worker(QUEUE_RETRY_DELAY="100")
    project = await project_of(site, 1)
    job_id = await enqueue_storyboards(site.app, site.vidfab.supabase, project)
    await site.finished(job_id)
    [row] = await rows_of(site, project)
    download = f"storyboard_download_{project.id}_1_{row['id']}"
    await site.app.wait_for(download, "completed")
    [row] = await rows_of(site, project)
    assert row["storage_status"] == "completed"
    assert row["file_size"] > 5000
    assert len(site.app.events_of(download, "active")) == 2


async def test_a_page_in_place_of_a_picture_fails_at_once(site: Site) -> None:
    control = site.vidfab.providers.control
    page = {"content-type": "image/jpeg"}
    await control.fail("/img/*", status=200, body="<html>gone</html>" * 9, headers=page)
    await site.worker()
    project = await project_of(site, 1)
    await site.finished(await enqueue_storyboards(site.app, site.vidfab.supabase, project))
    [row] = await rows_of(site, project)
    download = f"storyboard_download_{project.id}_1_{row['id']}"
    job = await site.ended(download)
    assert (job.state, job.attempts_made) == ("failed", 1)
    [row] = await rows_of(site, project)
    assert row["storage_status"] == "failed"
    said = "This picture came in a form that cannot be used. Please make it again."
    assert row["error_message"] == said
    assert "not an image" in job.failed_reason


async def test_gemini_pictures_go_to_storage_directly(site: Site) -> None:
    await site.worker(IMAGE_PROVIDER="gemini", GOOGLE_AI_API_KEY=keys.GOOGLE)
    project = await project_of(site, 2)
    job_id = await enqueue_storyboards(site.app, site.vidfab.supabase, project)
    job = await site.finished(job_id)
    assert job.returnvalue["data"]["completed"] == 2
    for row in await rows_of(site, project):
        assert (row["status"], row["storage_status"]) == ("success", "completed")
        assert row["image_url"] == row["cdn_url"]
        assert row["image_storage_path"].endswith(f"/shot-{row['shot_number']}-{row['id']}.jpg")
        assert row["file_size"] > 0
    assert await asked(site) == 0


@pytest.mark.parametrize("first_fails", [{"status": 503}, {"status": 400, "body": REFUSAL}])
async def test_the_second_provider_steps_in(site: Site, first_fails: dict[str, Any]) -> None:
    await site.vidfab.providers.control.fail(IMAGES, **first_fails)
    await site.worker(
        IMAGE_PROVIDER_FALLBACK="true",
        GOOGLE_AI_API_KEY=keys.GOOGLE,
        BYTEPLUS_IMAGE_MAX_RETRIES="0",
    )
    project = await project_of(site, 1)
    job_id = await enqueue_storyboards(site.app, site.vidfab.supabase, project)
    assert (await site.finished(job_id)).returnvalue["data"]["completed"] == 1
    assert await asked(site) == 1
    assert await asked(site, GEMINI) == 1


async def test_without_a_provider_the_job_says_so(site: Site) -> None:
    await site.worker(BYTEPLUS_API_KEY="")
    project = await project_of(site, 1)
    job_id = await enqueue_storyboards(site.app, site.vidfab.supabase, project)
    job = await site.finished(job_id)
    assert job.state == "failed"
    assert "set BYTEPLUS_API_KEY or GOOGLE_AI_API_KEY" in (job.failed_reason or "")


async def test_an_older_job_leaves_newer_rows_alone(site: Site) -> None:
    """The person asks again while the first job waits for its retry."""
    control = site.vidfab.providers.control
    await control.fail(IMAGES, status=503, times=1)
    await site.worker(BYTEPLUS_IMAGE_MAX_RETRIES="0")
    project = await project_of(site, 1)
    older = await enqueue_storyboards(site.app, site.vidfab.supabase, project, backoff_ms=3000)
    await site.app.wait_for(older, "delayed")
    newer = await enqueue_storyboards(site.app, site.vidfab.supabase, project)
    assert (await site.finished(newer)).state == "completed"
    failed = await site.finished(older)

    assert "A newer version of shot 1 was requested" in (failed.failed_reason or "")
    assert (await control.paid()).images == 1
    assert [row["status"] for row in await rows_of(site, project)] == ["failed", "success"]
    [row] = await site.vidfab.supabase.rows("video_agent_projects", id=f"eq.{project.id}")
    assert row["step_3_status"] == "completed"


async def test_unsafe_references_are_not_sent(site: Site) -> None:
    await site.worker()
    supabase, media = site.vidfab.supabase, site.vidfab.providers.media_url
    good = f"{media}/img/ref.jpg"
    cast = [Character("Ann (woman)", ["http://169.254.169.254/x"]), Character("Bo (man)", [good])]
    shots = [Shot(1, "Ann meets Bo")]
    project = await create_project(supabase, await create_user(supabase), shots, cast)
    job = await site.finished(await enqueue_storyboards(site.app, supabase, project))
    assert job.state == "completed"
    [request] = await site.vidfab.providers.control.requests(IMAGES)
    assert request.body["image"] == good
    [row] = await rows_of(site, project)
    assert row["used_character_ids"] == [cast[1].id]


@pytest.mark.parametrize(
    "change",
    [{"style": 5}, {"characters": None}, {"aspectRatio": None}, {"characters": [{"name": ""}]}],
)
async def test_what_only_colours_the_pictures_is_read_leniently(
    site: Site, change: dict[str, Any]
) -> None:
    await site.worker()
    project = await project_of(site, 1)
    job_id = await enqueue_storyboards(site.app, site.vidfab.supabase, project)
    first = await site.finished(job_id)
    data = {**first.data, **change}
    again = await site.app.add("storyboard_generation", data, {"priority": 2})
    assert (await site.finished(again)).state == "completed"


async def test_seedream_flash_draws_a_storyboard(site: Site) -> None:
    """It refuses a request with fields that older models take."""
    await site.worker(BYTEPLUS_IMAGE_MODEL="seedream-5-0-flash-260915")
    project = await project_of(site, 2)
    job_id = await enqueue_storyboards(site.app, site.vidfab.supabase, project)
    job = await site.finished(job_id)
    assert job.returnvalue["data"]["finalStatus"] == "completed"
    assert await asked(site) == 2
