"""Each place that takes an address from outside, given one inside: nobody comes there.

The address is that of a real server on this machine, which notes each connection.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from sandbox.providers.client import IMAGES
from sandbox.providers.models import Operation
from tests.support import compositions
from tests.support.clips import SYNC, TASK, clip, clips, download_id, lay_clips, sync
from tests.support.people import told_operators
from tests.support.recordings import PROJECT, USER, row_id
from tests.support.site import Ended, Site
from tests.support.storyboards import generated, generating, lay_project, storyboards
from tests.support.videos import VIDEO, lay_video

OPERATION = "models/veo-3.0-generate/operations/op1"


@dataclass
class Trap:
    """A server inside, and how often somebody came."""

    url: str = ""
    guests: list[Any] = field(default_factory=list)

    async def greet(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.guests.append(writer.get_extra_info("peername"))
        writer.close()


@pytest.fixture
async def trap() -> AsyncIterator[Trap]:
    trap = Trap()
    async with await asyncio.start_server(trap.greet, "127.0.0.1", 0) as server:
        trap.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/a.mp4"
        yield trap
    assert trap.guests == []


async def ended(site: Site, name: str, **data: Any) -> Ended:
    options = {"priority": 2, "attempts": 3}
    return await site.ended(await site.app.add(name, {"userId": USER, **data}, options))


def check_unsafe(job: Ended, what: str) -> None:
    expected = f"Unsafe {what}: IP literal is not allowed, only a host name"
    assert (job.state, job.attempts_made, job.failed_reason) == ("failed", 1, expected)


async def check_film(site: Site, said: str, what: str) -> None:
    """A film's `failedReason` is for people."""
    data = {"userId": USER, "projectId": PROJECT}
    job_id = await site.app.add("va_compose_video", data, {"priority": 2, "attempts": 3})
    job = await site.finished(job_id)
    assert (job.state, job.attempts_made, job.failed_reason) == ("failed", 1, said)
    expected = f"Unsafe {what}: IP literal is not allowed, only a host name"
    assert told_operators(job) == expected


