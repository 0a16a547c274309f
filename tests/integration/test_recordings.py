"""The recorded storyboard jobs, replayed.

The same jobs go in by the same producer; rows, objects, follow-ups, progress and results must come
out the same, except where the contract overrules the Node worker. Each such place is spelled out.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from core.people import Cause, Thing, Why, sentence
from tests.support.progress import check_events, check_log
from tests.support.recordings import PROJECT, Recording, load, row_id
from tests.support.site import Site
from tests.support.storyboards import generated, generating, lay_project, step_3_status, storyboards

IMAGES = "/ark/api/v3/images/generations"
GENERATION = f"storyboard_{PROJECT}_1700000000000"

# The API does not know the first; Seedream 5.0 Pro and Flash refuse a request that has the others,
# which only name the defaults.
NOT_SENT = {"negative_prompt", "sequential_image_generation", "stream"}
# When and how large differs from run to run; the provider numbers pictures as they are asked for.
VOLATILE = {"updated_at", "file_size", "image_url_external"}


def recording(site: Site, name: str) -> Recording:
    vidfab = site.vidfab
    return load(name, media_url=vidfab.providers.media_url, supabase_url=vidfab.supabase.url)


async def enqueue(site: Site, recorded: Recording, **options: Any) -> None:
    for job in recorded.enqueued:
        stored = job["stored_in_redis"]
        await site.app.add(stored["name"], stored["data"], {**stored["opts"], **options})


async def check_rows(site: Site, recorded: Recording, *, but: Mapping[int, Any] = {}) -> None:
    """Every recorded change is in the rows; `but` gives what a shot's row holds instead."""
    rows = await storyboards(site.vidfab)
    for change in recorded.did["rows_changed"].get("project_storyboards", []):
        number = change["key"]["shot_number"]
        expected = {**change["set"], **but.get(number, {})}
        found = {key: rows[number][key] for key in expected if key not in VOLATILE}
        assert found == {key: value for key, value in expected.items() if key not in VOLATILE}
    [project] = recorded.did["rows_changed"].get("video_agent_projects", [{"set": {}}])
    if project["set"]:
        assert await step_3_status(site.vidfab) == project["set"]["step_3_status"]


async def check_objects(site: Site, recorded: Recording) -> None:
    rows = await storyboards(site.vidfab)
    sizes = {row["image_storage_path"]: row["file_size"] for row in rows.values()}
    for stored in recorded.did["objects_stored"]:
        path = f"/storage/v1/object/info/{stored['bucket']}/{stored['path']}"
        found = await site.vidfab.supabase.request("GET", path)
        kept = found["metadata"]
        assert {key: kept[key] for key in ("mimetype", "cacheControl")} == {
            key: stored[key] for key in ("mimetype", "cacheControl")
        }
        assert kept["size"] == sizes[stored["path"]] > 0


async def check_follow_ups(site: Site, recorded: Recording) -> None:
    """The same jobs were added: ids, and what the app would read of them."""
    waiting = {event.job_id for event in site.app.events if event.name == "waiting"}
    assert waiting - {job["stored_in_redis"]["opts"]["jobId"] for job in recorded.enqueued} == set(
        recorded.did["follow_ups"]
    )


async def check_provider(
    site: Site, recorded: Recording, references: Mapping[int, Any] = {}
) -> None:
    """The same requests but for the words, which are ours, and the fields of `NOT_SENT`."""
    asked = await site.vidfab.providers.control.requests(IMAGES)
    found = [{**request.body, "prompt": "<text>"} for request in asked]
    expected = []
    for number, request in enumerate(recorded.did["provider_requests"], 1):
        body = {**request["body"], **references.get(number, {})}
        expected.append({key: body[key] for key in body.keys() - NOT_SENT})
    assert sorted(found, key=str) == sorted(expected, key=str)


def data_of(returned: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in returned["data"].items() if key != "fileSize"}


async def check_end(site: Site, recorded: Recording, job_id: str) -> None:
    """Completed with the recorded result in an envelope of the recorded shape."""
    event = await site.app.wait_for(job_id, "completed")
    returned, expected = event.args["returnvalue"], recorded.returned(job_id)
    assert returned.keys() == expected.keys()
    assert returned["success"] is True
    assert data_of(returned) == data_of(expected)


async def check_downloads(site: Site, recorded: Recording) -> None:
    """Each follow-up download ran, with the recorded progress and result."""
    for job_id in recorded.did["follow_ups"]:
        await check_end(site, recorded, job_id)
        await site.check_progress(job_id, recorded.progress(job_id))


