"""What a clean-up removes, what it leaves alone, and when."""

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from core.jobs.envelope import iso
from sandbox.processes import SandboxError
from tests.support.recordings import USER
from tests.support.site import Site

OTHER = "00000000-0000-4000-8000-000000000002"
PICTURE = b"\xff\xd8\xff\xe0 a picture \xff\xd9"


@pytest.fixture
def temp() -> Iterator[Path]:
    """A folder as the worker's own."""
    with tempfile.TemporaryDirectory(prefix="vidfab-") as folder:
        yield Path(folder)


async def clean(site: Site, urls: Any, **change: Any) -> str:
    job_id = f"cleanup_{uuid4()}"
    data = {"jobId": job_id, "userId": USER, "videoId": "v", "tempUrls": urls, **change}
    options = {"jobId": job_id, "priority": 4, "attempts": 3, "removeOnComplete": 50}
    return await site.app.add("cleanup_temp", data, options)


async def store(site: Site, path: str, bucket: str = "user-images") -> str:
    """Put a picture there; returns its public URL."""
    await site.vidfab.supabase.request(
        "POST",
        f"/storage/v1/object/{bucket}/{path}",
        content=PICTURE,
        headers={"content-type": "image/jpeg"},
    )
    return f"{site.vidfab.supabase.url}/storage/v1/object/public/{bucket}/{path}"


async def is_stored(site: Site, url: str) -> bool:
    path = url.partition("/object/public/")[2]
    try:
        await site.vidfab.supabase.request("GET", f"/storage/v1/object/info/{path}")
    except SandboxError:
        return False
    return True


async def result(site: Site, job_id: str) -> dict[str, Any]:
    event = await site.app.wait_for(job_id, "completed")
    return event.args["returnvalue"]["data"]


async def test_objects_of_the_user_are_removed(site: Site) -> None:
    mine = [await store(site, f"images/{USER}/{name}.jpg") for name in ("a", "b", "kept")]
    theirs = await store(site, f"images/{OTHER}/a.jpg")
    disguised = await store(site, f"images/{OTHER}/{USER}/a.jpg")
    await site.worker()
    signed = mine[1].replace("/public/", "/sign/") + "?token=a.b.c"
    there = mine[0].replace(f"{USER}/a.jpg", f"{USER}/../{OTHER}/a.jpg")
    gone = mine[0].replace("a.jpg", "never.jpg")
    job_id = await clean(site, [mine[0], signed, theirs, disguised, there, gone, mine[0]])
    assert await result(site, job_id) == {"cleaned": True, "count": 2, "urls": 7}
    for url in (mine[2], theirs, disguised):
        assert await is_stored(site, url)
    for url in mine[:2]:
        assert not await is_stored(site, url)


async def test_the_workers_own_files_are_deleted(site: Site, temp: Path, tmp_path: Path) -> None:
    files = [temp / "a b.mp4", temp / "b.mp4", tmp_path / "c.mp4"]
    for file in files:
        file.write_bytes(b"x")
    (temp / "link").symlink_to(files[2])
    await site.worker()
    urls = [files[0].as_uri(), str(files[1]), str(files[2]), str(temp / "link"), str(temp)]
    job_id = await clean(site, [*urls, f"{temp}/../../etc/hostname", "https://x.example/a.jpg"])
    assert await result(site, job_id) == {"cleaned": True, "count": 2, "urls": 7}
    assert [one.exists() for one in (*files, temp)] == [False, False, True, True]


async def test_a_clean_up_waits_for_its_time(site: Site, temp: Path) -> None:
    """Node sees a delayed job of which no attempt was burnt."""
    file = temp / "a.mp4"
    file.write_bytes(b"x")
    await site.worker()
    due = datetime.now(UTC) + timedelta(seconds=2)
    job_id = await clean(site, [str(file)], cleanupAfter=iso(due))
    delayed = await site.app.wait_for(job_id, "delayed")
    assert abs(int(delayed.args["delay"]) - due.timestamp() * 1000) < 500
    job = await site.app.job(job_id)
    assert job is not None
    assert (job.state, job.attempts_made, job.failed_reason) == ("delayed", 0, None)
    assert file.exists()

    end = await site.app.wait_for(job_id, "completed")
    assert end.at >= due.timestamp() * 1000
    assert end.args["returnvalue"]["retryCount"] == 0
    assert not file.exists()


async def test_a_clean_up_waits_with_its_last_attempt_too(site: Site) -> None:
    await site.worker()
    due = datetime.now(UTC) + timedelta(seconds=2)
    data = {"userId": USER, "tempUrls": [], "cleanupAfter": iso(due)}
    job_id = await site.app.add("cleanup_temp", data, {"priority": 4})
    await site.app.wait_for(job_id, "delayed")
    assert await result(site, job_id) == {"cleaned": True, "count": 0, "urls": 0}


async def test_a_clean_up_frees_its_id(site: Site) -> None:
    """`cleanup_{video}` names a video: the next one for it must not be dropped."""
    await site.worker()
    for count in (1, 2):
        data = {"userId": USER, "tempUrls": []}
        options = {"jobId": "cleanup_v", "priority": 4, "removeOnComplete": 50}
        await site.app.add("cleanup_temp", data, options)
        await site.app.wait_for("cleanup_v", "completed", count=count)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no urls": ({"urls": None}, "'tempUrls': input should be a valid array"),
    "a text": ({"urls": "https://x.example/a.jpg"}, "'tempUrls': input should be a valid array"),
    "numbers": ({"urls": [1, 2]}, "'tempUrls.0': input should be a valid string (and 1 more)"),
    "too many": ({"urls": ["x"] * 1001}, "'tempUrls': list should have at most 1000 items"),
    "no time": ({"urls": [], "cleanupAfter": "soon"}, "'cleanupAfter': input should be a valid"),
    "a path as userId": ({"urls": [], "userId": "../b"}, "'userId': must be 1 to 128 letters"),
}


@pytest.mark.parametrize("case", BAD)
async def test_bad_input_fails_at_once(site: Site, case: str) -> None:
    change, sentence = BAD[case]
    await site.worker()
    job_id = await clean(site, **change)
    reason = (await site.app.wait_for(job_id, "failed")).args["failedReason"]
    assert sentence in reason
    assert len(reason.splitlines()) == 1
    assert len(site.app.events_of(job_id, "active")) == 1