async def test_the_trap_notes_who_comes() -> None:
    trap = Trap()
    async with await asyncio.start_server(trap.greet, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        await reader.read()
        writer.close()
    assert len(trap.guests) == 1


async def test_a_picture_of_a_job(site: Site, trap: Trap) -> None:
    await lay_project(site.vidfab, [generated(1, trap.url, "pending")])
    await site.worker()
    subject = {"projectId": PROJECT, "shotNumber": 1, "storyboardId": row_id(1)}
    job = await ended(site, "storyboard_download", **subject, externalUrl=trap.url)
    check_unsafe(job, "externalUrl")


async def test_a_clip_of_a_job(site: Site, trap: Trap) -> None:
    await lay_clips(site.vidfab, clip(1, status="success", video_url_external=trap.url))
    await site.worker()
    subject = {"projectId": PROJECT, "shotNumber": 1}
    job = await ended(site, "video_clip_download", **subject, externalUrl=trap.url)
    check_unsafe(job, "externalUrl")


async def test_a_video_of_a_job(site: Site, trap: Trap) -> None:
    await lay_video(site.vidfab, status="downloading")
    await site.worker()
    job = await ended(site, "download_video", videoId=VIDEO, originalUrl=trap.url)
    check_unsafe(job, "originalUrl")


async def test_what_a_job_wants_cleaned_up(site: Site, trap: Trap) -> None:
    await site.worker()
    job = await ended(site, "cleanup_temp", tempUrls=[trap.url])
    assert (job.state, job.returnvalue["data"]["count"]) == ("completed", 0)


@pytest.mark.parametrize("provider", ["seedream", "gemini"])
async def test_a_reference_of_a_character(site: Site, trap: Trap, provider: str) -> None:
    """Neither fetched nor passed on; the picture is made without."""
    await lay_project(site.vidfab, generating(1))
    await site.worker(**site.vidfab.providers.environment, IMAGE_PROVIDER=provider)
    character = {"id": "c1", "name": "Bob (man)", "reference_images": [trap.url]}
    shots = [{"shot_number": 1, "description": "Bob opens a door"}]
    job = await ended(
        site, "storyboard_generation", projectId=PROJECT, shots=shots, characters=[character]
    )
    assert job.state == "completed"
    sent = [str(one.body) for one in await site.vidfab.providers.control.requests()]
    assert any("Bob" in body for body in sent)
    assert not any("127.0.0.1" in body for body in sent)


async def test_the_picture_that_seedream_answers(site: Site, trap: Trap) -> None:
    """It is paid for: the shot ends, and the others keep theirs."""
    await lay_project(site.vidfab, generating(1, 2))
    body = {"model": "seedream-5-0-260128", "created": 1, "data": [{"url": trap.url}]}
    await site.vidfab.providers.control.fail(IMAGES, 200, body=body, body_contains="A door")
    await site.worker()
    shots = [
        {"shot_number": 1, "description": "A door"},
        {"shot_number": 2, "description": "A cat"},
    ]
    job = await ended(site, "storyboard_generation", projectId=PROJECT, shots=shots, characters=[])
    assert (job.state, job.attempts_made) == ("completed", 1)
    rows = await storyboards(site.vidfab)
    assert (rows[1]["status"], rows[2]["status"]) == ("failed", "success")
    said = "This picture came in a form that cannot be used. Please make it again."
    assert rows[1]["error_message"] == said
    assert trap.url not in str(rows)
    assert len(await site.vidfab.providers.control.requests("/ark/*")) == 2


CLIPS = {
    "Seedance": ("tasks", "t1", {}),
    "Wavespeed": ("predictions", "p1", {"seedance_task_id": None, "video_request_id": "p1"}),
    "Google": ("operations", OPERATION, {"seedance_task_id": None, "video_request_id": OPERATION}),
}


@pytest.mark.parametrize("vendor", CLIPS)
async def test_the_clip_that_a_provider_answers(site: Site, trap: Trap, vendor: str) -> None:
    kind, provider_id, columns = CLIPS[vendor]
    operation = Operation(after_s=0, url=trap.url)
    await site.vidfab.providers.control.register(kind, provider_id, operation)
    await lay_clips(site.vidfab, clip(1, **columns))
    await site.worker(**site.vidfab.providers.environment)
    await sync(site)
    assert (await site.end_of(SYNC)).args["returnvalue"]["data"]["updated"] == 1
    row = (await clips(site.vidfab))[1]
    assert row["status"] == "failed"
    expected = "This clip came in a form that cannot be used. Please make it again."
    assert row["error_message"] == expected
    assert trap.url not in str(row)


async def test_the_last_frame_that_a_provider_answers(site: Site, trap: Trap) -> None:
    """The clip itself is kept."""
    url = f"{site.vidfab.providers.media_url}/clip/a.mp4"
    content = {"video_url": url, "last_frame_url": trap.url}
    body = {"id": "t1", "status": "succeeded", "content": content}
    await site.vidfab.providers.control.fail(TASK.format("t1"), 200, body=body)
    await lay_clips(site.vidfab, clip(1))
    worker = await site.worker(**site.vidfab.providers.environment)
    await sync(site)
    await site.app.wait_for(download_id(1, "t1"), "completed")
    row = (await clips(site.vidfab))[1]
    assert (row["status"], row["video_url"], row["last_frame_url"]) == ("success", url, None)
    reason = "Unsafe address of the last frame of clip 1: IP literal is not allowed"
    await site.wait_for_line(worker, reason)


@pytest.mark.parametrize("composer", ["shotstack", "ffmpeg"])
async def test_a_clip_of_a_film(site: Site, trap: Trap, composer: str) -> None:
    """Not fetched, and not passed on to be fetched."""
    await compositions.lay_project(site.vidfab, [4], [compositions.clip(1, trap.url)])
    await site.worker(**compositions.shotstack(site.vidfab), VIDEO_COMPOSER=composer)
    said = "Some clips cannot be used. Please make the clips of these shots again: 1."
    await check_film(site, said, "clip of shot 1")
    assert await site.vidfab.providers.control.requests("/shotstack/*") == []


async def test_the_film_that_shotstack_answers(site: Site, trap: Trap) -> None:
    url = f"{site.vidfab.providers.media_url}/clip/a.mp4?seconds=4"
    await compositions.lay_project(site.vidfab, [4], [compositions.clip(1, url)])
    render = {"status": "done", "url": trap.url}
    body = {"success": True, "message": "OK", "response": render}
    await site.vidfab.providers.control.fail("/shotstack/render/*", 200, body=body)
    await site.worker(**compositions.shotstack(site.vidfab))
    said = "This final video could not be made. Please try again."
    await check_film(site, said, "address of the rendered video")
