"""Clips beyond the recordings: what a trouble costs, and that a finished sync frees its id."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.jobs.envelope import iso
from sandbox.gateway import Gateway
from sandbox.providers import keys
from sandbox.providers.models import Operation
from tests.support.clips import (
    SYNC,
    TASK,
    clip,
    clips,
    download_id,
    lay_clips,
    step_4_status,
    sync,
    waited,
)
from tests.support.server import Server, response, running
from tests.support.site import Site

OPERATION = "models/veo-3.0-generate/operations/op3"
DONE = Operation(after_s=0)
SLACK = "/services/T0/B0/slack-token-012345"


async def ready(site: Site, *numbers: int) -> None:
    """Seedance clips whose videos are there."""
    for number in numbers:
        await site.vidfab.providers.control.register("tasks", f"t{number}", DONE)
    await lay_clips(site.vidfab, *(clip(number) for number in numbers))


async def states(site: Site) -> list[str]:
    return [row["status"] for _, row in sorted((await clips(site.vidfab)).items())]


def ago(**time: float) -> str:
    return iso(datetime.now(UTC) - timedelta(**time))


async def ready_again(site: Site) -> None:
    """The first clip once more, so that a sync has something to ask for."""
    await site.vidfab.supabase.update(
        "project_video_clips", {"status": "generating"}, shot_number="eq.1"
    )


def vendors(site: Site) -> dict[str, str]:
    return site.vidfab.providers.environment


async def test_all_three_providers(site: Site) -> None:
    control = site.vidfab.providers.control
    await lay_clips(
        site.vidfab,
        clip(1),
        clip(2, seedance_task_id=None, video_request_id="p2"),
        clip(3, seedance_task_id=None, video_request_id=OPERATION),
    )
    await control.register("tasks", "t1", DONE)
    urls = {
        2: await control.register("predictions", "p2", DONE),
        3: await control.register("operations", OPERATION, DONE),
    }
    await site.worker(**vendors(site))
    await sync(site)
    end = await site.end_of(SYNC)
    assert end.args["returnvalue"]["data"] == {"synced": True, "updated": 3}
    rows = await clips(site.vidfab)
    assert rows[2]["video_url"] == urls[2]
    assert rows[3]["video_url"].startswith(str(urls[3]))
    assert keys.GOOGLE not in str(rows)
    assert await step_4_status(site.vidfab) == "completed"
    colonless = OPERATION.replace("/", "_")
    for number, provider_id in ((1, "t1"), (2, "p2"), (3, colonless)):
        await site.app.wait_for(download_id(number, provider_id), "added")


async def test_a_clip_that_is_too_old_has_failed(site: Site) -> None:
    google = clip(2, seedance_task_id=None, video_request_id=OPERATION)
    await lay_clips(
        site.vidfab,
        {**clip(1), "updated_at": ago(days=8)},
        {**google, "updated_at": ago(days=3)},
    )
    await site.worker(**vendors(site))
    await sync(site)
    await site.app.wait_for(SYNC, "completed")
    rows = await clips(site.vidfab)
    assert [row["status"] for row in rows.values()] == ["failed", "failed"]
    said = "This clip is no longer available. Please make it again."
    assert [rows[n]["error_message"] for n in (1, 2)] == [said, said]
    assert await step_4_status(site.vidfab) == "completed"


async def test_a_clip_that_google_denies_has_failed_once_its_video_is_gone(site: Site) -> None:
    """One that may have its video stays generating."""
    control = site.vidfab.providers.control
    names = {number: f"models/veo-3.1-generate/operations/op{number}" for number in (1, 2)}
    google = {"seedance_task_id": None, "updated_at": ago(days=4)}
    await lay_clips(
        site.vidfab,
        clip(1, **google, video_request_id=names[1]),
        clip(2, **{**google, "updated_at": ago(days=2)}, video_request_id=names[2]),
    )
    for name in names.values():
        await control.register("operations", name, Operation(final="denied", after_s=0))
    await site.worker(**vendors(site))
    await sync(site)
    end = await site.app.wait_for(SYNC, "completed")
    assert end.args["returnvalue"]["data"] == {"synced": True, "updated": 1}
    rows = await clips(site.vidfab)
    assert [rows[number]["status"] for number in (1, 2)] == ["failed", "generating"]
    assert rows[1]["error_message"] == "This clip is no longer available. Please make it again."


async def test_a_clip_that_was_ordered_anew_is_as_old_as_its_order(site: Site) -> None:
    """Not as its row, which stays; another account's key does not know the new task either."""
    await lay_clips(site.vidfab, clip(1, created_at=ago(days=30), seedance_task_id="first"))
    anew = {"seedance_task_id": "second"}
    await site.vidfab.supabase.update("project_video_clips", anew, shot_number="eq.1")
    await site.worker()
    await sync(site)
    assert (await site.end_of(SYNC)).name == "failed"
    assert await states(site) == ["generating"]