@pytest.mark.parametrize(
    ("name", "shots"),
    [
        ("storyboard_generation-ok", 3),
        ("storyboard_generation-anime-9x16-no-characters", 2),
        ("storyboard_generation-unknown-style", 1),
        ("storyboard_generation-provider-500-once", 1),
    ],
)
async def test_generation(site: Site, name: str, shots: int) -> None:
    recorded = recording(site, name)
    await lay_project(site.vidfab, generating(*range(1, shots + 1)))
    if name.endswith("500-once"):
        await site.vidfab.providers.control.fail(IMAGES, status=500, times=1)
    await enqueue(site, recorded)
    await site.worker()

    await check_end(site, recorded, GENERATION)
    await site.check_progress(GENERATION, recorded.progress(GENERATION))
    await check_downloads(site, recorded)
    await check_follow_ups(site, recorded)
    await check_objects(site, recorded)
    if name.endswith("-ok"):
        # "the orange cat" is Ginger; the Node worker sent Bob along.
        ginger = "66666666-6666-4666-8666-000000000001"
        reference = f"{site.vidfab.providers.media_url}/img/ref-ginger-2.jpg"
        await check_rows(site, recorded, but={3: {"used_character_ids": [ginger]}})
        await check_provider(site, recorded, {3: {"image": reference}})
    else:
        await check_rows(site, recorded)
        await check_provider(site, recorded)


async def test_generation_with_one_shot_refused(site: Site) -> None:
    recorded = recording(site, "storyboard_generation-provider-400-one")
    await lay_project(site.vidfab, generating(1, 2, 3))
    refusal = {"code": "InputTextSensitiveContentDetected", "message": "The prompt is sensitive"}
    await site.vidfab.providers.control.fail(
        IMAGES, status=400, body={"error": refusal}, body_contains="SHOT-2"
    )
    await enqueue(site, recorded)
    await site.worker()

    await check_end(site, recorded, GENERATION)
    found, expected = site.progress(GENERATION), recorded.progress(GENERATION)
    # Which shot ends first is chance, so `processed` on the way is too.
    check_events(*([{**one, "processed": 0} for one in some] for some in (found, expected)))
    assert found[-1] == expected[-1]
    await check_log(site.folder, expected)
    await check_downloads(site, recorded)
    await check_follow_ups(site, recorded)
    said = sentence(Why(Cause.REFUSED), Thing.PICTURE, "en")
    await check_rows(site, recorded, but={2: {"error_message": said}})
    await check_objects(site, recorded)
    await check_provider(site, recorded)


async def test_generation_with_one_shot_failing_always(site: Site) -> None:
    """The Node worker gives up at once; here the job's own attempts are used first."""
    recorded = recording(site, "storyboard_generation-provider-500-always")
    await lay_project(site.vidfab, generating(1, 2))
    failure = {"code": "InternalServiceError", "message": "lab says 500"}
    await site.vidfab.providers.control.fail(
        IMAGES, status=500, body={"error": failure}, body_contains="SHOT-1"
    )
    await enqueue(site, recorded, backoff={"type": "exponential", "delay": 50})
    await site.worker(BYTEPLUS_IMAGE_MAX_RETRIES="0")

    await check_end(site, recorded, GENERATION)
    job = await site.app.job(GENERATION)
    assert job is not None
    assert job.attempts_made == 3
    assert site.progress(GENERATION)[-1] == recorded.progress(GENERATION)[-1]
    await check_downloads(site, recorded)
    said = sentence(Why(Cause.BUSY), Thing.PICTURE, "en")
    await check_rows(site, recorded, but={1: {"error_message": said}})
    asked = await site.vidfab.providers.control.requests(IMAGES)
    assert len(asked) == 4  # shot 1 in each of three attempts, shot 2 once


@pytest.mark.parametrize("name", ["storyboard_download-ok", "storyboard_download-ok-no-id"])
async def test_download(site: Site, name: str) -> None:
    recorded = recording(site, name)
    url = recorded.enqueued[0]["data"]["externalUrl"]
    await lay_project(site.vidfab, [generated(1, url, "pending")])
    await enqueue(site, recorded)
    await site.worker()

    await check_end(site, recorded, recorded.job_id)
    await site.check_progress(recorded.job_id, recorded.progress(recorded.job_id))
    await check_rows(site, recorded)
    await check_objects(site, recorded)


async def test_download_that_is_done_already(site: Site) -> None:
    recorded = recording(site, "storyboard_download-skip-completed")
    await lay_project(site.vidfab, [generated(1, "https://x.example/1.jpg", "completed")])
    before = await storyboards(site.vidfab)
    await enqueue(site, recorded)
    await site.worker()

    await check_end(site, recorded, recorded.job_id)
    await site.check_progress(recorded.job_id, recorded.progress(recorded.job_id))
    assert await storyboards(site.vidfab) == before


