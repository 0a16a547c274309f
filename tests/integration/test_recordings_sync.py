"""The recorded jobs for clips, clean-up and quotas, replayed.

Where the contract overrules the Node worker the difference is spelled out.
"""

from typing import Any

from sandbox.providers.models import Operation
from tests.support.clips import SYNC, TASK, clip, clips, download_id, lay_clips, step_4_status
from tests.support.quotas import changed, lay_user, tables, video
from tests.support.recordings import USER, Recording, load
from tests.support.site import Site

CLEANUP = "cleanup_22222222-2222-4222-8222-222222222222"


def recording(site: Site, name: str) -> Recording:
    vidfab = site.vidfab
    return load(name, media_url=vidfab.providers.media_url, supabase_url=vidfab.supabase.url)


async def enqueue(site: Site, job: dict[str, Any], **data: Any) -> None:
    """As recorded; options and data as they stood in Redis."""
    stored = job["stored_in_redis"]
    await site.app.add(stored["name"], {**stored["data"], **data}, stored["opts"])


async def check_end(site: Site, recorded: Recording, job_id: str, **but: Any) -> None:
    """Completed with the recorded progress and result; `but` is the contract's."""
    event = await site.app.wait_for(job_id, "completed")
    returned, expected = event.args["returnvalue"], recorded.returned(job_id)
    assert returned.keys() == expected.keys()
    assert returned["success"] is True
    assert returned["data"] == {**expected["data"], **but}
    await site.check_progress(job_id, recorded.progress(job_id))


async def test_clips_in_every_state(site: Site) -> None:
    """Clip 7 is asked for at Wavespeed, which the Node worker leaves out; a success without a
    video, which it stores as one, is a failure; and the download's id holds the task's.
    """
    recorded = recording(site, "va_sync_video_status-mixed")
    media, control = site.vidfab.providers.media_url, site.vidfab.providers.control
    operations = {
        1: Operation(url=f"{media}/clip/1.mp4", after_s=0),
        2: Operation(final="running"),
        3: Operation(final="failed", error_message="lab: sensitive content", after_s=0),
        4: Operation(final="cancelled", after_s=0),
        5: Operation(final="queued"),
        6: Operation(final="a word of tomorrow", after_s=0),
        9: Operation(url="", after_s=0),
    }
    for number, operation in operations.items():
        await control.register("tasks", f"t{number}", operation)
    await control.register("predictions", "p7", Operation(final="running"))
    await lay_clips(
        site.vidfab,
        *(clip(number) for number in operations),
        clip(7, seedance_task_id=None, video_request_id="p7"),
        clip(8, status="success", video_url="https://x.example/8.mp4"),
    )
    await control.fail("/clip/1.mp4", 503)  # its download is there to be looked at
    await enqueue(site, recorded.enqueued[0])
    await site.worker(**wavespeed(site))

    await check_end(site, recorded, SYNC)
    rows = await clips(site.vidfab)
    assert {number: row["status"] for number, row in rows.items()} == {
        1: "success", 2: "generating", 3: "failed", 4: "failed", 5: "generating",
        6: "generating", 7: "generating", 8: "success", 9: "failed",
    }  # fmt: skip
    assert rows[1]["video_url"] == rows[1]["video_url_external"] == f"{media}/clip/1.mp4"
    assert rows[1]["last_frame_url"].startswith(media)
    assert rows[3]["error_message"] == (
        "This clip was refused because of its content. Please change the description or the"
        " reference pictures and try again."
    )
    no_result = "This clip could not be made. Please try again."
    assert rows[4]["error_message"] == rows[9]["error_message"] == no_result
    assert await step_4_status(site.vidfab) == "processing"
    asked = sorted(one.path for one in await control.requests("/ark/*"))
    assert asked == sorted(one["path"] for one in recorded.did["provider_requests"])
    assert len(await control.requests("/wavespeed/api/v3/predictions/p7/result")) == 1
    await check_follow_up(site, recorded)


async def check_follow_up(site: Site, recorded: Recording) -> None:
    [(old_id, expected)] = recorded.did["follow_ups"].items()
    new_id = f"{old_id}_t1"
    assert new_id == download_id(1, "t1")
    added = [event.args for event in site.app.events_of(new_id, "added")]
    assert [one["name"] for one in added] == ["video_clip_download"]
    job = await site.app.job(new_id)
    assert job is not None
    assert {**job.data, "type": "video_clip_download", "createdAt": None} == {
        **expected["data"],
        "jobId": new_id,
        "createdAt": None,
    }
    options = {**expected["opts"], "jobId": new_id}
    assert {key: job.opts.get(key) for key in options} == options