ANSWERS: dict[str, tuple[int, Any]] = {
    "a page": (404, "<html><h1>404 Not Found</h1></html>"),
    "a gateway without a key": (400, {"error": {"code": "InvalidAuthorization", "message": "no"}}),
    "a model that is gone": (
        404, {"error": {"code": "InvalidEndpointOrModel.NotFound", "message": "no"}},
    ),
    "a wrong key": (401, None),
    "an account that owes": (403, None),
}  # fmt: skip


@pytest.mark.parametrize("case", ANSWERS)
async def test_a_refusal_that_is_not_about_the_clips_ends_none_and_is_told_once(
    site: Site, case: str
) -> None:
    status, body = ANSWERS[case]
    old = {"updated_at": ago(days=30)}
    await lay_clips(site.vidfab, {**clip(1), **old}, {**clip(2), **old})
    await site.vidfab.providers.control.fail(TASK.format("*"), status, body=body)
    async with running(Server()) as hooks:
        worker = await site.worker(SLACK_WEBHOOK_URL=hooks.on(SLACK, response(b"ok")))
        await sync(site)
        end = await site.end_of(SYNC)
        await worker.stop()
        [alert] = hooks.to(SLACK)
    assert end.name == "failed"
    assert len(site.app.events_of(SYNC, "active")) == 3
    assert end.args["failedReason"].startswith("No clip could be polled: ")
    assert "No clip could be polled: " in alert.json["text"]
    assert await states(site) == ["generating", "generating"]
    assert await step_4_status(site.vidfab) == "processing"


async def test_a_wrong_address_of_one_provider_is_told_once(site: Site) -> None:
    """The sync of the others succeeds, so that no failed job tells of it."""
    await ready(site, 1)
    veo = [clip(n, seedance_task_id=None, video_request_id=f"p{n}") for n in (2, 3)]
    old = ago(days=30)
    await site.vidfab.supabase.insert(
        "project_video_clips", [{**row, "updated_at": old} for row in veo]
    )
    wrong = vendors(site)["WAVESPEED_API_URL"].replace("v3", "v9")
    async with running(Server()) as hooks:
        hook = hooks.on(SLACK, response(b"ok"))
        found = {**vendors(site), "WAVESPEED_API_URL": wrong}
        worker = await site.worker(**found, SLACK_WEBHOOK_URL=hook)
        for number in (1, 2):
            await sync(site)
            await site.app.wait_for(SYNC, "completed", count=number)
            await ready_again(site)
        await worker.stop()
        [alert] = hooks.to(SLACK)
    assert alert.json["text"].startswith(
        "⏳ 2 clips stay 'generating', Wavespeed does not report their status (404): 404 page "
        "not found. Check its key, address and region"
    )
    assert (await states(site))[1:] == ["generating", "generating"]


