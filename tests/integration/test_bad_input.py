"""What cannot succeed fails at once, says why in a sentence, and loses nothing else."""

from typing import Any

import pytest
from redis.asyncio import Redis

from tests.support.recordings import PROJECT, USER, row_id
from tests.support.site import Site
from tests.support.storyboards import generated, generating, lay_project, step_3_status, storyboards

SHOT = {"shot_number": 1, "description": "A door"}
OTHER = "00000000-0000-4000-8000-000000000002"


def generation(**change: Any) -> tuple[str, dict[str, Any]]:
    data = {"userId": USER, "projectId": PROJECT, "shots": [SHOT], "characters": [], **change}
    return "storyboard_generation", {key: value for key, value in data.items() if value is not None}


def download(**change: Any) -> tuple[str, dict[str, Any]]:
    data = {"userId": USER, "projectId": PROJECT, "shotNumber": 1, "storyboardId": row_id(1)}
    return "storyboard_download", {**data, "externalUrl": "https://x.example/a.jpg", **change}


UNREADABLE = "The request for this picture could not be read. Please reload the page and try again."
BAD = {
    "unknown name": (
        ("no_such_job", {}),
        "Unknown job name 'no_such_job': known are ",
    ),
    "no projectId": (generation(projectId=None), "'projectId': field required"),
    "projectId of another kind": (generation(projectId=7), "'projectId': input should be a valid"),
    "a path as projectId": (generation(projectId="../../x"), "'projectId': must be a UUID"),
    "a path as userId": (generation(userId="a/../b"), "'userId': must be 1 to 128 letters"),
    "no shots": (generation(shots=[]), "'shots': list should have at least 1 item"),
    "201 shots": (
        generation(shots=[{**SHOT, "shot_number": n} for n in range(1, 202)]),
        "'shots': list should have at most 200 items",
    ),
    "a shot without description": (
        generation(shots=[{"shot_number": 1}]),
        "'shots.0.description': field required",
    ),
    "a shot twice": (generation(shots=[SHOT, SHOT]), "'shots': shot_number 1 occurs twice"),
    "not an object": (("storyboard_generation", [1]), "The job's data is not an object"),
    "somebody else's project": (generation(userId=OTHER), "does not belong to the job's user"),
    "a project that is not there": (
        generation(projectId="99999999-9999-4999-8999-999999999999"),
        "Project 99999999-9999-4999-8999-999999999999 does not exist",
    ),
    "a row that is not there": (
        download(storyboardId=row_id(9)),
        f"Project {PROJECT} has no storyboard row for shot 1",
    ),
    "http": (
        download(externalUrl="http://x.example/a.jpg"),
        "Unsafe externalUrl: only https addresses are fetched",
    ),
    "an internal name": (
        download(externalUrl="https://redis.internal/a.jpg"),
        "Unsafe externalUrl: ",
    ),
    "a huge url": (download(externalUrl="https://x.example/" + "a" * 3000), "Unsafe externalUrl: "),
}


@pytest.mark.parametrize("case", BAD)
async def test_bad_input_fails_at_once(site: Site, case: str) -> None:
    (name, data), sentence = BAD[case]
    await lay_project(site.vidfab, [generated(1, "https://x.example/a.jpg", "pending")])
    await site.worker()
    job_id = await site.app.add(name, data, {"priority": 2, "attempts": 3})
    job = await site.ended(job_id)

    assert (job.state, job.attempts_made) == ("failed", 1)
    assert job.failed_reason is not None
    assert sentence in job.failed_reason
    assert len(job.failed_reason.splitlines()) == 1
    assert (await site.vidfab.providers.control.paid()).images == 0

    # The worker goes on.
    batch = download(shotNumber=0, externalUrl="__BATCH__")
    after = await site.app.add(*batch, {"priority": 2})
    assert (await site.ended(after)).state == "completed"


async def test_rows_are_settled_when_the_payload_is_wrong(site: Site) -> None:
    await lay_project(site.vidfab, generating(1, 2))
    await site.worker()
    bad = [{"shot_number": 1}, {"shot_number": 2, "description": "fine"}]
    job_id = await site.app.add(*generation(shots=bad), {"priority": 2, "attempts": 3})
    job = await site.finished(job_id)
    rows = await storyboards(site.vidfab)
    assert [(row["status"], row["error_message"]) for row in rows.values()] == [
        ("failed", UNREADABLE)
    ] * 2
    assert "'shots.0.description': field required" in (job.failed_reason or "")
    assert await step_3_status(site.vidfab) == "failed"


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("data", "{not json"),
        ("data", "[" * 100_000 + "]" * 100_000),
        ("opts", "null"),
        ("stc", "once"),
    ],
)
async def test_a_job_that_cannot_be_decoded_fails(site: Site, field: str, text: str) -> None:
    job_id = await site.app.add("no_such_job", {}, {"priority": 2})
    client = Redis.from_url(site.vidfab.redis.url)
    await client.hset(f"bull:{site.queue}:{job_id}", field, text)
    await client.aclose()
    await site.worker()
    event = await site.end_of(job_id)
    assert event.name == "failed"
    after = await site.app.add("no_such_job", {}, {"priority": 2})
    assert (await site.finished(after)).state == "failed"


async def test_a_job_with_parts_of_a_millisecond_runs(site: Site) -> None:
    """As Node takes them from `performance.now()`; the library reads whole numbers only."""
    await site.worker()
    data = {"userId": USER, "operation": "add"}
    options = {"priority": 4, "timestamp": 1_700_000_000_000.25, "delay": 1.5}
    job = await site.ended(await site.app.add("update_quota", data, options))
    assert (job.state, job.attempts_made) == ("completed", 1)


@pytest.mark.parametrize("kind", ["fixed", "exponential"])
async def test_jitter_shortens_the_pause_before_a_retry(site: Site, kind: str) -> None:
    """To anything between none and all of it, as with Node's worker."""
    await lay_project(site.vidfab, generating(1))
    await site.vidfab.providers.control.fail("/ark/*", status=503)
    await site.worker(BYTEPLUS_IMAGE_MAX_RETRIES="0")
    hour_ms = 3_600_000
    options = {"attempts": 2, "backoff": {"type": kind, "delay": hour_ms, "jitter": 0.5}}
    job_id = await site.app.add(*generation(), {"priority": 2, **options})
    await site.app.wait_for(job_id, "delayed")
    job = await site.app.job(job_id)
    assert job is not None
    assert hour_ms / 2 <= job.delay < hour_ms


@pytest.mark.parametrize("backoff", [{"type": "fixed", "delay": "20"}, {"type": "own"}, 20])
async def test_odd_backoffs_still_retry(site: Site, backoff: Any) -> None:
    await lay_project(site.vidfab, generating(1))
    await site.vidfab.providers.control.fail("/ark/*", status=503, times=1)
    await site.worker(BYTEPLUS_IMAGE_MAX_RETRIES="0", QUEUE_RETRY_DELAY="20")
    options = {"priority": 2, "attempts": 2, "backoff": backoff}
    job_id = await site.app.add(*generation(), options)
    job = await site.finished(job_id)
    assert (job.state, job.attempts_made) == ("completed", 2)