def wavespeed(site: Site) -> dict[str, str]:
    known = site.vidfab.providers.environment
    return {name: known[name] for name in ("WAVESPEED_API_KEY", "WAVESPEED_API_URL")}


async def test_a_project_without_clips(site: Site) -> None:
    recorded = recording(site, "va_sync_video_status-no-clips")
    await lay_clips(site.vidfab)
    await enqueue(site, recorded.enqueued[0])
    await site.worker()
    await check_end(site, recorded, SYNC)
    assert await step_4_status(site.vidfab) == "processing"


async def test_the_second_sync_is_not_ignored(site: Site) -> None:
    """The Node worker leaves the finished job under its id, and BullMQ drops the second one."""
    recorded = recording(site, "va_sync_video_status-second-sync-ignored")
    control = site.vidfab.providers.control
    await control.register("tasks", "t1", Operation(final="running"))
    await lay_clips(site.vidfab, clip(1))
    await site.worker()
    first, second = recorded.enqueued
    await enqueue(site, first)
    await check_end(site, recorded, SYNC)

    await control.register("tasks", "t1", Operation(after_s=0))
    await enqueue(site, {"stored_in_redis": first["stored_in_redis"]}, **second["data"])
    event = await site.app.wait_for(SYNC, "completed", count=2)
    assert event.args["returnvalue"]["data"] == {"synced": True, "updated": 1}
    assert site.app.events_of(SYNC, "duplicated") == []
    assert len(await control.requests(TASK.format("t1"))) == 2
    assert await step_4_status(site.vidfab) == "completed"


async def test_cleanup(site: Site) -> None:
    """Neither URL is ours; the Node worker counts what it is given and removes nothing."""
    recorded = recording(site, "cleanup_temp-ok")
    await enqueue(site, recorded.enqueued[0])
    await site.worker()
    await check_end(site, recorded, CLEANUP, count=0)


async def test_a_delayed_job(site: Site) -> None:
    recorded = recording(site, "delayed-job")
    await site.worker()
    await enqueue(site, recorded.enqueued[0])
    await check_end(site, recorded, "delayed-1")
    [delayed] = site.app.events_of("delayed-1", "delayed")
    [active] = site.app.events_of("delayed-1", "active")
    due = int(delayed.args["delay"])  # by the producer's clock, which is some ms before the event
    assert due <= active.at < due + 1000


async def test_priorities(site: Site) -> None:
    recorded = recording(site, "priority-order")
    for job in recorded.enqueued:
        await enqueue(site, job)
    await site.worker(QUEUE_CONCURRENCY="1")
    order = [event["jobId"] for event in recorded.did["events"] if event["event"] == "active"]
    for job_id in order:
        await check_end(site, recorded, job_id)
    assert [event.job_id for event in site.app.events if event.name == "active"] == order


async def test_an_unknown_name(site: Site) -> None:
    """The Node worker completes it with `success: false`; here it fails, at once."""
    recorded = recording(site, "unknown-job-name")
    await enqueue(site, recorded.enqueued[0])
    await site.worker()
    job = await site.finished("unknown_1")
    assert (job.state, job.attempts_made, job.returnvalue) == ("failed", 1, None)
    assert (job.failed_reason or "").startswith("Unknown job name 'no_such_job': known are ")
    await site.check_progress("unknown_1", recorded.progress("unknown_1"))


async def test_quota_that_the_database_keeps(site: Site) -> None:
    await site.worker()
    for operation in ("add", "remove"):
        recorded = recording(site, f"update_quota-{operation}")
        before = await tables(site.vidfab)
        await enqueue(site, recorded.enqueued[0])
        await check_end(site, recorded, f"quota_{USER}_{operation}")
        assert await tables(site.vidfab) == before


async def test_quota_counted_anew(site: Site) -> None:
    """The Node worker also soft-deletes a video, a failed video and an image; nothing is here."""
    recorded = recording(site, "update_quota-recalculate")
    supabase = site.vidfab.supabase
    await lay_user(site.vidfab)
    mib = 1024 * 1024
    rows = [video(1, "completed", mib), video(2, "completed", 5 * mib), video(3, "failed", None)]
    await supabase.insert("user_videos", rows)
    image = {"user_id": USER, "storage_path": "a", "file_size": 2048, "status": "completed"}
    await supabase.insert("user_images", [image])
    before = await tables(site.vidfab)
    await enqueue(site, recorded.enqueued[0])
    await site.worker()
    await check_end(site, recorded, f"quota_{USER}_recalculate")
    assert changed(before, await tables(site.vidfab)) == {"user_storage_quotas"}
    [quota] = await supabase.rows("user_storage_quotas")
    assert (quota["total_videos"], quota["total_size_bytes"]) == (2, 6 * mib)