async def test_one_trouble_does_not_stop_the_others(site: Site) -> None:
    await ready(site, 1, 2, 3, 4, 5, 6, 7)
    await site.vidfab.providers.control.fail(TASK.format("t2"), status=403)
    process = await site.worker()
    await sync(site)
    end = await site.end_of(SYNC)
    assert end.args["returnvalue"]["data"]["updated"] == 6
    assert await states(site) == ["success", "generating", *["success"] * 5]
    assert await step_4_status(site.vidfab) == "processing"
    await site.wait_for_line(process, "Clip 2 stays generating: ")


async def test_a_clip_that_the_database_refuses_keeps_no_other_from_its_row(site: Site) -> None:
    await ready(site, 1, 2, 3, 4, 5, 6)
    await site.vidfab.providers.control.delay(TASK.format("*"), 0.3)
    async with Gateway(site.vidfab.supabase) as supabase:
        supabase.faults.answers["PATCH /rest/v1/project_video_clips"] = [403]
        await site.worker(SUPABASE_URL=supabase.url)
        await sync(site)
        assert (await site.end_of(SYNC)).name == "failed"
    assert sorted(await states(site)) == ["generating", *["success"] * 5]
    assert await step_4_status(site.vidfab) == "processing"
    assert len(site.app.events_of(SYNC, "active")) == 1


async def test_at_most_five_are_asked_at_once(site: Site) -> None:
    numbers = range(1, 13)
    await ready(site, *numbers)
    await site.vidfab.providers.control.delay(TASK.format("*"), 0.3)
    await site.worker()
    await sync(site)
    await site.app.wait_for(SYNC, "completed")
    asked = await site.vidfab.providers.control.requests(TASK.format("*"))
    spans = [(one.at, one.at + (one.took_s or 0)) for one in asked]
    busiest = max(sum(a <= at < b for a, b in spans) for at, _ in spans)
    assert busiest == 5
    assert await states(site) == ["success"] * 12


async def test_when_no_provider_answers_the_job_is_tried_again(site: Site) -> None:
    await ready(site, 1, 2)
    # Three tries for each clip in the first attempt.
    await site.vidfab.providers.control.fail(TASK.format("*"), status=503, times=6)
    await site.worker()
    await sync(site)
    end = await site.end_of(SYNC)
    assert end.args["returnvalue"]["retryCount"] == 1
    assert await states(site) == ["success", "success"]


async def test_without_a_key_the_job_says_which(site: Site) -> None:
    await ready(site, 1)
    await site.worker(BYTEPLUS_API_KEY="")
    await sync(site)
    end = await site.end_of(SYNC)
    assert end.args["failedReason"] == (
        "No clip could be polled: Seedance cannot be polled for clips: set BYTEPLUS_API_KEY"
    )
    assert len(site.app.events_of(SYNC, "active")) == 1
    assert await states(site) == ["generating"]


async def test_a_failed_sync_frees_its_id(site: Site) -> None:
    await ready(site, 1)
    control = site.vidfab.providers.control
    await control.fail(TASK.format("t1"), status=401)
    await site.worker()
    await sync(site)
    assert (await site.end_of(SYNC)).name == "failed"
    assert await site.app.job(SYNC) is None
    await control.clear_faults()
    await sync(site)
    assert (await site.app.wait_for(SYNC, "completed")).args["returnvalue"]["data"]["updated"] == 1
    assert await site.app.job(SYNC) is None
    assert site.app.events_of(SYNC, "duplicated") == []


async def test_a_sync_that_waits_to_be_tried_again_keeps_its_id(site: Site) -> None:
    await ready(site, 1)
    await site.vidfab.providers.control.fail(TASK.format("t1"), status=503)
    await site.worker()
    await sync(site)
    await site.app.wait_for(SYNC, "delayed")
    job = await site.app.job(SYNC)
    assert job is not None
    assert (await site.end_of(SYNC)).name == "failed"
    assert len(site.app.events_of(SYNC, "active")) == 3
    assert await site.app.job(SYNC) is None
    assert await states(site) == ["generating"]