@pytest.mark.parametrize(
    ("name", "reason", "said"),
    [
        (
            "storyboard_download-media-404",
            "Download failed: the server answered 404 Not Found",
            "This picture is no longer available. Please make it again.",
        ),
        (
            "storyboard_download-ssrf-ip",
            "Unsafe externalUrl: IP literal is not allowed, only a host name",
            "This picture came in a form that cannot be used. Please make it again.",
        ),
    ],
)
async def test_download_that_cannot_succeed(site: Site, name: str, reason: str, said: str) -> None:
    """The Node worker completes these with `success: false`; here they fail, at once."""
    recorded = recording(site, name)
    url = recorded.enqueued[0]["data"]["externalUrl"]
    await lay_project(site.vidfab, [generated(1, url, "pending")])
    await enqueue(site, recorded)
    await site.worker()

    job = await site.ended(recorded.job_id)
    assert (job.state, job.failed_reason, job.attempts_made) == ("failed", reason, 1)
    await site.check_progress(recorded.job_id, recorded.progress(recorded.job_id))
    await check_rows(site, recorded, but={1: {"error_message": said}})


async def test_batch_download(site: Site) -> None:
    """Ids and paths hold the row's id, which the Node worker leaves out."""
    recorded = recording(site, "storyboard_download-batch")
    media = site.vidfab.providers.media_url
    rows = [
        generated(1, f"{media}/img/s1.jpg", "pending"),
        generated(2, f"{media}/img/s2.jpg", "pending"),
        generated(3, f"{media}/img/s3.jpg", "completed"),
        {**generating(4)[0], "status": "failed", "image_url": None},
        generated(5, f"{media}/img/s5.jpg", None),
    ]
    keys = {key for row in rows for key in row}
    await lay_project(site.vidfab, [{**dict.fromkeys(keys), **row} for row in rows])
    await site.vidfab.providers.control.delay("/img/*", 4)  # while they run they can be read
    await enqueue(site, recorded)
    await site.worker()

    await check_end(site, recorded, recorded.job_id)
    await asyncio.gather(*(check_batch_member(site, recorded, number) for number in (1, 2, 5)))
    await site.check_progress(recorded.job_id, recorded.progress(recorded.job_id))
    stored = await storyboards(site.vidfab)
    assert {number: row["storage_status"] for number, row in stored.items()} == {
        1: "completed",
        2: "completed",
        3: "completed",
        4: None,
        5: "completed",
    }


async def check_batch_member(site: Site, recorded: Recording, number: int) -> None:
    old_id = f"storyboard_download_{PROJECT}_{number}"
    new_id = f"{old_id}_{row_id(number)}"
    job = await site.app.job(new_id)
    assert job is not None
    expected = recorded.did["follow_ups"][old_id]
    assert {key: job.opts.get(key) for key in expected["opts"]} == {
        **expected["opts"],
        "jobId": new_id,
    }
    assert {**job.data, "createdAt": None} == {
        **expected["data"],
        "jobId": new_id,
        "storyboardId": row_id(number),
        "createdAt": None,
    }
    path = (await site.ended(new_id)).returnvalue["data"]["storagePath"]
    assert path.endswith(f"/storyboards/shot-{number}-{row_id(number)}.jpg")


async def test_follow_ups_are_the_recorded_jobs(site: Site) -> None:
    """Data and options of the downloads that a generation adds, read by Node while they wait."""
    recorded = recording(site, "storyboard_generation-ok")
    await lay_project(site.vidfab, generating(1, 2, 3))
    await site.vidfab.providers.control.delay("/ark/*", 1)
    await enqueue(site, recorded)
    # One job at a time, and a queue paused as soon as it is taken: the downloads stay.
    await site.worker(QUEUE_CONCURRENCY="1")
    await site.app.wait_for(GENERATION, "active")
    await site.app.pause()
    await site.app.wait_for(GENERATION, "completed")
    jobs = await asyncio.gather(*(site.app.job(key) for key in recorded.did["follow_ups"]))
    for job in jobs:
        assert job is not None
        expected = recorded.did["follow_ups"][job.id]
        assert job.name == expected["name"]
        assert {key: job.opts.get(key) for key in expected["opts"]} == expected["opts"]
        volatile = {"createdAt": None, "externalUrl": None}
        assert {**job.data, **volatile} == {**expected["data"], **volatile}
    await site.app.resume()
    await check_downloads(site, recorded)
