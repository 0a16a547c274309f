"""Each place that takes an address from outside, given one inside: nobody comes there.

The address is that of a real server on this machine, which notes each connection.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from sandbox.providers.client import IMAGES
from sandbox.providers.models import Work
from tests.support import compositions
from tests.support.clips import clip, clips, download_id, lay_clips, sync
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
    await lay_project(site.vidfab, generating(1))
    body = {"model": "seedream-5-0-260128", "created": 1, "data": [{"url": trap.url}]}
    await site.vidfab.providers.control.fail(IMAGES, 200, body=body)
    await site.worker()
    shots = [{"shot_number": 1, "description": "A door"}]
    job = await ended(site, "storyboard_generation", projectId=PROJECT, shots=shots, characters=[])
    assert job.state == "completed"
    await site.app.wait_for(f"storyboard_download_{PROJECT}_1_{row_id(1)}", "failed")
    row = (await storyboards(site.vidfab))[1]
    assert row["storage_status"] == "failed"
    assert row["error_message"].startswith("Unsafe externalUrl: IP literal")


CLIPS = {
    "Seedance": ("tasks", "t1", {}),
    "Wavespeed": ("predictions", "p1", {"seedance_task_id": None, "video_request_id": "p1"}),
    "Google": ("operations", OPERATION, {"seedance_task_id": None, "video_request_id": OPERATION}),
}


@pytest.mark.parametrize("vendor", CLIPS)
async def test_the_clip_that_a_provider_answers(site: Site, trap: Trap, vendor: str) -> None:
    kind, provider_id, columns = CLIPS[vendor]
    work = Work(after_s=0, url=trap.url)
    await site.vidfab.providers.control.register(kind, provider_id, work)
    await lay_clips(site.vidfab, clip(1, **columns))
    await site.worker(**site.vidfab.providers.environment)
    await sync(site)
    await site.app.wait_for(download_id(1, provider_id.replace("/", "_")), "failed")
    row = (await clips(site.vidfab))[1]
    assert (row["status"], row["storage_status"]) == ("success", "failed")
    assert row["video_url_external"].startswith(trap.url)
    assert row["error_message"] is None, "the clip itself plays"
    end = site.app.events_of(download_id(1, provider_id.replace("/", "_")), "failed")[0]
    assert end.args["failedReason"].startswith("Unsafe externalUrl: IP literal")


@pytest.mark.parametrize("composer", ["shotstack", "ffmpeg"])
async def test_a_clip_of_a_film(site: Site, trap: Trap, composer: str) -> None:
    """Not fetched, and not passed on to be fetched."""
    await compositions.lay_project(site.vidfab, [4], [compositions.clip(1, trap.url)])
    await site.worker(**compositions.shotstack(site.vidfab), VIDEO_COMPOSER=composer)
    job = await ended(site, "va_compose_video", projectId=PROJECT)
    check_unsafe(job, "clip of shot 1")
    assert await site.vidfab.providers.control.requests("/shotstack/*") == []


async def test_the_film_that_shotstack_answers(site: Site, trap: Trap) -> None:
    url = f"{site.vidfab.providers.media_url}/clip/a.mp4?seconds=4"
    await compositions.lay_project(site.vidfab, [4], [compositions.clip(1, url)])
    render = {"status": "done", "url": trap.url}
    body = {"success": True, "message": "OK", "response": render}
    await site.vidfab.providers.control.fail("/shotstack/render/*", 200, body=body)
    await site.worker(**compositions.shotstack(site.vidfab))
    job = await ended(site, "va_compose_video", projectId=PROJECT)
    check_unsafe(job, "address of the rendered video")