async def test_node_can_wait_for_a_job_that_is_removed(site: Site) -> None:
    await ready(site, 1)
    await site.vidfab.providers.control.delay(TASK.format("t1"), 1)
    await site.worker()
    await sync(site)
    assert (await site.app.wait_until_finished(SYNC))["data"] == {"synced": True, "updated": 1}


async def test_two_at_once_settle_each_clip_once(site: Site) -> None:
    await ready(site, 1, 2, 3)
    await site.vidfab.providers.control.delay(TASK.format("*"), 0.3)
    await site.worker()
    ids = ["sync_a", "sync_b"]
    await asyncio.gather(*(sync(site, job_id) for job_id in ids))
    ends = await asyncio.gather(*(site.end_of(job_id) for job_id in ids))
    assert sum(end.args["returnvalue"]["data"]["updated"] for end in ends) == 3
    assert await states(site) == ["success"] * 3
    assert await step_4_status(site.vidfab) == "completed"


async def test_a_clip_that_is_stored_stays_stored(site: Site) -> None:
    """A second sync that asked earlier and writes later takes nothing back."""
    await ready(site, 1)
    await site.vidfab.providers.control.delay(TASK.format("t1"), 1.5)
    process = await site.worker()
    await sync(site)
    await site.wait_for_line(process, "Syncing 1 generating clips")
    stored = {"status": "success", "storage_status": "completed", "cdn_url": "https://cdn"}
    await site.vidfab.supabase.update("project_video_clips", stored, shot_number="eq.1")
    end = await site.end_of(SYNC)
    assert end.args["returnvalue"]["data"]["updated"] == 0
    [row] = (await clips(site.vidfab)).values()
    assert {key: row[key] for key in stored} == stored
    assert waited(site, "va_clip_download") == []


async def test_a_sync_cut_off_before_its_downloads_adds_them(site: Site) -> None:
    """The checkpoint knows what the rows, final by then, do not say."""
    await ready(site, 1, 2)
    await site.vidfab.providers.control.delay(TASK.format("t2"), 60)
    process = await site.worker()
    await sync(site)
    await site.wait_for_line(process, "Synced 1/2")
    await process.stop()
    await site.vidfab.providers.control.clear_delays()
    await site.worker()
    await site.app.wait_for(SYNC, "completed")
    assert sorted(map(str, waited(site, "va_clip_download"))) == [
        download_id(1, "t1"),
        download_id(2, "t2"),
    ]


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no projectId": ({"projectId": None}, "'projectId': input should be a valid string"),
    "a number": ({"projectId": 7}, "'projectId': input should be a valid string"),
    "a path": ({"projectId": "../../x"}, "'projectId': must be a UUID"),
    "huge": ({"projectId": "a" * 200_000}, "'projectId': string should have at most 100000"),
    "a path as userId": ({"userId": "a/../b"}, "'userId': must be 1 to 128 letters"),
    "a stranger": (
        {"userId": "00000000-0000-4000-8000-000000000002"},
        "does not belong to the job's user",
    ),
    "nothing there": (
        {"projectId": "99999999-9999-4999-8999-999999999999"},
        "Project 99999999-9999-4999-8999-999999999999 does not exist",
    ),
}


@pytest.mark.parametrize("case", BAD)
async def test_bad_input_fails_at_once(site: Site, case: str) -> None:
    change, sentence = BAD[case]
    await ready(site, 1)
    await site.worker()
    await sync(site, **change)
    reason = (await site.app.wait_for(SYNC, "failed")).args["failedReason"]
    assert sentence in reason
    assert len(reason.splitlines()) == 1
    assert len(site.app.events_of(SYNC, "active")) == 1
    assert await states(site) == ["generating"]
    assert await site.vidfab.providers.control.requests(TASK.format("*")) == []
